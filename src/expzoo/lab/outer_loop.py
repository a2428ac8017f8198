"""The outer loop as a LightningModule, one outer step in each `training_step`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from expzoo.store.network import Network, Partial

if TYPE_CHECKING:
    from jaxtyping import Float


class Learnable(Protocol):
    """What an outer loop has to know of a lesson; see `lesson.Lesson`."""

    KIND: ClassVar[str]

    @property
    def key(self) -> str: ...

    @property
    def outer_steps(self) -> int: ...


LessonType = TypeVar("LessonType", bound=Learnable)


class Outer(LightningModule):
    """An outer loop as whoever runs it sees it, whatever it learns: a network for each lesson, and which have ended."""

    networks: list[Network]
    ended: list[bool]
    step_done: int

    @abstractmethod
    def begin(self, partials: Sequence[Partial | None]) -> None:
        """Start every lesson, or go on where it was; all of them at the same step."""

    @abstractmethod
    def look(self, step: int) -> tuple[Float[Tensor, " lessons"], Float[Tensor, "lessons size"]]:
        """The cost of every lesson at its row, and the gradients."""

    @abstractmethod
    def partials(self) -> list[Partial]:
        """Where every running lesson is, for the store."""


class OuterLoop(Outer, Generic[LessonType]):
    """Learns several lessons side by side; what is learned of lesson i is `rows[i]` (size,).

    A subclass gives the first rows and what an outer step costs with its gradient; the update is its own too.
    """

    def __init__(self, lessons: Sequence[LessonType]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.lessons = list(lessons)
        self.rows: list[Tensor] = []
        self.networks = [Network(lesson.key, "finished", 0, {}, np.empty(0, np.float64)) for lesson in lessons]
        self.step_done = 0
        self.ended = [False] * len(lessons)

    @abstractmethod
    def first_row(self, lesson: LessonType) -> Float[Tensor, " size"]:
        """What a lesson starts from."""

    @abstractmethod
    def updated(
        self, lesson: LessonType, row: Float[Tensor, " size"], gradient: Float[Tensor, " size"]
    ) -> Float[Tensor, " size"]:
        """The next row."""

    def is_possible(self, row: Float[Tensor, " size"]) -> bool:
        """Whether inner networks can be trained with this row; if not, the lesson has diverged."""
        return bool(row.isfinite().all())

    def begin(self, partials: Sequence[Partial | None]) -> None:
        """Start every lesson, or go on where it was; all of them at the same step."""
        for place, (lesson, partial) in enumerate(zip(self.lessons, partials, strict=True)):
            if partial is None:
                self.rows.append(self.first_row(lesson))
                self.networks[place].rows[0] = self.rows[-1].numpy().copy()
            else:
                self.rows.append(torch.from_numpy(partial.theta.copy()))
                self.networks[place], self.step_done = partial.network, partial.step

    def training_step(self, batch: tuple[int, int], batch_idx: int) -> None:
        """One outer step of all lessons that have not ended."""
        step, _ = batch
        costs, gradients = self.look(step)
        for place, lesson in enumerate(self.lessons):
            if not self.ended[place]:
                self._advance(place, lesson, costs[place], gradients[place], step)
        self.step_done = step + 1
        if all(self.ended):
            self.trainer.should_stop = True

    def _advance(self, place: int, lesson: LessonType, cost: Tensor, gradient: Tensor, step: int) -> None:
        network = self.networks[place]
        following = self.updated(lesson, self.rows[place], gradient)
        if not (cost.isfinite() and gradient.isfinite().all()):
            self._diverged(place, max(step - 1, 0))  # this row itself is what diverges
        elif not self.is_possible(following):
            self._diverged(place, step)
        else:
            self.rows[place] = following
            network.losses = np.append(network.losses, float(cost))
            network.measured.setdefault(f"{lesson.KIND}/", {})[step] = float(cost)
            network.step = step + 1
            network.rows[step + 1] = following.numpy().copy()
            self.ended[place] = step + 1 == lesson.outer_steps

    def _diverged(self, place: int, good: int) -> None:
        """End a lesson with its row after `good` outer steps, the last with which inner networks could be trained."""
        network, self.ended[place] = self.networks[place], True
        network.status, network.step = "diverged", good
        network.measured.setdefault(f"{self.lessons[place].KIND}/", {})  # which says what kind of lesson it was
        network.rows = {at: row for at, row in network.rows.items() if at <= good}
        self.rows[place] = torch.from_numpy(network.rows[good].copy())

    def partials(self) -> list[Partial]:
        """Where every running lesson is, for the store."""
        running = (place for place, ended in enumerate(self.ended) if not ended)
        return [
            Partial(self.lessons[place].key, self.step_done, self.rows[place].numpy(), {}, self.networks[place])
            for place in running
            if self.step_done
        ]

    def configure_optimizers(self) -> None:
        """The outer update is a subclass's own."""

    def transfer_batch_to_device(
        self, batch: tuple[int, int], device: torch.device, dataloader_idx: int
    ) -> tuple[int, int]:
        """A batch is two numbers."""
        return batch
