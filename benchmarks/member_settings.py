"""What settings of each member's own cost: a population with masks, learning rates or label noise against a plain one.

    python benchmarks/member_settings.py [--seconds 20] [--widths 100]

MLPs of MNIST-1D, as many as the lab puts into one population of 32, batches of 100, Adam, one
thread. All variants advance in turns of 50 steps, so that each ratio is of neighbouring moments;
printed are milliseconds of processor time for a step of one network, the median ratio to the plain
program, and its quartiles. `contained` is the session that stops what diverges, against the bare
program; in `one diverged` one member has NaN weights. Exit code 1 if a ratio is above its bar.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

from expzoo.system import machine

machine.choose_kernels()

import torch  # noqa: E402

from expzoo.engine.assembly import Assembler  # noqa: E402
from expzoo.engine.evaluation import Evaluator  # noqa: E402
from expzoo.engine.session import Session  # noqa: E402
from expzoo.spec.component import Component  # noqa: E402
from expzoo.spec.spec import RandomMask, Spec  # noqa: E402
from expzoo.system.arithmetic import exact_arithmetic  # noqa: E402
from expzoo.system.randomness import member_seed  # noqa: E402

MEMBERS, BLOCK, STEPS = 32, 50, 10**6
BAR = 1.1

Advance = Callable[[int], Any]


def specs(width: int) -> list[Spec]:
    """The members of the plain population."""
    options = {"dataset": ("mnist1d", {}), "model": ("mlp", {"width": width}), "optimizer": ("adam", {})}
    options |= {"schedule": ("constant", {}), "loss": ("cross_entropy", {}), "stop": ("steps", {"steps": STEPS})}
    parts: dict[str, Any] = {kind: Component.of(kind, name, **values) for kind, (name, values) in options.items()}
    whole = [Spec(seed=member_seed(0, place), **parts) for place in range(MEMBERS)]
    return Assembler().chunks(whole)[0]


def advance_of(members: list[Spec]) -> Advance:
    """Runs a block of steps of the bare program of these members."""
    assembler = Assembler()
    program = assembler.program([assembler.trainee(spec, {}) for spec in members])
    return lambda start: program.advance(start, start + BLOCK)


def session_of(members: list[Spec]) -> Advance:
    """Runs a block of steps of the session of these members."""
    assembler = Assembler()
    trainees = [assembler.trainee(spec, {}) for spec in members]
    session = Session(assembler.program(trainees), trainees, Evaluator(), lambda done: None, assembler.program)
    return lambda start: session.advance(start, start + BLOCK)


def variants(width: int) -> dict[str, Advance]:
    """What is compared, the plain program first."""
    plain = specs(width)
    rates = [0.001 * 1.1**place for place in range(len(plain))]
    diverging = [spec.replace(optimizer={"lr": 1e30}) for spec in plain[:1]]
    return {
        "plain": advance_of(plain),
        "masks": advance_of([spec.replace(mask=RandomMask(0.8)) for spec in plain]),
        "learning rates": advance_of(
            [spec.replace(optimizer={"lr": rate}) for spec, rate in zip(plain, rates, strict=True)]
        ),
        "label noise": advance_of(
            [spec.replace(dataset={"label_noise": place / MEMBERS}) for place, spec in enumerate(plain)]
        ),
        "contained": session_of(plain),
        "one diverged": session_of(diverging + plain[1:]),
    }


def measured(width: int, seconds: float) -> dict[str, list[float]]:
    """Seconds of each block of each variant, taken in turns."""
    found = variants(width)
    times: dict[str, list[float]] = {name: [] for name in found}
    for advance in found.values():
        advance(0)
    start, end = BLOCK, time.perf_counter() + seconds
    while time.perf_counter() < end or len(times["plain"]) < 5:
        for name, advance in found.items():
            begin = time.process_time()
            advance(start)
            times[name].append(time.process_time() - begin)
        start += BLOCK
    return times


def table(width: int, times: dict[str, list[float]]) -> bool:
    """Print the rows of one width; whether a ratio is above the bar."""
    failed, members = False, len(specs(width))
    for name, taken in times.items():
        ratios = [one / plain for one, plain in zip(taken, times["plain"], strict=True)]
        low, middle, high = quantiles(ratios, n=4)
        each = 1e3 * median(taken) / BLOCK / members
        print(f"{width:6}{members:9}  {name:16}{each:10.3f}{middle:8.2f}{f'{low:.2f} to {high:.2f}':>15}{BAR:6}")
        failed |= middle > BAR
    return failed


def main() -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--widths", default="100")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine.machine_class()}, torch {torch.__version__}")
    print(f"{'width':>6}{'members':>9}  {'variant':16}{'ms a step':>10}{'ratio':>8}{'quartiles':>15}{'bar':>6}")
    failed = False
    for width in map(int, arguments.widths.split(",")):
        with exact_arithmetic():
            failed |= table(width, measured(width, arguments.seconds))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
