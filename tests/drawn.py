"""Populations of any module on batches that are drawn for the member's seed and the step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx, nn

from expzoo.config.registry import build
from expzoo.engine.program import Member, Program, Row, Structure
from expzoo.spec.layout import Layout, construct
from expzoo.system.arithmetic import exact_arithmetic

STEPS = 4


class Drawn:
    """A feed of normal inputs of this shape and of labels below `classes`."""

    batch_last = False

    def __init__(
        self, seeds: Sequence[int], shape: tuple[int, ...], classes: int, batch: int, dtype: torch.dtype
    ) -> None:
        self.seeds, self.shape, self.classes, self.batch, self.dtype = seeds, shape, classes, batch, dtype

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return (self.batch, *self.shape), (self.batch,)

    def types(self) -> tuple[torch.dtype, torch.dtype]:
        return self.dtype, torch.int64

    def prepare(self, start: int, stop: int) -> None:
        """Everything is drawn when it is loaded."""

    def load(self, step: int, x: Tensor, y: Tensor) -> None:
        for member in range(len(x)):
            seed = self.seeds[min(member, len(self.seeds) - 1)]
            generator = torch.Generator().manual_seed(1000 * seed + step)
            x[member] = torch.randn(x.shape[1:], generator=generator, dtype=torch.float64)
            y[member] = torch.randint(0, self.classes, y.shape[1:], generator=generator)


def program(
    make: Callable[[], nn.Module],
    seeds: Sequence[int],
    shape: tuple[int, ...],
    classes: int,
    *,
    batch: int = 11,
    dtype: torch.dtype = torch.float32,
    graph: fx.GraphModule | None = None,
) -> Program:
    """A population of one network for each seed, trained by Adam."""
    modules = [construct(make, seed, dtype) for seed in seeds]
    layout, optimizer = Layout.of(modules[0]), build("optimizer", "adam")
    members = [
        Member(Row(layout.row(module)), optimizer, build("schedule", "constant"), seed=seed)
        for seed, module in zip(seeds, modules, strict=True)
    ]
    feed = Drawn(seeds, shape, classes, batch, dtype)
    return Program(Structure(modules[0], build("loss", "cross_entropy"), STEPS), members, feed, graph=graph)


def states(population: Program, steps: int = STEPS) -> dict[int, tuple[bytes, bytes]]:
    """The bytes of each seed's row and losses after some steps."""
    with exact_arithmetic():
        losses = population.advance(0, steps)
    assert losses.isfinite().all()
    rows = ((population.row(index).theta, losses[index]) for index in range(len(population.feed.seeds)))
    return {
        seed: (row.numpy().tobytes(), own.numpy().tobytes())
        for seed, (row, own) in zip(population.feed.seeds, rows, strict=True)
    }


def assert_own_bits(
    populated: Callable[..., Program], members: int, crowds: Sequence[Sequence[int]], steps: int = STEPS
) -> None:
    """`populated(seeds, graph)` has the same bits in each of the crowds as among all seeds below `members`.

    As in the lab, the crowds use the graph of the first population; the last is traced anew.
    """
    with exact_arithmetic():
        population = populated(range(members), None)
    whole = states(population, steps)
    assert len({row for row, _ in whole.values()}) == members
    for seeds in crowds:
        with exact_arithmetic():
            part = populated(seeds, None if seeds is crowds[-1] else population.graph)
        assert states(part, steps) == {seed: whole[seed] for seed in seeds}
