"""A process that is killed, terminated or interrupted at any moment: typed again, it ends with the same bits."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from expzoo.system.checksummed import read_packed

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def killed(tmp_path, seed, kills, chains):
    """What `killed.py` found."""
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path)]
    command += [str(number) for number in (seed, kills, chains)]
    return json.loads(subprocess.run(command, env=ENVIRONMENT, check=True, stdout=subprocess.PIPE).stdout)


def assert_nothing_was_lost(found, kills, chains):
    assert len(set(found["undisturbed"])) == 6
    assert found["once"] == [found["undisturbed"]] * kills
    assert found["hits"] >= kills / 3
    assert found["chain"] == [found["undisturbed"]] * chains
    assert found["debris"] == []


def test_networks_killed_at_random_moments_end_with_the_same_bits(tmp_path):
    assert_nothing_was_lost(killed(tmp_path, seed=1, kills=3, chains=1), 3, 1)


@pytest.mark.slow
@pytest.mark.check("R1")
def test_networks_killed_at_fifty_random_moments_end_with_the_same_bits(tmp_path, record_property):
    found = killed(tmp_path, seed=2, kills=50, chains=0)
    assert_nothing_was_lost(found, 50, 0)
    record_property("counted", f"50/50 kills, {found['hits']} of them before the end")


@pytest.mark.slow
@pytest.mark.check("R2")
def test_twenty_chains_of_kills_end_with_the_same_bits(tmp_path, record_property):
    assert_nothing_was_lost(killed(tmp_path, seed=3, kills=0, chains=20), 0, 20)
    record_property("counted", "20/20 chains of 5 kills")


ANNOUNCED = '''
from pathlib import Path

from expzoo.plugin import Count, register


@register
class Announced:
    """A fixed number of steps; the file `started` in the folder appears when training is under way."""

    watches = ("loss", "train")
    must_end = False

    def __init__(self, *, folder: str = "", every: Count = 50, at_most: Count = 8000) -> None:
        self.folder, self.every, self.at_most = folder, every, at_most

    def done(self, history: list[float]) -> bool:
        Path(self.folder, "started").touch()
        return False
'''


@pytest.fixture
def command(tmp_path):
    """Starts a small experiment on the command line, with a store and results of the given name."""
    home = tmp_path / "home" / "stops"
    home.mkdir(parents=True)
    (home / "announced.py").write_text(ANNOUNCED)
    environment = {**ENVIRONMENT, "EXPZOO_PLUGINS": str(home.parent)}

    started = []

    def start(name):
        folder = tmp_path / name
        (tmp_path / "started").unlink(missing_ok=True)
        options = [f"stop.folder={tmp_path}", f"store={folder / 'store'}", f"hydra.run.dir={folder / 'out'}"]
        fixed = ["stop=announced", "population.size=3", "model.width=37", "dataset.num_samples=500", "budget=smoke"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        line = [sys.executable, "-m", "expzoo", *fixed, *options]
        started.append(subprocess.Popen(line, env=environment, cwd=tmp_path, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def ended(process):
    """The exit code of a command and what it said."""
    _, said = process.communicate(timeout=180)
    return process.returncode, said


def wait_for(path, process):
    """Until training is under way."""
    end = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, ended(process)
        assert time.monotonic() < end, "training never began"
        time.sleep(0.01)


def networks(folder):
    """Everything that the store holds, by key."""
    found = {}
    for path in sorted((folder / "store").rglob("network.safetensors")):
        arrays, about = read_packed(path)
        found[about["key"]] = about, {name: array.tobytes() for name, array in arrays.items()}
    return found


def partials(folder):
    return list((folder / "store").rglob("partial.safetensors"))


def signalled(command, tmp_path, name, number, chance):
    """Start the command and signal it at a random moment of its training; its exit code and what it said."""
    process = command(name)
    wait_for(tmp_path / "started", process)
    time.sleep(chance.uniform(0, 0.3))
    process.send_signal(number)
    return ended(process)


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGTERM], id="SIGTERM"),
        pytest.param([signal.SIGINT, signal.SIGTERM, signal.SIGKILL], marks=pytest.mark.slow, id="all"),
    ],
)
@pytest.mark.check("R5")
def test_a_command_that_is_stopped_by_signals_goes_on_when_it_is_typed_again(command, tmp_path, signals):
    chance = random.Random(0)
    assert ended(command("undisturbed")) == (0, "")
    folder = tmp_path / "stopped"
    for number in signals:
        code, said = signalled(command, tmp_path, "stopped", number, chance)
        if number != signal.SIGKILL:
            assert code == 75
            assert said.splitlines() == ["interrupted: what was done is kept; the same command goes on from here"]
        else:
            assert code == -signal.SIGKILL
        assert len(partials(folder)) == 3
        assert not networks(folder)
        assert not (folder / "out" / "manifest.json").exists()
    assert ended(command("stopped")) == (0, "")
    assert networks(folder) == networks(tmp_path / "undisturbed")
    assert len(networks(folder)) == 3
    assert not partials(folder)
    for name in ("records.parquet", "verdicts.json"):
        assert (folder / "out" / name).read_bytes() == (tmp_path / "undisturbed" / "out" / name).read_bytes()
