"""Live values: throttled, dropped where a tracker is slow, and without cost where it fails or hangs."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

import expzoo
from expzoo.runs import live

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Sink:
    def __init__(self, gate: threading.Event | None = None) -> None:
        self.seen: list[live.Values] = []
        self.closed = False
        self.gate = gate

    def send(self, values: live.Values) -> None:
        if self.gate:
            self.gate.wait(60)
        self.seen.append(values)

    def close(self) -> None:
        self.closed = True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def session(step: int, *losses: float) -> Any:
    networks = [SimpleNamespace(network=SimpleNamespace(losses=np.array([9.0, loss]))) for loss in losses]
    return SimpleNamespace(step=step, active=networks)


def test_the_mean_loss_is_sent_now_and_then() -> None:
    sink, clock = Sink(), Clock()
    shown = live.Live("own", lambda: sink, clock)
    for clock.now, step in ((1.0, 10), (11.0, 20), (12.0, 30)):
        shown.note(None, session(step, 1.0, 2.0, float("nan")))
    shown.close()
    assert sink.seen == [{"live/step": 20, "live/networks": 3, "live/loss/train": 1.5}]
    assert sink.closed


def test_nothing_is_opened_where_nothing_is_told() -> None:
    opened = []
    shown = live.Live("own", lambda: opened.append(1))  # type: ignore[func-returns-value]
    shown.close()
    assert opened == []


def test_a_tracker_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PATIENCE", 0.01)
    gate = threading.Event()
    sink = Sink(gate)
    shown = live.Live("own", lambda: sink)
    for step in range(5):
        shown.put({"live/step": float(step)})
    shown.close()
    assert sink.seen == []
    gate.set()
    shown.thread.join(60)
    assert not shown.thread.is_alive()
    assert len(sink.seen) <= 2  # what it had, and what waited


def test_a_tracker_that_fails_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> live.Sink:
        raise ConnectionError("no\nroute")

    shown = live.Live("own", refuse)
    shown.put({"live/step": 1.0})
    shown.thread.join(60)
    shown.put({"live/step": 2.0})
    shown.close()
    assert capsys.readouterr().err == "logger=own shows no live values: no route\n"


OWN = '''"""Writes down what is asked of it."""

from __future__ import annotations

from pathlib import Path

from expzoo.plugin import register

SEEN = Path("seen.txt")


class Open:
    def send(self, values) -> None:
        """A value."""

    def close(self) -> None:
        SEEN.write_text(SEEN.read_text() + "closed\\n")


@register
class Own:
    """A tracker that allows one open run."""

    CACHE_VERSION = 1

    def live(self, directory, about):
        """Open it."""
        SEEN.write_text(f"opened {about['experiment']}\\n")
        return Open()

    def log(self, directory, about, summary) -> None:
        """The whole run."""
        SEEN.write_text(SEEN.read_text() + "logged\\n")
'''


def test_a_tracker_is_closed_before_it_is_given_the_finished_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugins" / "loggers").mkdir(parents=True)
    (tmp_path / "plugins" / "loggers" / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(live, "SECONDS", 0.0)
    words = ("logger=own", "budget=smoke", "population.size=2", "model.width=5", "stop.steps=60")
    expzoo.run(expzoo.compose(*words, "dataset.num_samples=200"))
    assert (tmp_path / "seen.txt").read_text() == "opened custom\nclosed\nlogged\n"


def test_a_tracker_that_failed_while_values_waited_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PATIENCE", float("inf"))
    gate = threading.Event()

    def refuse() -> live.Sink:
        gate.wait(60)
        raise ConnectionError

    shown = live.Live("own", refuse)
    shown.put({"live/step": 1.0})
    while not shown.waiting.empty():
        gate.wait(0.001)
    shown.put({"live/step": 2.0})
    gate.set()
    shown.thread.join(60)
    assert not shown.waiting.empty()
    shown.close()
