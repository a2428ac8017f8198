"""Generators that ask for networks, driven together: all questions that are open at one time are asked at once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

from expzoo.trained import Request, Trained, expand

Result = TypeVar("Result")

Asking = Generator[list[Request], list[list[Trained]], Result]
"""Asks for several things at a time, and is sent as many answers."""


def lockstep(analyses: Sequence[Generator[Request, list[Trained], Result]]) -> Asking[list[Result]]:
    """Many generators as one, until all have returned; their results, in order."""
    results: dict[int, Result] = {}
    waiting: dict[int, Request] = {}

    def resume(index: int, reply: list[Trained] | None) -> None:
        try:
            waiting[index] = analyses[index].send(reply)  # type: ignore[arg-type]
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
        keys.update(expand(asked))
        reply = yield asked
