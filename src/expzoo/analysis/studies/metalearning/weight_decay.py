"""Learning a learning rate together with a weight decay: what an inner training costs is its loss on held-out data.

The training loss of a network is lowest without any decay, so it cannot say which one is best. After
the training steps come steps over the validation examples, whose losses are the cost and which
change no weight.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from expzoo.analysis.studies.metalearning.learning_rate import with_a_twin
from expzoo.engine.blueprints import Blueprints
from expzoo.engine.recipes import Recipes
from expzoo.engine.tape.trace import objective
from expzoo.engine.unrolled import Batches, InnerStep, Unrolled, Values
from expzoo.lab.lesson import Lesson
from expzoo.lab.outer_loop import OuterLoop
from expzoo.spec.contracts import Split
from expzoo.spec.layout import Layout
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from jaxtyping import Int

    from expzoo.engine.tape.trace import Objective
    from expzoo.spec.spec import Spec

LOGS = Layout(("logs",), ((2,),))
NO_DECAY = -60.0  # the logarithm of a decay that changes no bit of a weight


@dataclass(frozen=True, kw_only=True)
class LearnRateAndDecay(Lesson):
    """Learns the logarithms of the learning rate and the weight decay of plain SGD, by the loss on validation data.

    `decay` is the first weight decay; null is none, and then the rate is learned alone. An outer
    step changes a logarithm by at most `outer_lr` times `clamp`. The same initialisation and order
    are used in every outer step.
    """

    KIND: ClassVar[str] = "rate_and_decay"

    rate: float
    decay: float | None
    clamp: float

    def __post_init__(self) -> None:
        super().__post_init__()
        optimizer = self.inner.optimizer
        if optimizer.name != "sgd" or optimizer["momentum"] or optimizer["weight_decay"]:
            raise BadInput(f"a rate and a decay are learned for plain sgd, not for {optimizer.name} with its options")
        if not (self.rate > 0 and (self.decay is None or self.decay > 0) and self.clamp > 0):
            raise BadInput(f"rate {self.rate}, decay {self.decay} and clamp {self.clamp} must be above 0")

    def loop(self, lessons: Sequence[LearnRateAndDecay]) -> OuterLoop[LearnRateAndDecay]:
        """One outer loop for lessons that differ in seed."""
        return _RatesAndDecays(lessons)


def decaying_sgd(of: Objective) -> InnerStep:
    """One step of SGD with weight decay, as `torch.optim.SGD`; none at all where `training` is 0."""

    def step(state: Values, meta: Values, x: Tensor, y: Tensor, training: Tensor) -> tuple[Values, Tensor]:
        gradients, loss = torch.func.grad_and_value(of)(state, x, y)
        rate, decay = training * meta["logs"][0].exp(), meta["logs"][1].exp()
        return {name: value - rate * (gradients[name] + decay * value) for name, value in state.items()}, loss

    return step


def held_out(size: int, batch_size: int) -> Int[np.ndarray, "batches batch"]:
    """The validation examples in whole batches; fewer than a batch are taken again until it is full."""
    batches = max(size // batch_size, 1)
    return np.resize(np.arange(size), (batches, batch_size))


def unrolled(specs: Sequence[Spec]) -> tuple[Unrolled, int]:
    """The inner loops of these specs, the last steps over validation data, and how many those are."""
    blueprints = Blueprints()
    recipes = Recipes(blueprints)
    crowd = with_a_twin(specs)
    dataset, steps = blueprints.dataset(crowd[0].dataset), crowd[0].stop.build().at_most
    parts = [(dataset.split("train", spec.seed), dataset.split("validation", spec.seed)) for spec in crowd]
    splits = [Split(np.concatenate([train.x, held.x]), np.concatenate([train.y, held.y])) for train, held in parts]
    held = held_out(len(parts[0][1]), dataset.batch_size)
    last = len(held)
    batches = Batches(splits, dataset.batch_size, getattr(torch, crowd[0].dtype), ())
    training = np.repeat([1.0, 0.0], [steps, last])[:, None] * np.ones(len(crowd))
    orders = [np.concatenate([dataset.indices(spec.seed, 0, steps), len(parts[0][0]) + held]) for spec in crowd]
    batches.load(orders, training)
    batches.at(0)
    of = objective(blueprints.module(crowd[0]), crowd[0].loss.build())
    loops = Unrolled(decaying_sgd(of), blueprints.layout(crowd[0]), LOGS, batches)
    for index, spec in enumerate(crowd):
        loops.start[index] = torch.from_numpy(recipes.initial_row(spec, {}))
    return loops, last


class _RatesAndDecays(OuterLoop[LearnRateAndDecay]):
    def __init__(self, lessons: Sequence[LearnRateAndDecay]) -> None:
        super().__init__(lessons)
        self.loops, last = unrolled([lesson.inner for lesson in lessons])
        self.last = last
        self.weights = torch.cat([torch.zeros(lessons[0].inner_steps), torch.full((last,), 1.0 / last)])

    def first_row(self, lesson: LearnRateAndDecay) -> Tensor:
        decay = NO_DECAY if lesson.decay is None else np.log(lesson.decay)
        return torch.tensor([np.log(lesson.rate), decay], dtype=self.loops.meta.dtype)

    def look(self, step: int) -> tuple[Tensor, Tensor]:
        logs = LOGS.views(self.loops.meta)["logs"]
        for index, row in zip(range(len(logs)), itertools.cycle(self.rows), strict=False):
            logs[index] = row
        losses, gradients = self.loops.gradient(self.weights, self.lessons[0].checkpoint_every)
        return losses[:, -self.last :].double().mean(1), LOGS.views(gradients)["logs"].clone()

    def updated(self, lesson: LearnRateAndDecay, row: Tensor, gradient: Tensor) -> Tensor:
        learned = torch.tensor([1.0, float(lesson.decay is not None)], dtype=row.dtype)
        return row - lesson.outer_lr * learned * gradient.clamp(-lesson.clamp, lesson.clamp)
