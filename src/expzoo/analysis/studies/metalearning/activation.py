"""Learning an activation function: a small network of one input, differentiated through whole inner trainings.

Greydanus 2020, "Metalearning an activation function": f(x) = ELU(x) + 0.2 g(x) with g a perceptron
of one hidden layer of tanh units. Inside an inner loop f stands as a cubic spline through its
values and slopes (see `components.splines`), so that an inner step costs the same whatever the size
of g; the gradient goes through the 65 knots back into g exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value

from expzoo.components import splines
from expzoo.components.learned_activations import KIND, small_network
from expzoo.engine.blueprints import Blueprints
from expzoo.engine.layers.normalisation import without_statistics
from expzoo.engine.unrolled import Batches, InnerStep, Unrolled, Values
from expzoo.lab.lesson import Lesson
from expzoo.lab.outer_loop import OuterLoop
from expzoo.spec.component import Component
from expzoo.spec.layout import Layout, own_generator
from expzoo.spec.spec import Spec
from expzoo.system import randomness
from expzoo.system.errors import BadInput, Unfit

if TYPE_CHECKING:
    from jaxtyping import Float

    from expzoo.spec.contracts import Dataset

TABLE = Layout(("table",), ((4, splines.INTERVALS + 2),))
SQUARES = "square."


@dataclass(frozen=True, kw_only=True)
class LearnActivation(Lesson):
    """Learns the activation function of `inner`'s model from `inner_networks` fresh networks in each outer step.

    Every outer step has initialisations and orders of its own; all see the data of the lesson's
    seed. The cost is the mean training loss of the last `last_losses` steps. Inner optimizer:
    rmsprop whose mean squares start at 1; uniform noise of +-`noise` on what the units give; outer:
    SGD with gradients clamped to +-`clamp` (all: notebook).
    """

    KIND: ClassVar[str] = KIND

    outer_lr: float = 0.3
    inner_networks: int
    hidden: int
    last_losses: int
    clamp: float = 0.1
    noise: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.inner.optimizer.name != "rmsprop" or "activation" not in dict(self.inner.model.options):
            raise BadInput("an activation is learned in a model with that option, trained by rmsprop")
        if not 1 <= self.last_losses <= self.inner_steps:
            raise Unfit(f"last_losses {self.last_losses} must be from 1 to the {self.inner_steps} inner steps")
        if self.noise and not _has_one_width(self.inner.model, self.inner.dataset):
            told = (
                f"its noise is one number for each of the `width` units of a layer, and model={self.inner.model.name}"
            )
            raise Unfit(f"{told} has layers of other shapes: give analysis.metalearn_activation.noise=0")
        if self.inner_networks < 2:
            raise BadInput(f"inner_networks {self.inner_networks} must be at least 2")

    def loop(self, lessons: Sequence[LearnActivation]) -> OuterLoop[LearnActivation]:
        """One outer loop for lessons that differ in seed."""
        return _Activations(lessons)

    def most_together(self) -> int:
        """One lesson fills the cache with its own inner networks."""
        return 1


def notebook_network(*, width: int, steps: int, samples: int, seed: int) -> Spec:
    """The inner network of the notebook, 40-128-10 for 301 steps on 8000 of 10,000 examples, on data of its seed's own.

    Those that are held out are further ones, as in metalearn_activation, which tunes on them.
    """
    training, held_out = samples * 8 // 10, samples // 10
    data = {"num_samples": samples, "train_size": training, "validation_size": held_out, "draw": "member"}
    return Spec(
        dataset=Component.of("dataset", "mnist1d", **data),
        model=Component.of("model", "mlp", width=width, depth=1),
        optimizer=Component.of("optimizer", "rmsprop", lr=0.01, alpha=0.4),
        schedule=Component.of("schedule", "constant"),
        loss=Component.of("loss", "cross_entropy"),
        stop=Component.of("stop", "steps", steps=steps),
        seed=seed,
    )


def first_weights(seed: int, hidden: int) -> Float[Tensor, " weights"]:
    """The small network as torch initialises its two linear layers: 3 hidden + 1 numbers in float64."""
    with own_generator(randomness.stable_hash(seed, "small network")):
        first, last = nn.Linear(1, hidden), nn.Linear(hidden, 1)
    parts = (first.weight, first.bias, last.weight, last.bias)
    return torch.cat([part.detach().flatten() for part in parts]).double()


def table_of(row: Float[Tensor, " weights"]) -> Float[Tensor, "4 66"]:
    """The coefficients of the spline through f's values and slopes at the knots; differentiable."""
    return splines.cubic(*small_network(row, splines.knots(row.dtype)))


@cache
def _has_one_width(model: Component[nn.Module], dataset: Component[Dataset]) -> bool:
    """Whether every activation of a model with `width` units works on so many numbers an example."""
    options = dict(model.options)
    if "width" not in options:
        return False
    data, shapes = dataset.build(), list[tuple[int, ...]]()
    module = model.replace(activation="identity").build(data.inputs, data.outputs)
    for part in module.modules():
        if type(part) is nn.Identity:
            part.register_forward_hook(lambda _, __, given: shapes.append(tuple(given.shape)))
    with torch.no_grad():
        module(torch.tensor(data.split("train", 0).x[:2]))
    return {shape[1:] for shape in shapes} == {(options["width"],)}


class _Noisy(nn.Module):
    """A spline whose table and noise are given from outside."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(TABLE.shapes[0]))
        self.register_buffer("noise", torch.zeros(units))

    def forward(self, x: Tensor) -> Tensor:
        return splines.evaluate(self.get_buffer("table"), x) + self.get_buffer("noise")


def _with_spline(model: nn.Module, units: int) -> nn.Module:
    """The model, built with the identity for its activation, with one spline in place of each."""
    spline = _Noisy(units)
    paths = [name for name, module in model.named_modules(remove_duplicate=False) if type(module) is nn.Identity]
    for path in paths:
        above, _, name = path.rpartition(".")
        model.get_submodule(above).register_module(name, spline)
    return model


def rmsprop_step(module: nn.Module, loss: Any, lr: float, alpha: float, eps: float) -> InnerStep:
    """One step of RMSprop as the notebook has it, the activation being `meta["table"]`."""
    buffers = [name for name, _ in module.named_buffers(remove_duplicate=False)]

    def step(state: Values, meta: Values, x: Tensor, y: Tensor, noise: Tensor) -> tuple[Values, Tensor]:
        given = {name: noise if name.endswith("noise") else meta["table"] for name in buffers}
        parameters = {name: value for name, value in state.items() if not name.startswith(SQUARES)}

        def cost(parameters: Values) -> Tensor:
            return loss(functional_call(module, parameters | given, (x,)), y)

        gradients, value = grad_and_value(cost)(parameters)
        following = {}
        for name, gradient in gradients.items():
            square = alpha * state[SQUARES + name] + (1 - alpha) * gradient.square()
            following[SQUARES + name] = square
            following[name] = parameters[name] - lr * gradient / (square.sqrt() + eps)
        return following, value

    return step


class _Activations(OuterLoop[LearnActivation]):
    """Inner networks lie one after the other, those of the first lesson first."""

    def __init__(self, lessons: Sequence[LearnActivation]) -> None:
        super().__init__(lessons)
        self.kind = lessons[0]
        self.blueprints = Blueprints()
        inner = self.kind.inner.replace(model={"activation": "identity"})
        self.inner, self.dataset = inner, self.blueprints.dataset(inner.dataset)
        splits = [self.dataset.split("train", lesson.seed) for lesson in lessons]
        crowd = [split for split in splits for _ in range(self.kind.inner_networks)]
        self.units = inner.model.option("width", int) if self.kind.noise else 1
        batches = Batches(crowd, self.dataset.batch_size, getattr(torch, inner.dtype), (self.units,))
        self.batches = batches
        self._order(0)
        own = inner.optimizer.option
        module = without_statistics(_with_spline(self.blueprints.module(inner), self.units))
        rule = rmsprop_step(module, inner.loss.build(), own("lr", float), own("alpha", float), own("eps", float))
        self.loops = Unrolled(rule, self.layout, TABLE, batches)
        steps, last = self.kind.inner_steps, self.kind.last_losses
        self.weights = torch.cat([torch.zeros(steps - last), torch.full((last,), 1.0 / last)])

    @cached_property
    def layout(self) -> Layout:
        """A state: the parameters, and their mean squared gradients."""
        own = self.blueprints.layout(self.inner)
        return Layout((*own.names, *(SQUARES + name for name in own.names)), own.shapes * 2)

    def first_row(self, lesson: LearnActivation) -> Tensor:
        """The small network's first weights."""
        return first_weights(lesson.seed, lesson.hidden)

    def _seeds(self, step: int) -> list[int]:
        """Of the inner networks of an outer step."""
        draws = range(self.kind.inner_networks)
        return [randomness.stable_hash(lesson.seed, "inner", step, j) for lesson in self.lessons for j in draws]

    def _order(self, step: int) -> None:
        """The examples and the noise of an outer step's inner loops."""
        steps, seeds = self.kind.inner_steps, self._seeds(step)
        noise = [randomness.uniforms(seed, "activation noise", 0, steps * self.units) for seed in seeds]
        drawn = self.kind.noise * (2 * np.stack(noise).reshape(len(seeds), steps, self.units) - 1)
        self.batches.load([self.dataset.indices(seed, 0, steps) for seed in seeds], drawn.swapaxes(0, 1).copy())
        self.batches.at(0)

    def look(self, step: int) -> tuple[Tensor, Tensor]:
        self._order(step)
        own = self.blueprints.layout(self.inner)
        states = self.layout.views(self.loops.start)
        for index, seed in enumerate(self._seeds(step)):
            module = self.blueprints.module(self.inner, randomness.stable_hash(seed, "init", 0))
            for name, value in own.view(own.row(module)).items():
                states[name][index] = value
                states[SQUARES + name][index] = 1.0
        rows = torch.stack(self.rows).requires_grad_()
        with torch.enable_grad():
            tables = torch.stack([table_of(row) for row in rows])
        count = self.kind.inner_networks
        self.loops.meta.zero_()
        TABLE.views(self.loops.meta)["table"].copy_(tables.detach().repeat_interleave(count, 0))
        losses, gradients = self.loops.gradient(self.weights, self.kind.checkpoint_every)
        costs = (losses.double() * self.weights.double()).sum(1).view(-1, count).mean(1)
        of_tables = TABLE.views(gradients)["table"].double().unflatten(0, (-1, count)).mean(1)
        [of_rows] = torch.autograd.grad(tables, rows, of_tables)
        return costs, of_rows

    def updated(self, lesson: LearnActivation, row: Tensor, gradient: Tensor) -> Tensor:
        return row - lesson.outer_lr * gradient.clamp(-lesson.clamp, lesson.clamp)
