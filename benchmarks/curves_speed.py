"""Curves between 16 pairs of networks trained as one population, against a plain loop over pairs.

    python benchmarks/curves_speed.py [--steps 400] [--rounds 3]

One process, one thread: multi-layer perceptrons of MNIST-1D, batches of 100, ADAM. Both sides train
the bend of a quadratic Bezier curve at a random place in each step. The plain loop takes one pair
after the other: weights on the curve are made of the bend, the network is called with them, autograd
leads back to the bend, and torch's fused ADAM takes the step. The lab is timed with all it does but
the data. Sides take turns, medians count. The bar is 3; exit code 1 below.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from expzoo.system import machine

machine.choose_kernels()

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.func import functional_call  # noqa: E402

from expzoo.lab.lab import Lab  # noqa: E402
from expzoo.spec.component import Component  # noqa: E402
from expzoo.spec.spec import Fresh, Spec  # noqa: E402
from expzoo.store.store import Store  # noqa: E402
from expzoo.system.randomness import member_seed, uniforms  # noqa: E402

PAIRS, RATE, BAR = 16, 0.003, 3.0
WIDTHS = 25, 50, 100


def spec(width: int, pair: int, steps: int) -> Spec:
    """The curve between the two networks of a pair."""
    options: dict[str, tuple[str, dict[str, Any]]] = {
        "dataset": ("mnist1d", {}),
        "model": ("mlp", {"width": width}),
        "optimizer": ("adam", {"lr": RATE}),
        "schedule": ("constant", {}),
        "loss": ("cross_entropy", {}),
        "stop": ("steps", {"steps": steps}),
        "parametrisation": ("curve", {}),
    }
    parts: dict[str, Any] = {kind: Component.of(kind, name, **values) for kind, (name, values) in options.items()}
    return Spec(seed=member_seed(0, pair), fixed=(Fresh(1), Fresh(2)), **parts)


def plain_loop(width: int, steps: int) -> float:
    """Seconds of a loop over all pairs, one after the other."""
    dataset = Component.of("dataset", "mnist1d").build()
    split, loss = dataset.split("train", 0), nn.CrossEntropyLoss()
    x, y = torch.tensor(split.x), torch.tensor(split.y)
    start = time.perf_counter()
    for pair in range(PAIRS):
        seed = member_seed(0, pair)
        first, second, module = (Component.of("model", "mlp", width=width).build((40,), 10) for _ in range(3))
        ends = [{name: value.detach() for name, value in end.named_parameters()} for end in (first, second)]
        bend = {name: ((ends[0][name] + ends[1][name]) / 2).requires_grad_() for name in ends[0]}
        optimizer = torch.optim.Adam(bend.values(), lr=RATE, fused=True)
        for step, batch in enumerate(torch.from_numpy(dataset.indices(seed, 0, steps))):
            t = float(uniforms(seed, "place", step, 1)[0])
            a, z, b = (1 - t) ** 2, 2 * t * (1 - t), t**2
            weights = {name: a * ends[0][name] + z * value + b * ends[1][name] for name, value in bend.items()}
            optimizer.zero_grad()
            loss(functional_call(module, weights, (x[batch],)), y[batch]).backward()
            optimizer.step()
    return time.perf_counter() - start


def population(width: int, steps: int) -> float:
    """Seconds of the lab for all pairs, the data of which are known."""
    specs = [spec(width, pair, steps) for pair in range(PAIRS)]
    with tempfile.TemporaryDirectory() as root:
        lab = Lab(Store(Path(root), machine.machine_class()))
        lab.assembler.blueprints.dataset(specs[0].dataset).split("train", 0)
        start = time.perf_counter()
        lab.train(specs)
        return time.perf_counter() - start


def main() -> int:
    """Prints the table; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{PAIRS} pairs, {machine.machine_class()}, torch {torch.__version__}, milliseconds a step and pair")
    print("width     loop   population   ratio   bar")
    missed = False
    for width in WIDTHS:
        for side in (plain_loop, population):
            side(width, 20)
        rounds = [[side(width, arguments.steps) for side in (plain_loop, population)] for _ in range(arguments.rounds)]
        plain, ours = (1000 * median(side) / arguments.steps / PAIRS for side in zip(*rounds, strict=True))
        missed |= plain / ours < BAR
        print(f"{width:5} {plain:8.3f} {ours:12.3f} {plain / ours:7.1f} {BAR:5.1f}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
