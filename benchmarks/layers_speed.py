"""Populations of 32 networks with convolutions or recurrent layers against a plain PyTorch loop over one network.

One process, one thread, each network with its own order of the data; milliseconds for one training
step of one network: batch, forward, backward and Adam. All 32 are trained, in populations as large
as the lab would make them. Both sides run in turn, 20 steps at a time, and the best of each counts.
The bars are for torch's default Adam; exit code 1 below.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from expzoo.system import machine

machine.choose_kernels()

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from expzoo.config.registry import build  # noqa: E402
from expzoo.engine.device import CHUNK_BYTES  # noqa: E402
from expzoo.engine.program import Member, Program, Row, Structure  # noqa: E402
from expzoo.spec.layout import Layout, construct  # noqa: E402
from expzoo.system.arithmetic import exact_arithmetic  # noqa: E402

NETWORKS, STEPS, ROUNDS = 32, 20, 5


class Life(nn.Module):
    """A network like those of Springer and Kenyon (2021) for one step of the Game of Life, `m` times as wide."""

    def __init__(self, m: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 2 * m, 3, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(2 * m, m, 1),
            nn.LeakyReLU(),
            nn.Conv2d(m, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits like the boards (batch, 1, height, width)."""
        return self.layers(x)


@dataclass(frozen=True)
class Case:
    """A network, its loss here and in torch, its data and what has to be reached."""

    make: Callable[[], nn.Module]
    loss: str
    plain_loss: Callable[[Tensor, Tensor], Tensor]
    data: tuple[Tensor, Tensor]
    batch: int
    bar: float

    def order(self, seed: int) -> Tensor:
        """Which examples each step sees: (steps, batch)."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randint(len(self.data[0]), (STEPS, self.batch), generator=generator)


def sequences() -> tuple[Tensor, Tensor]:
    """Noise of the shape of MNIST-1D: what a step costs does not depend on the numbers."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(4000, 40, generator=generator), torch.randint(10, (4000,), generator=generator)


def boards() -> tuple[Tensor, Tensor]:
    """Boards of 10 x 10."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.rand(2, 4000, 1, 10, 10, generator=generator).round()
    return x, y


def mnist1d(name: str, bar: float, **options: Any) -> Case:
    """A registered model on sequences."""
    return Case(
        partial(build, "model", name, (40,), 10, **options),
        "cross_entropy",
        functional.cross_entropy,
        sequences(),
        100,
        bar,
    )


def life(m: int, batch: int, bar: float) -> Case:
    """A convolutional network on boards."""
    return Case(partial(Life, m), "bce", functional.binary_cross_entropy_with_logits, boards(), batch, bar)


CASES: dict[str, Case] = {
    "cnn1d, 25 channels": mnist1d("cnn1d", 3, channels=25),
    "gru, 6 units both ways": mnist1d("gru", 2.5, hidden=6),
    "life, m = 1, batch 32": life(1, 32, 12),
    "life, m = 5, batch 128": life(5, 128, 4),
    "life, m = 20, batch 128": life(20, 128, 2),
}


class Feed:
    """Batches of a case for members with these seeds."""

    batch_last = False

    def __init__(self, case: Case, seeds: range) -> None:
        self.data, self.batch = case.data, case.batch
        self.indices = torch.stack([case.order(seed) for seed in seeds], 1).flatten(1)

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        x, y = self.data
        return (self.batch, *x.shape[1:]), (self.batch, *y.shape[1:])

    def types(self) -> tuple[torch.dtype, torch.dtype]:
        x, y = self.data
        return x.dtype, y.dtype

    def prepare(self, start: int, stop: int) -> None:
        """Every order is known."""

    def load(self, step: int, x: Tensor, y: Tensor) -> None:
        torch.index_select(self.data[0], 0, self.indices[step], out=x.flatten(0, 1))
        torch.index_select(self.data[1], 0, self.indices[step], out=y.flatten(0, 1))


def program(case: Case, seeds: range) -> Program:
    """A population with these seeds."""
    modules = [construct(case.make, seed) for seed in seeds]
    layout = Layout.of(modules[0])
    optimizer, schedule = build("optimizer", "adam"), build("schedule", "constant")
    members = [Member(Row(layout.row(module)), optimizer, schedule) for module in modules]
    return Program(Structure(modules[0], build("loss", case.loss), STEPS), members, Feed(case, seeds))


def chunks(case: Case) -> list[Program]:
    """All networks, in populations whose working sets stay in the cache, as the lab cuts them."""
    probe = program(case, range(2))
    tensors = [probe.theta, probe.grad, *probe.state.values()]
    num_bytes = (sum(tensor.nbytes for tensor in tensors) + probe.tape.num_bytes) // 2
    count = -(-NETWORKS // min(max(CHUNK_BYTES // num_bytes, 2), NETWORKS))
    edges = [NETWORKS * index // count for index in range(count + 1)]
    return [program(case, range(low, high)) for low, high in pairwise(edges)]


def plain_loop(case: Case, *, fused: bool) -> Callable[[], None]:
    """Steps of one network as anybody would write them."""
    module = construct(case.make, 0)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01, fused=fused)
    order, (x, y) = case.order(0), case.data

    def run() -> None:
        for indices in order:
            optimizer.zero_grad()
            case.plain_loss(module(x[indices]), y[indices]).backward()
            optimizer.step()

    return run


def seconds(run: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(case: Case) -> tuple[float, float, float, int]:
    """Milliseconds a step of one network takes: plain, plain with fused Adam, in a population; and members at once."""
    programs = chunks(case)
    work = [plain_loop(case, fused=False), plain_loop(case, fused=True)]
    work += [partial(one.advance, 0, STEPS) for one in programs]
    rounds = [[seconds(run) for run in work] for _ in range(1 + ROUNDS)][1:]
    plain, fused, *parts = (1000 / STEPS * min(times) for times in zip(*rounds, strict=True))
    return plain, fused, sum(parts) / NETWORKS, len(programs[0].members)


def main() -> int:
    """Print the table; 1 if a case is below its bar."""
    titles = ("plain", "fused", "ours", "at once", "ratio", "fused")
    print(f"{'ms a step of one network':<26}" + "".join(f"{title:>9}" for title in titles) + "   bar")
    slow = False
    with exact_arithmetic():
        for name, case in CASES.items():
            plain, fused, ours, together = compare(case)
            slow |= plain < case.bar * ours
            numbers = f"{plain:9.3f}{fused:9.3f}{ours:9.3f}{together:9d}{plain / ours:8.1f}x{fused / ours:8.1f}x"
            print(f"{name:<26}{numbers}   {case.bar}x")
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
