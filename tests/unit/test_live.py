"""Live values: throttled, dropped where a tracker is slow, and without cost where it fails or hangs."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.runs import live

if TYPE_CHECKING:
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
