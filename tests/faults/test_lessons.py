"""Outer loops that are stopped, killed or diverge: nothing is lost, no bit changes, and it is said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor

import expzoo
from expzoo.analysis.studies.metalearning.activation import LearnActivation
from expzoo.analysis.studies.metalearning.learning_rate import LearnLearningRate
from expzoo.lab.learned import divergence
from expzoo.lab.outer_loop import OuterLoop
from expzoo.spec.component import Component
from expzoo.system.checksummed import read_packed
from expzoo.system.signals import Interrupted

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab
    from expzoo.spec.spec import Spec


def rates(base: Spec, *, seeds: int = 2, outer_lr: float = 0.3, start: float = 0.4) -> list[LearnLearningRate]:
    inner = base.replace(optimizer=Component.of("optimizer", "sgd", lr=0.1, momentum=0.0), stop={"steps": 6})
    return [
        LearnLearningRate(inner=inner.replace(seed=seed), outer_steps=6, outer_lr=outer_lr, start=start)
        for seed in range(seeds)
    ]


def activations(base: Spec) -> list[LearnActivation]:
    inner = base.replace(optimizer=Component.of("optimizer", "rmsprop"), stop={"steps": 4})
    own = {"outer_steps": 6, "inner_networks": 2, "hidden": 4, "last_losses": 2}
    return [LearnActivation(inner=inner, **own)]


class StopsAfter:
    """A progress display that asks for an end after so many outer steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.lab: Lab | None = None

    def start(self, networks: int, steps: int) -> None: ...

    def stopping(self) -> None: ...

    def advance(self, networks: int, steps: int, spared: int) -> None:
        self.left -= 1
        if self.left <= 0 and self.lab:
            self.lab.interruption.asked = True

    def finish(self) -> None: ...


@pytest.mark.parametrize("kind", [rates, activations])
def test_a_stopped_outer_loop_goes_on_and_keeps_its_bits(
    base: Spec, open_lab: Callable[..., Lab], kind: Callable[[Spec], list]
) -> None:
    lessons = kind(base)
    whole = open_lab("whole").fit(lessons)
    stopping = StopsAfter(3)
    lab = open_lab("stopped", progress=stopping)
    stopping.lab = lab
    with pytest.raises(Interrupted):
        lab.fit(lessons)
    partials = [lab.store.load_partial(lesson.key) for lesson in lessons]
    assert any(partial and 0 < partial.step < 6 for partial in partials)
    again = open_lab("stopped").fit(lessons)
    for first, second in zip(whole, again, strict=True):
        assert np.array_equal(first.costs, second.costs)
        assert first.network.rows.keys() == second.network.rows.keys() == set(range(7))
        assert all(np.array_equal(first.row(step), second.row(step)) for step in range(7))
    assert list((lab.store.root).rglob("partial*")) == []


def test_more_seeds_learn_the_new_ones_only(base: Spec, open_lab: Callable[..., Lab]) -> None:
    few, lab = open_lab().fit(rates(base, seeds=2)), open_lab()
    more = lab.fit(rates(base, seeds=3))
    assert lab.account.trained == {more[2].key}
    together = open_lab("other").fit(rates(base, seeds=3))
    for one, other in zip(more, together, strict=True):
        assert np.array_equal(one.row(), other.row())
    assert np.array_equal(few[0].row(), more[0].row())


def test_a_diverging_inner_loop_is_said_and_keeps_the_last_good_state(
    base: Spec, open_lab: Callable[..., Lab], caplog: pytest.LogCaptureFixture
) -> None:
    calm, wild = rates(base, seeds=1), rates(base, seeds=1, outer_lr=1e30)
    lab = open_lab()
    [good] = lab.fit(calm)
    [found] = lab.fit(wild)
    assert not good.diverged
    assert found.diverged
    assert found.step < 6
    assert np.isfinite(found.row()).all()
    assert found.row()[0] > 0
    assert len(found.costs) in (found.step, found.step + 1)
    assert lab.account.diverged == {found.key}
    caplog.clear()
    assert open_lab().fit(wild)[0].step == found.step
    assert f"lesson {found.key}: an inner loop diverged in outer step {len(found.costs)}" in caplog.text


@pytest.mark.parametrize("impossible", ["cost", "gradient", "update"])
def test_the_last_good_state_is_the_last_that_trained_inner_networks(base: Spec, impossible: str) -> None:
    class Diverges(OuterLoop):
        """A row that counts its outer steps; what is found at 3 is not a number."""

        def first_row(self, lesson: LearnLearningRate) -> Tensor:
            return torch.zeros(1)

        def look(self, step: int) -> tuple[Tensor, Tensor]:
            found = {"cost": torch.ones(1), "gradient": torch.ones(1, 1)}
            if step == 3 and impossible in found:
                found[impossible] *= float("nan")
            return found["cost"], found["gradient"]

        def updated(self, lesson: LearnLearningRate, row: Tensor, gradient: Tensor) -> Tensor:
            return row + 1 if impossible != "update" or row < 3 else row * float("inf")

    loop = Diverges(rates(base, seeds=1))
    loop.begin([None])
    loop.trainer = SimpleNamespace(should_stop=False)  # type: ignore[assignment]
    for step in range(4):
        loop.training_step((step, step + 1), step)
    [network] = loop.networks
    last = 3 if impossible == "update" else 2  # a row is good if it has a finite cost and gradient
    assert loop.trainer.should_stop
    assert (network.status, network.step, network.losses.tolist()) == ("diverged", last, [1.0] * 3)
    assert {step: row.tolist() for step, row in network.rows.items()} == {step: [step] for step in range(last + 1)}
    assert "diverged in outer step 3; what" in divergence(network)


def test_a_forged_partial_is_set_aside(
    base: Spec, open_lab: Callable[..., Lab], caplog: pytest.LogCaptureFixture
) -> None:
    lessons = rates(base)
    stopping = StopsAfter(3)
    lab = open_lab(progress=stopping)
    stopping.lab = lab
    with pytest.raises(Interrupted):
        lab.fit(lessons)
    partial = lab.store.load_partial(lessons[0].key)
    assert partial is not None
    del partial.network.rows[partial.step]
    lab.store.drop_partials(lessons[0].key)
    lab.store.save_partial(partial)
    whole = open_lab("whole").fit(lessons)
    again = open_lab().fit(lessons)
    assert "does not continue its lesson" in caplog.text
    assert all(np.array_equal(one.row(), other.row()) for one, other in zip(whole, again, strict=True))


@pytest.mark.slow
def test_a_killed_command_goes_on_when_it_is_typed_again(tmp_path: Path) -> None:
    words = ["+experiment=metalearn_learning_rate", "budget=smoke", "analysis.metalearn_learning_rate.outer_steps=60"]
    command = [sys.executable, "-m", "expzoo", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    rows = []
    for name, kill in (("whole", False), ("killed", True)):
        folder = tmp_path / name
        folder.mkdir()
        if kill:
            with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
                store = folder / "outputs" / "store"
                while process.poll() is None and not store.is_dir():
                    time.sleep(0.01)
                time.sleep(0.2)
                process.send_signal(signal.SIGKILL)
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        found = sorted((folder / "outputs" / "store").rglob("network.safetensors"))
        rows.append({path.parent.parent.name: read_packed(path)[0] for path in found})
    assert rows[0].keys() == rows[1].keys()
    for key, arrays in rows[0].items():
        assert all(np.array_equal(array, rows[1][key][name]) for name, array in arrays.items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "rate"),
    [
        ("metalearn_learning_rate", "analysis.metalearn_learning_rate.outer_lr"),
        ("metalearn_activation", "optimizer.lr"),
    ],
)
def test_a_run_in_which_every_outer_loop_diverges_ends_without_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, experiment: str, rate: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = expzoo.run(expzoo.compose(f"+experiment={experiment}", "budget=smoke", f"{rate}=1e30"))
    assert {(verdict.verdict, verdict.n) for verdict in ended.verdicts} == {("withheld", 0)}
    assert ended.figures
