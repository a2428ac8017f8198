"""Jobs on other processes and machines: joblib, Ray and a real SLURM, all on one store."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest
from tests import slurm
from tests.places import Place

from expzoo.store import run_directory
from expzoo.system.checksummed import read_packed

QUICK = ("population.size=2", "stop.steps=20", "dataset.num_samples=300", "model.width=8")
LONG = ("population.size=3", "dataset.num_samples=300", "model.width=40", "stop.steps=20000")
NotRun = Callable[[str], NoReturn]


def networks(folder: Path) -> dict[str, dict[str, bytes]]:
    """Everything that a store holds, by key."""
    found = {}
    for path in (folder / "outputs" / "store").rglob("network.safetensors"):
        arrays, about = read_packed(path)
        found[about["key"]] = {name: array.tobytes() for name, array in arrays.items()}
    return found


def trained(folder: Path) -> int:
    """How many trainings all runs together say they did."""
    runs = (folder / "outputs" / "custom").glob("*/manifest.json")
    return sum(run_directory.require(path.parent)["networks"]["trained"] for path in runs)


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "package"), [("joblib", "hydra_plugins.hydra_joblib_launcher"), ("ray", "ray")])
@pytest.mark.check("D6")
def test_jobs_in_other_processes_share_a_store(tmp_path: Path, not_run: NotRun, launcher: str, package: str) -> None:
    if not find_spec(package.partition(".")[0]) or not find_spec(package):
        not_run(f"needs the extra {launcher}")
    place = Place(tmp_path / "place", {"RAY_AUTH_MODE": "disabled"})
    shared = "analysis.learning_curves.every=10,20"  # two jobs that need the same networks
    ended = place.type("-m", *QUICK, f"hydra/launcher={launcher}", shared, "seed=0,1", "dataset.batch_size=20,9999")
    assert ended.code == 3, ended.err
    assert "8 jobs: 4 done, 4 bad input" in ended.out
    assert ended.err.count("exit code 2: dataset: batch_size 9999") == 4
    alone = Place(tmp_path / "alone")
    assert alone.type("-m", *QUICK, shared, "seed=0,1", "dataset.batch_size=20").code == 0
    assert networks(place.folder) == networks(alone.folder)
    assert len(networks(place.folder)) == 4


@pytest.mark.slow
def test_a_job_that_is_lost_with_its_ray_node_is_said_and_what_others_finished_is_kept(
    tmp_path: Path, not_run: NotRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not find_spec("ray"):
        not_run("needs the extra ray")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        lost = cluster.add_node(num_cpus=2)
        own = ("hydra/launcher=ray", f"hydra.launcher.address={cluster.address}", "hydra.launcher.max_retries=0")
        place = Place(tmp_path / "place")
        words = ("population.size=2", "dataset.num_samples=300", "model.width=8", "stop.steps=20,2000000")
        process = place.start("-m", *own, *words)
        wait_for(lambda: list(place.folder.rglob("manifest.json")), "no job has ended")
        wait_for(lambda: len(list(place.folder.rglob("partial.safetensors"))) == 2, "the other job never trained")
        cluster.remove_node(lost, allow_graceful=False)
        _, said = process.communicate(timeout=120)
    finally:
        cluster.shutdown()
    *_, heading, reason = said.decode().splitlines()
    assert process.returncode == 3
    assert heading == "1 of 2 jobs did not end well:"
    assert reason.startswith("  stop.steps=2000000: exit code 1: NodeDiedError: ")
    assert trained(place.folder) == 2


@pytest.fixture
def node(not_run: NotRun) -> Iterator[dict[str, str]]:
    """A SLURM of one node."""
    if why := slurm.missing():
        not_run(why)
    if not find_spec("submitit"):
        not_run("needs the extra slurm")
    with tempfile.TemporaryDirectory(prefix="expzoo-") as folder, slurm.cluster(Path(folder)) as environment:
        yield environment


def submitted(place: Path, environment: dict[str, str], *words: str) -> subprocess.Popen[str]:
    place.mkdir()
    own = [f"hydra.launcher.{word}" for word in ("partition=main", "cpus_per_task=1", "timeout_min=20")]
    command = [sys.executable, "-m", "expzoo", "-m", "hydra/launcher=submitit_slurm", *own, *words]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=place, env=environment | {"OMP_NUM_THREADS": "1"}, **pipes)


def wait_for(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.5)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_job_that_slurm_preempts_is_queued_again_and_ends_with_the_bits_of_an_undisturbed_one(
    tmp_path: Path, node: dict[str, str]
) -> None:
    place = tmp_path / "disturbed"
    process = submitted(place, node, *LONG, "seed=0,1")
    wait_for(lambda: len(list(place.rglob("partial.safetensors"))) >= 6, "training never began")
    urgent = ["sbatch", "-p", "urgent", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 1"]
    subprocess.run(urgent, env=node, check=True, capture_output=True)

    def stopped() -> int:
        return sum(path.read_text().count("interrupted: what was done is kept") for path in place.rglob("*log.err"))

    def waiting() -> list[str]:
        queue = ["squeue", "-h", "-t", "PD", "-p", "main", "-r", "-o", "%i"]
        return subprocess.run(queue, env=node, capture_output=True, text=True, check=True).stdout.split()

    wait_for(lambda: stopped() == 2, "nobody was preempted")
    wait_for(lambda: len(waiting()) == 2, "the jobs were not queued again")
    for job in waiting():  # SLURM lets a job that was queued again wait for two minutes
        subprocess.run(["scontrol", "update", f"jobid={job}", "StartTime=now"], env=node, check=False)
    out, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    assert "2 jobs: 2 done" in out
    undisturbed = Place(tmp_path / "undisturbed")
    assert undisturbed.type("-m", *LONG, "seed=0,1").code == 0
    assert networks(place) == networks(undisturbed.folder)
    assert not list(place.rglob("lease"))
    assert not list(place.rglob("partial*"))


@pytest.mark.slow
def test_a_job_that_is_lost_with_its_node_is_said_and_what_others_finished_is_kept(
    tmp_path: Path, node: dict[str, str]
) -> None:
    """Without a requeue, which SLURM does by itself: then the job waits for a node."""
    place, words = tmp_path / "lost", ("population.size=2", "dataset.num_samples=300", "model.width=8")
    once = "+hydra.launcher.additional_parameters.no-requeue=true"
    process = submitted(place, node, *words, once, "stop.steps=20,2000000")
    wait_for(lambda: list(place.rglob("manifest.json")), "no job has ended")
    wait_for(lambda: len(list(place.rglob("partial.safetensors"))) == 2, "the other job never trained")
    name = subprocess.run(["sinfo", "-h", "-o", "%n"], env=node, capture_output=True, text=True, check=True).stdout
    down = ["scontrol", "update", f"nodename={name.strip()}", "state=down", "reason=lost"]
    subprocess.run(down, env=node, check=True)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 3, err
    assert "2 jobs: 1 done, 1 failed" in out
    heading, reason = err.splitlines()
    assert heading == "1 of 2 jobs did not end well:"
    assert reason.startswith("  stop.steps=2000000: exit code 1: SLURM's job ")
    assert "was lost: NODE_FAIL" in reason
    assert trained(place) == 2


@pytest.mark.slow
def test_a_queue_that_refuses_is_said(tmp_path: Path, node: dict[str, str]) -> None:
    process = submitted(tmp_path / "refused", node, *QUICK, "seed=0,1", "hydra.launcher.nodes=7")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    *_, heading, one, other = err.splitlines()  # after what sbatch itself says
    assert heading == "2 of 2 jobs did not end well:"
    refusal = "the queue refuses the jobs: sbatch: error: Batch job submission failed: "
    assert [reason.partition(refusal)[0] for reason in (one, other)] == [f"  seed={n}: exit code 1: " for n in (0, 1)]


def test_a_fused_sweep_that_is_stopped_goes_on(tmp_path: Path) -> None:
    place = Place(tmp_path / "place")
    words = ("-m", *QUICK[:1], *QUICK[2:], "stop.steps=3000", "seed=0,1")
    process = place.start(*words)
    wait_for(lambda: len(list(place.folder.rglob("lease"))) >= 2, "training never began")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75, said
    assert said.decode().splitlines() == ["interrupted: what was done is kept; the same command goes on from here"]
    assert not list(place.folder.rglob("lease"))
    ended = place.type(*words)
    assert ended.code == 0, ended.err
    assert trained(place.folder) <= 4
