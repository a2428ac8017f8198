"""Generators that ask for networks, driven together: all questions that are open at one time are asked at once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

from expzoo.lab.lesson import Lessons
from expzoo.lab.request import Request, expand

Result = TypeVar("Result")

Asking = Generator[list[Request | Lessons], list[list[Any]], Result]
"""Asks for several things at a time, and is sent as many answers."""


def lockstep(analyses: Sequence[Generator[Any, Any, Result]]) -> Asking[list[Result]]:
    """Many generators as one, until all have returned; their results, in order."""
    results: dict[int, Result] = {}
    waiting: dict[int, Any] = {}

    def resume(index: int, reply: list[Any] | None) -> None:
        try:
            waiting[index] = analyses[index].send(reply)
        except StopIteration as stop:
            results[index] = stop.value

    for index in range(len(analyses)):
        resume(index, None)
    while waiting:
        asked, waiting = waiting, {}
        for index, reply in zip(asked, (yield list(asked.values())), strict=True):
            resume(index, reply)
    return [results[index] for index in range(len(analyses))]


def noting(asking: Asking[Result], keys: set[str]) -> Asking[Result]:
    """The same, while the keys of all networks that it needs are added to `keys`."""
    reply: Any = None
    while True:
        try:
            asked = asking.send(reply)
        except StopIteration as stop:
            return stop.value
        keys.update(expand(request for request in asked if isinstance(request, Request)))
        keys.update(lesson.key for own in asked if isinstance(own, Lessons) for lesson in own.lessons)
        reply = yield asked
