"""Products with Hessians against curvlinops, for one network and for 32.

    python benchmarks/curvature_speed.py [--rounds 7]

One process, one thread, float64: multi-layer perceptrons of tanh, 40-h-h-10, cross-entropy over all
examples. Products a second for each network; curvlinops takes one network after the other, whose
time does not depend on which it is. Both sides run in turn, in each round several products, and
medians count; traces, which are made once for all networks of a shape, are told apart. The bars, 1 for
one network and 4 for 32, are for the sizes at which dense Hessians are taken (up to 2000 parameters);
exit code 1 below. Larger ones are products of matrices, which nothing makes faster, and are shown.
Needs the extra `bench`.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median

from expzoo.system import machine

machine.choose_kernels()

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from expzoo.engine.tape.trace import objective  # noqa: E402
from expzoo.science.numerics.empirical import EmpiricalLoss  # noqa: E402
from expzoo.science.numerics.hessians import Hessians  # noqa: E402
from expzoo.spec.layout import Layout  # noqa: E402

NETWORKS, REPEATS = 32, 3
CASES = ((10, 1000, True), (20, 500, True), (50, 200, False), (50, 1000, False), (100, 1000, False))
ONE_BAR, MANY_BAR = 1.0, 4.0


def network(width: int, seed: int) -> nn.Module:
    """A network of this width."""
    torch.manual_seed(seed)
    layers = nn.Linear(40, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 10)
    return nn.Sequential(*layers).double()


def by_curvlinops(module: nn.Module, x: Tensor, y: Tensor) -> Callable[[], Tensor]:
    """A product with the Hessian of one network."""
    from curvlinops import HessianLinearOperator

    parameters = list(module.parameters())
    operator = HessianLinearOperator(module, nn.CrossEntropyLoss(), parameters, [(x, y)], check_deterministic=False)
    vector = torch.randn(sum(value.numel() for value in parameters), dtype=torch.float64)
    return lambda: operator @ vector


def here(modules: list[nn.Module], x: Tensor, y: Tensor) -> tuple[Callable[[], Tensor], float]:
    """A product with the Hessian of each network, and the seconds until it can be asked for."""
    layout, of = Layout.of(modules[0]), objective(modules[0], nn.functional.cross_entropy)
    rows = torch.zeros(len(modules), layout.size, dtype=torch.float64)
    for row, module in zip(rows, modules, strict=True):
        named = dict(module.named_parameters())
        for name, view in layout.view(row).items():
            view.copy_(named[name].detach())
    start = time.perf_counter()
    hessians = Hessians(EmpiricalLoss(lambda row, x, y: of(layout.view(row), x, y)), rows, x, y)
    traced = time.perf_counter() - start
    vectors = torch.randn_like(rows)
    return lambda: hessians(vectors), traced


def seconds(work: Callable[[], object], times: int) -> float:
    """The wall-clock time of one call, over several."""
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times


def main() -> int:
    """Prints the table; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    if not find_spec("curvlinops"):
        print("NOT RUN: needs curvlinops 3 (pip install 'expzoo[bench]')")
        return 0
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print("width  examples  parameters   products a second: curvlinops   here, one      here, 32        trace (s)")
    missed = False
    for width, examples, judged in CASES:
        modules = [network(width, seed) for seed in range(NETWORKS)]
        x, y = torch.randn(examples, 40, dtype=torch.float64), torch.randint(0, 10, (examples,))
        plain = by_curvlinops(modules[0], x, y)
        (one, first), (many, second) = here(modules[:1], x, y), here(modules, x, y)
        sides = (plain, 10 * REPEATS), (one, 10 * REPEATS), (many, REPEATS)
        for work, _ in sides:
            work()
        times = [
            median(side) for side in zip(*([seconds(*side) for side in sides] for _ in range(rounds)), strict=True)
        ]
        of_one, of_many = times[0] / times[1], times[0] * NETWORKS / times[2]
        missed |= judged and (of_one < ONE_BAR or of_many < MANY_BAR)
        count = sum(value.numel() for value in modules[0].parameters())
        rates = f"{1 / times[0]:12.0f} {1 / times[1]:11.0f} {of_one:5.1f}x {NETWORKS / times[2]:9.0f} {of_many:5.1f}x"
        bar = f"  bars {ONE_BAR:g}x, {MANY_BAR:g}x" * judged
        print(f"{width:5} {examples:9} {count:11} {rates:>65} {first:9.2f} {second:5.2f}{bar}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
