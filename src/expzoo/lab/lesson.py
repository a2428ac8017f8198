"""What is to be learned by an outer loop, as frozen data with a key, and what was learned."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, ClassVar, Self

from expzoo.config.versions import ENGINE_VERSION
from expzoo.system.canonical import JSON, canonical_json
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from expzoo.lab.outer_loop import Outer
    from expzoo.spec.spec import Spec
    from expzoo.store.network import Network
    from expzoo.store.records import Cell, Row


@dataclass(frozen=True, kw_only=True)
class Lesson(ABC):
    """How something is learned from inner networks like `inner`, whose seed is the lesson's.

    The key names the trajectory of the outer loop, as a spec's key that of a network.
    `checkpoint_every` says how many inner steps lie between two states that are kept, null for the
    root of their number: it changes memory and time and no bit of the result, so it is not in the
    key.
    """

    KIND: ClassVar[str]  # the measure under which what each outer step cost is stored: it says what was learned
    VERSION: ClassVar[int] = 1
    NOT_IN_KEY: ClassVar[frozenset[str]] = frozenset({"checkpoint_every"})

    inner: Spec
    outer_steps: int
    outer_lr: float
    checkpoint_every: int | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if self.outer_steps < 1 or not self.outer_lr > 0:
            raise BadInput(f"outer_steps {self.outer_steps} must be at least 1 and outer_lr {self.outer_lr} above 0")

    @property
    def seed(self) -> int:
        """Of the inner networks, and of everything that is drawn."""
        return self.inner.seed

    @property
    def inner_steps(self) -> int:
        """How long an inner network trains."""
        return self.inner.stop.shared.at_most

    def canonical(self) -> dict[str, JSON]:
        """What is hashed: the inner spec as its key."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"inner", *self.NOT_IN_KEY}}
        content: dict[str, JSON] = {"lesson": type(self).__name__, "version": self.VERSION, "engine": ENGINE_VERSION}
        return content | own | {"inner": self.inner.key}

    @property
    def key(self) -> str:
        """64 hexadecimal digits."""
        return hashlib.sha256(canonical_json(self.canonical()).encode()).hexdigest()

    def alias(self) -> str:
        """The short form of the key that a person types."""
        return self.key[:8]

    def together(self) -> tuple[type[Lesson], str, str]:
        """Lessons for which this is equal are learned in one program: they differ in seeds and starts only."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"inner", "start"}}
        return (type(self), self.inner.replace(seed=0).key, canonical_json(own))

    def most_together(self) -> int:
        """How many lessons one program learns side by side at most; the bits do not depend on it."""
        return 32

    @abstractmethod
    def loop(self, lessons: Sequence[Self]) -> Outer:
        """The LightningModule that learns these lessons, which go together."""


def crowds(lessons: Iterable[Lesson]) -> Iterator[list[Lesson]]:
    """Lessons that one program learns side by side."""
    groups: dict[tuple[type[Lesson], str, str], list[Lesson]] = {}
    for lesson in lessons:
        groups.setdefault(lesson.together(), []).append(lesson)
    for group in groups.values():
        most = max(group[0].most_together(), 1)
        yield from (group[start : start + most] for start in range(0, len(group), most))


@dataclass(frozen=True)
class Lessons:
    """What an analysis yields to have lessons learned; it gets a list of `Learned`, in order."""

    lessons: tuple[Lesson, ...]


@dataclass(frozen=True)
class Learned:
    """What was learned: the rows of the outer loop."""

    lesson: Lesson
    network: Network = field(repr=False)

    @property
    def key(self) -> str:
        """The lesson's key."""
        return self.lesson.key

    @property
    def diverged(self) -> bool:
        """Whether an inner loop diverged; the final row is the last with a finite loss and gradient, if any."""
        return self.network.status == "diverged"

    @property
    def step(self) -> int:
        """The number of outer steps behind the final row."""
        return self.network.step

    @property
    def costs(self) -> Float[np.ndarray, " steps"]:
        """What each outer step found before its update."""
        return self.network.losses

    def row(self, step: int | None = None) -> Float[np.ndarray, " size"]:
        """What was learned after so many outer steps, all by default."""
        return self.network.rows[self.network.step if step is None else step]

    def rows(self, *, arm: str, metric: str = "", **varied: Cell) -> list[Row]:
        """Tidy rows of the costs by outer step and, as `metric`, of what was learned if that is one number."""
        common: Row = {"key": self.key, "seed": self.lesson.seed, "arm": arm, **varied}
        found: list[Row] = [
            common | {"step": step, "split": "train", "metric": "outer_loss", "value": float(cost)}
            for step, cost in enumerate(self.costs)
        ]
        for step, row in sorted(self.network.rows.items()) if metric else ():
            found.append(common | {"step": step, "split": "", "metric": metric, "value": float(row[0])})
        return found
