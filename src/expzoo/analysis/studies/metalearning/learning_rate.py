"""Learning a learning rate: plain SGD on an inner network, differentiated through all its steps."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from expzoo.engine.blueprints import Blueprints
from expzoo.engine.device import MINIMUM
from expzoo.engine.recipes import Recipes
from expzoo.engine.tape.trace import objective
from expzoo.engine.unrolled import Batches, InnerStep, Unrolled
from expzoo.lab.lesson import Lesson
from expzoo.lab.outer_loop import OuterLoop
from expzoo.spec.layout import Layout
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.engine.tape.trace import Objective
    from expzoo.spec.spec import Spec

RATE = Layout(("lr",), ((),))


@dataclass(frozen=True, kw_only=True)
class LearnLearningRate(Lesson):
    """Greydanus 2020, "Metalearning a learning rate": plain SGD outside and inside, on the mean inner training loss.

    The inner spec's optimizer says what kind it is (sgd without momentum); its learning rate is
    what is learned, from `start`. The same initialisation and order are used in every outer step,
    as in the notebook.
    """

    KIND: ClassVar[str] = "learning_rate"

    start: float

    def __post_init__(self) -> None:
        super().__post_init__()
        optimizer = self.inner.optimizer
        if optimizer.name != "sgd" or optimizer["momentum"] or optimizer["weight_decay"]:
            raise BadInput(f"a learning rate is learned for plain sgd, not for {optimizer.name} with its options")
        if not self.start > 0:
            raise BadInput(f"start {self.start} must be above 0")

    def loop(self, lessons: Sequence[LearnLearningRate]) -> OuterLoop[LearnLearningRate]:
        """One outer loop for lessons that differ in seed and start."""
        return _LearningRates(lessons)


def sgd_step(of: Objective) -> InnerStep:
    """One step of plain SGD on an objective, its learning rate being `meta["lr"]`."""

    def step(
        state: dict[str, Tensor], meta: dict[str, Tensor], x: Tensor, y: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        gradients, loss = torch.func.grad_and_value(of)(state, x, y)
        return {name: value - meta["lr"] * gradients[name] for name, value in state.items()}, loss

    return step


def with_a_twin(specs: Sequence[Spec]) -> list[Spec]:
    """As many specs as a crowd has at least: a lone one has a twin."""
    return [*specs, *specs[: MINIMUM - len(specs)]] if len(specs) < MINIMUM else list(specs)


def unrolled(specs: Sequence[Any]) -> Unrolled:
    """The inner loops of these specs, which share everything but seeds, at their starts; a lone one has a twin."""
    blueprints = Blueprints()
    recipes = Recipes(blueprints)
    crowd = with_a_twin(specs)
    dataset, steps = blueprints.dataset(crowd[0].dataset), crowd[0].stop.shared.at_most
    splits = [dataset.split("train", spec.seed) for spec in crowd]
    batches = Batches(splits, dataset.batch_size, getattr(torch, crowd[0].dtype))
    batches.load([dataset.indices(spec.seed, 0, steps) for spec in crowd])
    batches.at(0)
    of = objective(blueprints.module(crowd[0]), crowd[0].loss.build())
    loops = Unrolled(sgd_step(of), blueprints.layout(crowd[0]), RATE, batches)
    for index, spec in enumerate(crowd):
        loops.start[index] = torch.from_numpy(recipes.initial_row(spec, {}))
    return loops


class _LearningRates(OuterLoop[LearnLearningRate]):
    def __init__(self, lessons: Sequence[LearnLearningRate]) -> None:
        super().__init__(lessons)
        self.loops = unrolled([lesson.inner for lesson in lessons])
        steps = lessons[0].inner_steps
        self.weights = torch.full((steps,), 1.0 / steps)

    def first_row(self, lesson: LearnLearningRate) -> Tensor:
        return torch.tensor([lesson.start], dtype=self.loops.meta.dtype)

    def look(self, step: int) -> tuple[Tensor, Tensor]:
        for index, row in zip(range(len(self.loops.meta)), itertools.cycle(self.rows), strict=False):
            self.loops.meta[index, 0] = row[0]
        losses, gradients = self.loops.gradient(self.weights, self.lessons[0].checkpoint_every)
        return losses.double().mean(1), gradients[:, :1]

    def updated(self, lesson: LearnLearningRate, row: Tensor, gradient: Tensor) -> Tensor:
        return row - lesson.outer_lr * gradient

    def is_possible(self, row: Tensor) -> bool:
        return super().is_possible(row) and bool((row > 0).all())
