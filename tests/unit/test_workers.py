"""Processes that are started on demand: as many as there is work for, and none is no reason to stop."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from expzoo.lab import messages
from expzoo.lab.workers import Workers, WorkerSettings

if TYPE_CHECKING:
    from collections.abc import Callable


class Process:
    """A process that lives until it is ended, and keeps what it is told."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.stdin, self.stdout, self.returncode = io.StringIO(), io.StringIO(), None

    def poll(self) -> int | None:
        return self.returncode

    def terminate(self) -> None:
        self.returncode = -15

    kill = terminate

    def wait(self, _: float) -> int:
        assert self.returncode is not None, "it is waited for though nobody has ended it"
        return self.returncode

    @property
    def told(self) -> list[Any]:
        """What it was sent after its settings."""
        return [json.loads(line) for line in self.stdin.getvalue().splitlines()[1:]]


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    """Three processes at most beside this one, of networks that are numbers."""
    monkeypatch.setattr("subprocess.Popen", Process)
    monkeypatch.setattr(messages, "dump", list)
    monkeypatch.setattr(Workers, "wait", lambda *_: None)
    return Workers(WorkerSettings("store"), 3, 4, first=1, on_demand=True)


def test_there_are_no_more_than_other_networks(workers: Workers) -> None:
    def told() -> list[list[Any]]:
        return [worker.told for worker in workers._workers]  # type: ignore[attr-defined]

    workers.offer([1])  # type: ignore[list-item]
    workers.begin()
    assert told() == []
    workers.offer([1, 2, 3])  # type: ignore[list-item]
    assert told() == []
    workers.begin()
    workers.begin()
    assert told() == [[[1, 2, 3]]] * 2
    workers.offer([4, 5, 6, 7, 8])  # type: ignore[list-item]
    assert told() == [[[1, 2, 3], [4, 5, 6, 7, 8]]] * 2
    workers.begin()
    assert told()[2:] == [[[4, 5, 6, 7, 8]]]
    workers.offer([9])  # type: ignore[list-item]
    workers.withdraw()
    workers.begin()
    assert len(told()) == 3


def test_one_that_may_still_be_starting_is_not_waited_for(workers: Workers) -> None:
    workers.offer([1, 2])  # type: ignore[list-item]
    workers.begin()
    [worker] = workers._workers
    workers.close()
    assert worker.returncode == -15


@pytest.mark.parametrize("where", ["fork", "pipe"])
def test_where_none_can_be_had_this_one_trains_alone(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    def broken(*_: object, **__: object) -> Process:
        made = Process()
        made.stdin.write = refuse  # type: ignore[method-assign]
        made.terminate()
        return made

    starts: dict[str, Callable[..., Process]] = {"fork": refuse, "pipe": broken}
    monkeypatch.setattr("subprocess.Popen", starts[where])
    workers.offer([1, 2])  # type: ignore[list-item]
    workers.begin()
    workers.begin()
    assert [record.message for record in caplog.records] == [
        "no further processes can be started: Resource temporarily unavailable"
    ]
    workers.close()
