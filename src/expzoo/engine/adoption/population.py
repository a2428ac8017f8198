"""The same training as a population has it: a program of one member and its twin, or the loop of a large network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from expzoo.engine.adoption.plain import Path
from expzoo.engine.layers.normalisation import estimate_statistics, has_statistics
from expzoo.engine.program import Member, Program, Row, StepMaker, Structure
from expzoo.spec.layout import Layout

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

    from expzoo.engine.adoption.plain import Batch
    from expzoo.engine.blueprints import Blueprints
    from expzoo.spec.contracts import Loss
    from expzoo.spec.spec import Spec


class Given:
    """A feed of these batches, the same for every member."""

    batch_last = False

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.batches = batches

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one batch."""
        x, y = self.batches[0]
        return tuple(x.shape), tuple(y.shape)

    def types(self) -> tuple[torch.dtype, torch.dtype]:
        """The types of x and y."""
        x, y = self.batches[0]
        return x.dtype, y.dtype

    def prepare(self, start: int, stop: int) -> None:
        """They are there."""

    def load(self, step: int, x: Shaped[Tensor, "members batch ..."], y: Shaped[Tensor, "members batch ..."]) -> None:
        """Write the batch of this step for every member."""
        own_x, own_y = self.batches[step]
        x.copy_(own_x.expand_as(x))
        y.copy_(own_y.expand_as(y))


class Descent:
    """Plain gradient descent."""

    noisy = False
    state: tuple[str, ...] = ()

    def __init__(self, lr: float) -> None:
        self.lr = lr

    def step(self, theta: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, step: Tensor) -> None:
        """One update in place."""
        theta.sub_(grad, alpha=lr)


class Constant:
    """A learning rate that stays."""

    batches = None

    def factor(self, step: int, steps: int) -> float:
        """Always 1."""
        return 1.0


def train(
    structure: nn.Module,
    loss: Loss,
    start: Float[Tensor, " size"],
    batches: Sequence[Batch],
    seed: int,
    rate: float,
    make_step: StepMaker | None = None,
) -> Path:
    """What `plain.train` gives from this row, by a program of this structure; `make_step` is that of a large network.

    Unadoptable, with what to do, if the module cannot be traced.
    """
    layout = Layout.of(structure)
    member = Member(Row(start), Descent(rate), Constant(), seed=seed)
    program = Program(Structure(structure, loss, len(batches)), [member], Given(batches), make_step=make_step)
    path = Path(rate)
    for step in range(len(batches)):
        found = program.advance(step, step + 1)[0, 0]
        path.note(found, layout.view(program.grad[0]), layout.view(program.theta[0]))
    return path


def outputs(blueprints: Blueprints, spec: Spec, trained: nn.Module, x: Shaped[Tensor, "n ..."]) -> Tensor:
    """What an evaluation gives for the weights of a trained module, its averages over batches those of x.

    The module that is looked at shows other weights before, as it does in use.
    """
    row = Layout.of(trained).row(trained)
    module, layout = blueprints.evaluated(spec, row.dtype)
    with torch.no_grad():
        module(x.clone())
        layout.load(module, row)
        if has_statistics(module):
            estimate_statistics(module, [x.clone()])
        return module(x.clone())
