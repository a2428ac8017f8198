"""A tuning grid of 96 networks (4 rates x 4 batch sizes x 6 seeds) as populations, against a plain PyTorch loop.

    python benchmarks/grid_speed.py [--quick]

Bar: 4 times. Both train the same networks on the same batches on one core, in processor time. Members of one batch
size are one population; the loop trains one network after the other, with the data in memory and
the fused optimizer of torch. Weights are compared first, not assumed. The loop is timed for one
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
CHECKED, SAME = 20, 1e-4  # steps after which weights are compared, and how far apart those of one network may lie
part = Component.of


def specs(steps: int) -> list[Spec]:
    """The grid."""
    base = Spec(
        dataset=part("dataset", "mnist1d"),
        model=part("model", "mlp", width=50),
        optimizer=part("optimizer", "sgd", momentum=0.0),
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
    assembler, found, begin = Assembler(), {}, time.process_time()
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
    return time.process_time() - begin, found


def looped(spec: Spec, steps: int) -> tuple[float, torch.Tensor]:
    """Seconds, and the row of one network, in a plain loop."""
    assembler, data = Assembler(), spec.dataset.build()
    split, order = data.split("train", spec.seed), torch.from_numpy(data.indices(spec.seed, 0, steps))
    x, y = torch.tensor(split.x), torch.tensor(split.y)
    module = assembler.blueprints.module(spec, spec.seed)
    layout = Layout.of(module)
    layout.load(module, torch.from_numpy(assembler.recipes.initial_row(spec, {})))
    optimizer = torch.optim.SGD(module.parameters(), lr=spec.optimizer.option("lr", float), fused=True)
    begin = time.process_time()
    for chosen in order:
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(x[chosen]), y[chosen]).backward()
        optimizer.step()
    return time.process_time() - begin, layout.row(module)


def apart(grid: list[Spec], steps: int) -> float:
    """The largest difference of a weight between the two, over one seed of every setting."""
    _, rows = fused(grid, steps)
    some = grid[:: len(SEEDS)]
    return max(float((looped(spec, steps)[1] - rows[spec.key]).abs().max()) for spec in some)


def main() -> None:
    """Print the table; SystemExit if the networks are not the same."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 steps")
    steps = 300 if parser.parse_args().quick else 2000
    torch.set_num_threads(1)
    if not (error := apart(specs(CHECKED), CHECKED)) < SAME:
        raise SystemExit(f"the networks are not the same: after {CHECKED} steps weights differ by {error:.2g}")
    grid = specs(steps)
    together, _ = fused(grid, steps)
    alone = len(SEEDS) * sum(looped(spec, steps)[0] for spec in grid[:: len(SEEDS)])
    print(f"grid of {len(grid)}, {steps} steps: loop {alone:.1f} s, populations {together:.1f} s, ", end="")
    print(f"{alone / together:.1f}x (bar 4)")


if __name__ == "__main__":
    main()
