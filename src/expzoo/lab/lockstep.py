"""Generators that ask for networks, driven together: all questions that are open at one time are asked at once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Never, TypeAlias, TypeVar

from expzoo.lab.lesson import Lessons
from expzoo.lab.request import Request, expand

if TYPE_CHECKING:
    from expzoo.lab.lesson import Learned
    from expzoo.lab.trained import Trained

Result = TypeVar("Result")

Asking: TypeAlias = Generator[list[Request | Lessons], "list[list[Trained] | list[Learned]]", Result]
"""Asks for several things at a time, and is sent as many answers: networks, or what was learned of lessons."""

Analysing = Generator[Request | Lessons, Never, Result]
"""Asks for one thing at a time; that the answer is of its kind is whoever answers to see to: no type can say it."""


def lockstep(analyses: Sequence[Analysing[Result]]) -> Asking[list[Result]]:
    """Many generators as one, until all have returned; their results, in order."""
    results: dict[int, Result] = {}
    waiting: dict[int, Request | Lessons] = {}
    own: Sequence[Generator[Request | Lessons, Any, Result]] = analyses

    def resume(index: int, reply: list[Trained] | list[Learned] | None) -> None:
        try:
            waiting[index] = own[index].send(reply)
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
    reply: list[list[Trained] | list[Learned]] | None = None
    while True:
        try:
            asked = next(asking) if reply is None else asking.send(reply)
        except StopIteration as stop:
            return stop.value
        keys.update(expand(request for request in asked if isinstance(request, Request)))
        keys.update(lesson.key for own in asked if isinstance(own, Lessons) for lesson in own.lessons)
        reply = yield asked
