"""Networks for the Game of Life: the lab's populations against the published script's settings as a plain PyTorch loop.

    python benchmarks/life_speed.py [--rounds 5]

One process, one thread, data generation on both sides: the loop makes each batch as the script
does, by convolutions, and trains one network with `torch.optim.Adam`; 32 networks are trained in
populations as large as the lab makes them. m = 1 is the script's default (ReLU, clamp, batch 32), m
= 5 and 20 what made the published curves (leaky units, a sigmoid, batch 128). Milliseconds a step
of one network, the best of rounds that alternate; the share of the data in a step; the ratio and
its bar. Exit code 1 below a bar, or if data take more than 15 % of a step.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from expzoo.system import machine

machine.choose_kernels()

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from expzoo.engine.assembly import Assembler  # noqa: E402
from expzoo.spec.component import Component  # noqa: E402
from expzoo.spec.spec import Spec  # noqa: E402
from expzoo.system.arithmetic import exact_arithmetic  # noqa: E402
from expzoo.system.randomness import member_seed  # noqa: E402

if TYPE_CHECKING:
    from expzoo.engine.program import Program

NETWORKS, STEPS = 32, 50
MOST_FOR_DATA = 0.15
CASES = {1: (32, 12.0), 5: (128, 4.0), 20: (128, 2.0)}  # m -> batch size and bar


def spec(m: int, batch: int) -> Spec:
    """The benchmark's network."""
    activation, output = ("relu", "clamp") if m == 1 else ("leaky_relu", "sigmoid")
    part = Component.of
    return Spec(
        dataset=part("dataset", "life", batch_size=batch),
        model=part("model", "life_net", m_factor=m, activation=activation, output=output),
        optimizer=part("optimizer", "adam", lr=0.001),
        schedule=part("schedule", "constant"),
        loss=part("loss", "bce_of_probabilities"),
        stop=part("stop", "steps", steps=10_000),
        seed=0,
    )


def generator() -> Callable[[int], tuple[Tensor, Tensor]]:
    """Random boards and their next state by two convolutions and a rounded sigmoid, as the script makes them."""
    kernel = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.5, 1.0], [0.0, 1.0, 0.0]])
    counted, limits = torch.stack([kernel, kernel]).unsqueeze(1), torch.tensor([-2.0, -3.5])
    decided, limit = torch.tensor([200.0, -800.0]).view(1, 2, 1, 1), torch.tensor([-10.0])

    @torch.no_grad()
    def batch(size: int) -> tuple[Tensor, Tensor]:
        boards = torch.randint(0, 2, (size, 1, 10, 10)).float()
        hidden = functional.conv2d(boards, counted, limits, padding=1).relu()
        return boards, functional.conv2d(hidden, decided, limit).sigmoid().round()

    return batch


def plain_loop(m: int, size: int) -> Callable[[], None]:
    """Steps of one network as the script takes them."""
    activation, draw = (nn.ReLU if m == 1 else nn.LeakyReLU), generator()
    layers = [nn.Conv2d(1, 2 * m, 3, padding=1), activation(), nn.Conv2d(2 * m, m, 1), activation()]
    module = nn.Sequential(*layers, nn.Conv2d(m, 1, 1), nn.ReLU() if m == 1 else nn.Sigmoid())
    optimizer, loss = torch.optim.Adam(module.parameters()), nn.BCELoss()

    def run() -> None:
        for _ in range(STEPS):
            boards, truth = draw(size)
            optimizer.zero_grad()
            loss(module(boards).clamp(0, 1), truth).backward()
            optimizer.step()

    return run


def populations(m: int, batch: int) -> list[Program]:
    """All networks, cut as the lab cuts them."""
    assembler = Assembler()
    specs = [spec(m, batch).replace(seed=member_seed(0, index)) for index in range(NETWORKS)]
    chunks = [[assembler.trainee(one, {}) for one in chunk] for chunk in assembler.chunks(specs)]
    return [Assembler().program(chunk) for chunk in chunks]  # one assembler would use one program for all


def feed(program: Program, start: int) -> None:
    """The data of STEPS steps."""
    program.feed.prepare(start, start + STEPS)
    for step in range(start, start + STEPS):
        program.feed.load(step, program.x, program.y)


def seconds(run: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(m: int, batch: int, rounds: int) -> tuple[float, float, float, int]:
    """Milliseconds a step of one network takes: plain, in a population, and its data; and members at once."""
    programs, loop = populations(m, batch), plain_loop(m, batch)
    taken: list[list[float]] = []
    for round_ in range(rounds + 1):  # the first warms up
        start = 2 * round_ * STEPS
        work = [loop, *(partial(one.advance, start, start + STEPS) for one in programs)]
        work += [partial(feed, one, start + STEPS) for one in programs]
        taken.append([1000 * seconds(run) / STEPS for run in work])
    plain, *rest = (min(times) for times in zip(*taken[1:], strict=True))
    whole, data = sum(rest[: len(programs)]), sum(rest[len(programs) :])
    return plain, whole / NETWORKS, data / NETWORKS, len(programs[0].members)


def main() -> int:
    """Print the table; 1 if a case is below its bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"{NETWORKS} networks, {machine.machine_class()}, torch {torch.__version__}, milliseconds a step and network")
    titles = ("m", "batch", "plain", "ours", "data", "share", "at once", "ratio", "bar")
    print("".join(f"{title:>10}" for title in titles))
    failed = False
    with exact_arithmetic():
        for m, (batch, bar) in CASES.items():
            plain, ours, data, together = compare(m, batch, rounds)
            times = f"{plain:10.3f}{ours:10.4f}{data:10.4f}{100 * data / ours:9.1f}%"
            print(f"{m:10d}{batch:10d}{times}{together:10d}{plain / ours:9.1f}x{bar:9.1f}x")
            failed |= plain < bar * ours or data > MOST_FOR_DATA * ours
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
