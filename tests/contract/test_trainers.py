"""One process or two, rows or batches shared: the same networks, bit for bit or within rounding."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from expzoo.analysis.pruning import Pruning
from expzoo.config.registry import build
from expzoo.lab import messages, populations, recruiting, workers
from expzoo.lab import open as opening
from expzoo.lab.lab import Lab
from expzoo.lab.open import open_lab, open_populations, open_shared
from expzoo.lab.request import Request, expand
from expzoo.lab.shared_trainer import solo_class
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.recipe import Event
from expzoo.spec.when import every, log_spaced
from expzoo.store.store import Store
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.spec.spec import Spec


@pytest.fixture
def chain(base: Spec) -> Request:
    """Dense networks and tickets of them, looked at in every way."""
    tickets = [t for seed in range(3) for t in Pruning((0.5, 0.7), rewind_step=5).tickets(base.replace(seed=seed))]
    measures = Measure("accuracy", "test", every(20)), Measure("loss", "train", log_spaced(4))
    return Request(tuple(tickets), measures, steps=(7,), events=(Event("loss", "train", 1.0, 10),))


def test_what_is_wanted_survives_the_wire(chain: Request, base: Spec) -> None:
    wants = expand([chain, Request((base.replace(dtype="float64"),))])
    again = messages.load(json.loads(json.dumps(messages.dump(wants.values()))))
    assert again.keys() == wants.keys()
    for key, want in wants.items():
        assert again[key] == want
        assert again[key].spec.sources() == want.spec.sources()


def test_a_spec_of_another_version_is_refused(base: Spec) -> None:
    content = messages.dump(expand([Request((base,))]).values())
    content["specs"][base.key]["seed"] = 1
    with pytest.raises(BadInput, match="its plugins have other versions"):
        messages.load(content)


def contents(lab: Lab, request: Request) -> list[tuple[bytes, ...]]:
    return [
        (*(network.row(step).tobytes() for step in (0, 7, network.step)), repr(network.network.measured).encode())
        for network in lab.train(request)
    ]


@pytest.mark.check("D6")
def test_two_processes_train_the_bits_of_one(tmp_path: Path, chain: Request) -> None:
    one = open_populations(tmp_path / "one", "cpu", 1)
    two = open_populations(tmp_path / "two", "cpu", 2)
    assert contents(two, chain) == contents(one, chain)
    two.close()
    assert not list(tmp_path.rglob("lease"))


def test_further_processes_start_when_enough_is_left_and_change_no_bits(
    tmp_path: Path, chain: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recruiting, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(recruiting, "WORTH_SECONDS", float("inf"))
    monkeypatch.setattr(populations, "FEWEST_STEPS", 0)
    config = {"trainer": {"name": "auto", "accelerator": "cpu", "spare": 0}, "store": str(tmp_path / "few")}
    monkeypatch.setattr(opening, "devices", lambda _: 2)
    short = open_lab(config)
    few = contents(short, chain)
    assert short.workers
    assert not short.workers.are_there
    monkeypatch.setattr(recruiting, "WORTH_SECONDS", 0.0)
    long = open_lab(config | {"store": str(tmp_path / "many")})
    assert contents(long, chain) == few
    assert long.workers
    assert long.workers.are_there
    long.close()
    assert not list(tmp_path.rglob("lease"))


def test_processors_may_be_spared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "devices", lambda _: 4)
    for spare, processes in ((0, 4), (1, 3), (3, 1), (9, 1)):
        lab = opening.open_as_needed(tmp_path, "cpu", spare)
        assert (lab.workers.total if lab.workers else 1) == processes


def test_a_worker_that_is_lost_is_said_and_costs_nothing_else(
    tmp_path: Path, base: Spec, caplog: pytest.LogCaptureFixture
) -> None:
    lab = open_populations(tmp_path / "two", "cpu", 2)
    assert lab.workers
    specs = [base.replace(seed=seed) for seed in range(4)]
    lab.workers.send([])
    [worker] = lab.workers._workers
    worker.kill()
    worker.wait()
    rows = [network.row().tobytes() for network in lab.train(specs)]
    assert rows == [network.row().tobytes() for network in open_populations(tmp_path / "1", "cpu", 1).train(specs)]
    assert lab.workers.lost() + [record.message for record in caplog.records] == [
        "worker 1 was killed by SIGKILL; the other processes do its part"
    ]
    lab.close()


SPARE = '''"""A layer too many."""

from torch import nn

from expzoo.plugin import register


@register
class Spare(nn.Module):
    """A hidden layer, and one that the forward does not use."""

    def __init__(self, inputs, outputs) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs[0], 8), nn.ReLU(), nn.Linear(8, outputs))
        self.spare = nn.Linear(4, 3)

    def forward(self, x):
        return self.layers(x)
'''


@pytest.fixture
def spare_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin model=spare, here and in other processes."""
    file = tmp_path / "plugins" / "models" / "spare.py"
    file.parent.mkdir(parents=True)
    file.write_text(SPARE)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("spare_model")
@pytest.mark.parametrize("strategy", ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)])
def test_processes_that_share_a_network_agree_with_one_within_rounding(
    tmp_path: Path, base: Spec, strategy: str
) -> None:
    """20 steps in float64 on two processes: dense, pruned, with an unused layer; what cannot be shared is refused."""
    dense = base.replace(dtype="float64", stop={"steps": 20}, dataset={"batch_size": 50})
    ticket = Pruning((0.5,)).tickets(dense)[0]
    decaying = Component.of("optimizer", "sgd", momentum=0.9, weight_decay=0.1)
    spare = dense.replace(model=Component.of("model", "spare"), optimizer=decaying)
    one = open_populations(tmp_path / "one", "cpu", 1).train([dense, ticket, spare])
    shared = open_shared(tmp_path / "two", "cpu", strategy, 2)
    two = shared.train([dense, ticket, spare])
    for a, b in zip(one, two, strict=True):
        assert np.abs(a.row() - b.row()).max() < 1e-6
        assert np.abs(a.losses - b.losses).max() < 1e-6
        assert b.network.machine.endswith(f"-{strategy}2")
    assert (two[1].row()[~two[1].mask] == 0).all()
    for name in ("spare.weight", "spare.bias"):  # decayed alone: a gradient of zero, not None
        first, last = (two[2].module(step).get_parameter(name).detach() for step in (0, 20))
        assert 0 < (last / first).min() <= (last / first).max() < 0.99
    with pytest.raises(BadInput, match=r"dataset.batch_size=25 cannot be shared by 2 processes"):
        shared.train([base])
    shared.close()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_shared_network_whose_processes_are_lost_goes_on_with_the_bits_of_an_undisturbed_one(
    tmp_path: Path, base: Spec, strategy: str
) -> None:
    request = Request((base.replace(stop={"steps": 100}, dataset={"batch_size": 50}),), steps=(0, 7))
    store = tmp_path / "disturbed"
    own = workers.Workers(workers.WorkerSettings(str(store), partial_seconds=0), 2, 2, strategy=strategy)
    lab = Lab(Store(store, solo_class("cpu", strategy, 2)), workers=own)

    def kill() -> None:
        end = time.monotonic() + 200
        while not list(store.rglob("partial.safetensors")) and time.monotonic() < end:
            time.sleep(0.01)
        own._workers[0].kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(ChildProcessError, match="worker 0 was killed by SIGKILL; the same command goes on"):
        lab.train(request)
    killer.join()
    [partial] = [lab.store.load_partial(spec.key) for spec in request.specs]
    assert partial is not None
    assert 0 < partial.step < 100
    found = contents(lab, request)
    lab.close()
    whole = open_shared(tmp_path / "whole", "cpu", strategy, 2)
    assert found == contents(whole, request)
    whole.close()


def test_devices_that_are_not_there_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(BadInput, match=r"trainer.processes=2: there are 1 CUDA devices here"):
        build("trainer", "population", processes=2, accelerator="cuda").open(tmp_path)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(BadInput, match=r"trainer.accelerator=cuda: torch sees no CUDA device here"):
        build("trainer", "auto", accelerator="cuda").open(tmp_path)


def test_processes_that_are_not_needed_end_at_once(tmp_path: Path) -> None:
    lab = open_populations(tmp_path / "store", "cpu", 2)
    assert lab.workers
    [worker] = lab.workers._workers
    assert worker.poll() is None
    lab.close()
    assert worker.returncode == -signal.SIGKILL


def test_processes_end_when_there_are_no_such_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []
    monkeypatch.setattr(workers.Workers, "close", lambda own: ended.append(own) or [w.kill() for w in own._workers])
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(BadInput, match="torch sees no CUDA device here"):
        build("trainer", "population", processes=2, accelerator="cuda").open(tmp_path)
    assert [len(own._workers) for own in ended] == [1]
    for worker in ended[0]._workers:
        worker.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("everybody", [False, True])
@pytest.mark.parametrize("leases", [0, 4])
def test_a_signal_stops_every_process_and_the_command_goes_on_later(
    tmp_path: Path, everybody: bool, leases: int
) -> None:
    """SIGTERM for the command, or Ctrl-C in its terminal, while it trains or while its processes are still starting."""
    words = ["population.size=4", "model.width=20", "stop.steps=20000", "dataset.num_samples=200", "budget=smoke"]
    command = [sys.executable, "-m", "expzoo", *words, "trainer=population", "trainer.processes=2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes = {"stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes)
    end = time.monotonic() + 120
    while len(list(tmp_path.rglob("lease"))) < leases and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5 if leases else 2)
    if everybody:
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75, said
    assert said.splitlines() == ["interrupted: what was done is kept; the same command goes on from here"]
    assert not list(tmp_path.rglob("lease"))
