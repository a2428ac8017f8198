"""Recipes: how a start or a mask is made from other networks or from random numbers, as frozen data."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

from expzoo.system.canonical import canonical_json

if TYPE_CHECKING:
    from expzoo.system.canonical import JSON

FINAL: Literal["final"] = "final"


class Keyed(ABC):
    """What recipes refer to by its key: a spec."""

    @abstractmethod
    def canonical(self) -> dict[str, JSON]:
        """What is hashed."""

    @cached_property
    def key(self) -> str:
        """64 hexadecimal digits: the sha256 of the canonical JSON."""
        return hashlib.sha256(canonical_json(self.canonical()).encode()).hexdigest()


class Recipe:
    """How something is made from other networks or from random numbers: frozen data, resolved when it is needed.

    Fields in `ADDED` came later: at their default they are not in the canonical form, so that older keys hold.
    """

    ADDED: ClassVar[tuple[str, ...]] = ()

    def sources(self) -> Iterator[tuple[Keyed, Step]]:
        """The rows it needs: (spec, step) pairs, those of specs at the recipe's `step`."""
        for field in fields(self):  # type: ignore[arg-type]
            match value := getattr(self, field.name):
                case Recipe():
                    yield from value.sources()
                case Keyed():
                    yield value, vars(self)["step"]
                case (Keyed(), *_):
                    yield from ((spec, vars(self)["step"]) for spec in value)

    def kind(self) -> tuple[object, ...]:
        """What it is but for the networks that it is made from."""
        values = [value for value in vars(self).values() if not isinstance(value, Keyed)]
        return (type(self), *(value.kind() if isinstance(value, Recipe) else value for value in values))

    def canonical(self) -> dict[str, JSON]:
        """Plain data, in which other specs stand as their keys."""
        content: dict[str, JSON] = {"recipe": type(self).__name__}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if field.name in self.ADDED and value == field.default:
                continue
            match value:
                case Keyed():
                    content[field.name] = value.key
                case Recipe():
                    content[field.name] = value.canonical()
                case (Keyed(), *_):
                    content[field.name] = [spec.key for spec in value]
                case _:
                    content[field.name] = value
        return content


@dataclass(frozen=True)
class Event(Recipe):
    """The first look, every `every` steps, at which a metric on a split is at most this: it names a row."""

    metric: str = "loss"
    split: str = "train"
    at_most: float = 0.1
    every: int = 10

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"an event looked for every {self.every} steps: it must be at least 1")
        if self.split not in ("train", "validation"):
            raise ValueError(f"an event on {self.split} data: only train and validation data may choose a row")
        object.__setattr__(self, "at_most", float(self.at_most))

    @property
    def name(self) -> str:
        """Under which the step is kept."""
        return f"{self.metric}/{self.split}<={self.at_most!r}@{self.every}"


Step = int | Literal["final"] | Event
