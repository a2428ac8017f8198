"""A tuning grid of 96 networks (4 rates x 4 batch sizes x 6 seeds) as populations, against a plain PyTorch loop.

    python benchmarks/grid_speed.py [--quick]

Bar: 4 times. Both train the same networks on the same batches on one core. Members of one batch
size are one population; the loop trains one network after the other, with the data in memory and
the fused optimizer of torch. Final weights are compared, not assumed. The loop is timed for one
seed of every setting, of which there are as many as seeds.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import nn

from expzoo.engine.assembly import Assembler
from expzoo.spec.component import Component
from expzoo.spec.layout import Layout
from expzoo.spec.spec import Spec
from expzoo.system.arithmetic import exact_arithmetic

RATES, BATCHES, SEEDS = (0.01, 0.03, 0.1, 0.3), (8, 16, 32, 64), range(6)
part = Component.of


def specs(steps: int) -> list[Spec]:
    """The grid."""
    base = Spec(
        dataset=part("dataset", "mnist1d"),
        model=part("model", "mlp", width=50),
        optimizer=part("optimizer", "sgd"),
        schedule=part("schedule", "constant"),
        loss=part("loss", "cross_entropy"),
        stop=part("stop", "steps", steps=steps),
        seed=0,
    )
    return [
        base.replace(seed=seed, dataset={"batch_size": batch}, optimizer={"lr": rate})
        for batch in BATCHES
        for rate in RATES
        for seed in SEEDS
    ]


def fused(grid: list[Spec], steps: int) -> tuple[float, dict[str, torch.Tensor]]:
    """Seconds, and the rows of all networks, in populations of one batch size."""
    assembler, found, begin = Assembler(), {}, time.perf_counter()
    groups: dict[object, list[Spec]] = {}
    for spec in grid:
        groups.setdefault(assembler.signature(spec), []).append(spec)
    with exact_arithmetic():
        for group in groups.values():
            for chunk in assembler.chunks(group):
                program = assembler.program([assembler.trainee(spec, {}) for spec in chunk])
                for start in range(0, steps, 50):
                    program.advance(start, min(start + 50, steps))
                found |= {spec.key: program.row(index).theta for index, spec in enumerate(chunk)}
    return time.perf_counter() - begin, found


def looped(spec: Spec, steps: int) -> tuple[float, torch.Tensor]:
    """Seconds, and the row of one network, in a plain loop."""
    assembler, data = Assembler(), spec.dataset.build()
    split, order = data.split("train", spec.seed), torch.from_numpy(data.indices(spec.seed, 0, steps))
    x, y = torch.tensor(split.x), torch.tensor(split.y)
    module = assembler.blueprints.module(spec, spec.seed)
    layout = Layout.of(module)
    layout.load(module, torch.from_numpy(assembler.recipes.initial_row(spec, {})))
    optimizer = torch.optim.SGD(module.parameters(), lr=spec.optimizer.option("lr", float), momentum=0.9, fused=True)
    begin = time.perf_counter()
    for chosen in order:
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x[chosen]), y[chosen]).backward()
        optimizer.step()
    return time.perf_counter() - begin, layout.row(module)


def main() -> None:
    """Print the table; SystemExit if the networks are not the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="100 steps")
    steps = 100 if parser.parse_args().quick else 1000
    torch.set_num_threads(1)
    grid = specs(steps)
    fused(grid[:2], 2)  # imports and caches
    together, rows = fused(grid, steps)
    alone, apart = 0.0, 0.0
    for spec in grid[:: len(SEEDS)]:
        seconds, row = looped(spec, steps)
        alone += len(SEEDS) * seconds
        if steps <= 100:  # later, what differs in the last bits has grown
            apart = max(apart, float((row - rows[spec.key]).abs().max()))
    if apart > 1e-3:
        raise SystemExit(f"the networks are not the same: weights differ by {apart:.2g}")
    print(f"grid of {len(grid)}, {steps} steps: loop {alone:.1f} s, populations {together:.1f} s, ", end="")
    print(f"{alone / together:.1f}x (bar 4)")


if __name__ == "__main__":
    main()
