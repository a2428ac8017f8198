"""Everything a user might pick instead, in one table: milliseconds a step of one network.

    python benchmarks/peers.py [--cases mlp50,...] [--sides lab,jax,...] [--rounds 5] [--seconds 2] [--json FILE]

    lab        expzoo as a user meets it, for ten seconds: orders, batches, chunks, looks, keeping
    tape       its tensor program alone, on batches that lie ready
    jax        jit(vmap(scan)) over orders made beforehand, Adam by hand (extra `bench`)
    jax-each   the same with the members one after the other inside the compiled program
    vmap       torch.func.vmap of grad over stacked parameters, fused Adam
    compile    torch.compile of that step (needs a C++ compiler)
    loop       a plain PyTorch loop over one network, torch.optim.Adam as typed
    fused      the same with `fused=True`

32 networks, one process, one thread. All sides of a case run in turn, `--seconds` each, `--rounds`
times; the table has medians. A side that cannot run here is NOT RUN, with its reason. Exit code 1
below a bar: the time of each peer over that of the lab, and the lab over its tape. Pin it to one
processor that nobody else uses: `taskset -c 1 python benchmarks/peers.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

from expzoo.system import machine

machine.choose_kernels()

import torch  # noqa: E402
from _peer_cases import CASES, NETWORKS, SLICE, Case, Side  # noqa: E402
from _torch_peers import LoopSide, StackedSide  # noqa: E402

from expzoo.engine.assembly import Assembler  # noqa: E402
from expzoo.lab.lab import Lab  # noqa: E402
from expzoo.store.store import Store  # noqa: E402
from expzoo.system.arithmetic import exact_arithmetic  # noqa: E402

SIDES = ("lab", "tape", "jax", "jax-each", "vmap", "compile", "loop", "fused")


LAB_BAR = 1.10  # the lab over its tape
LAB_SECONDS = 10.0


class LabSide:
    """Trains 32 networks that nobody has trained yet, each time."""

    def __init__(self, case: Case) -> None:
        self.case, self.trained = case, 0
        self.root = tempfile.TemporaryDirectory()
        self.lab = Lab(Store(Path(self.root.name), machine.machine_class()))

    def __call__(self, steps: int) -> float:
        """Whole trainings of `steps` steps."""
        specs = [self.case.spec(steps, self.trained + index) for index in range(NETWORKS)]
        self.trained += NETWORKS
        account = self.lab.account
        before = account.training_seconds + account.looking_seconds
        self.lab.train(specs)
        return (account.training_seconds + account.looking_seconds - before) / steps / NETWORKS


class TapeSide:
    """Batch, tape and update of the lab's own chunks; the batch always lies there."""

    def __init__(self, case: Case) -> None:
        assembler = Assembler()
        specs = [case.spec(10_000, index) for index in range(NETWORKS)]
        chunks = [[assembler.trainee(spec, {}) for spec in chunk] for chunk in assembler.chunks(specs)]
        self.programs = [Assembler().program(chunk) for chunk in chunks]

    def __call__(self, steps: int) -> float:
        """Each chunk through all steps, as the lab does."""
        start = time.perf_counter()
        for program in self.programs:
            for step in range(steps):
                program.tape.run(step)
                program._update(step)
        return (time.perf_counter() - start) / steps / NETWORKS


def jax_side(case: Case, *, one_by_one: bool) -> Side:
    """Blocks of `SLICE` steps; the first call compiles."""
    from _jax_peer import JaxSide

    states = [dict(case.module(index).named_parameters()) for index in range(NETWORKS)]
    parameters = {name: torch.stack([s[name].detach() for s in states]).numpy() for name in states[0]}
    x, y = case.data()
    orders = case.orders(SLICE).numpy()
    block = JaxSide(case.peer, case.loss, parameters, (x.numpy(), y.numpy()), orders, case.lr, one_by_one=one_by_one)
    block()

    def run(steps: int) -> float:
        blocks = max(steps // SLICE, 1)
        return sum(block() for _ in range(blocks)) / blocks / SLICE / NETWORKS

    return run


MAKERS: dict[str, Callable[[Case], Side]] = {
    "lab": LabSide,
    "tape": TapeSide,
    "jax": partial(jax_side, one_by_one=False),
    "jax-each": partial(jax_side, one_by_one=True),
    "vmap": partial(StackedSide, compiled=False),
    "compile": partial(StackedSide, compiled=True),
    "loop": partial(LoopSide, fused=False),
    "fused": partial(LoopSide, fused=True),
}


def measure(case: Case, sides: list[str], rounds: int, seconds: float) -> tuple[dict[str, float], dict[str, str]]:
    """The median milliseconds of each side, and why some were not run.

    The lab trains for `LAB_SECONDS`, since what it does once for a population is to count as it does for a user.
    """
    made: dict[str, Side] = {}
    missing: dict[str, str] = {}
    for name in sides:
        try:
            made[name] = MAKERS[name](case)
            made[name](SLICE)
        except Exception as error:  # noqa: BLE001 - a peer may fail in any way
            missing[name] = f"{type(error).__name__}: {error}".split("\n")[0][:90]
            made.pop(name, None)
    members = {name: 1 if name in ("loop", "fused") else NETWORKS for name in made}
    steps = {name: max(int(seconds / side(SLICE) / members[name]), SLICE) for name, side in made.items()}
    if "lab" in made and "tape" in made:
        steps["lab"] = int(steps["tape"] * LAB_SECONDS / seconds)
    taken: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, side in made.items():
            taken[name].append(1000 * side(steps[name]))
    return {name: statistics.median(times) for name, times in taken.items()}, missing


def main() -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    sides = arguments.sides.split(",")
    torch.set_num_threads(1)
    print(f"{NETWORKS} networks, {machine.machine_class()}, torch {torch.__version__}, milliseconds a step and network")
    print(f"{'case':8}" + "".join(f"{name:>10}" for name in sides))
    results: dict[str, Any] = {"class": machine.machine_class(), "torch": torch.__version__, "cases": {}}
    below = []
    for name in arguments.cases.split(","):
        with exact_arithmetic():
            times, missing = measure(CASES[name], sides, arguments.rounds, arguments.seconds)
        results["cases"][name] = {"milliseconds": times, "not_run": missing}
        print(f"{name:8}" + "".join(f"{times[s]:10.4f}" if s in times else f"{'NOT RUN':>10}" for s in sides))
        if "lab" not in times:
            continue
        print(f"{'':8}" + "".join(f"{times[s] / times['lab']:9.2f}x" if s in times else " " * 10 for s in sides))
        for side, reason in missing.items():
            print(f"        {side} NOT RUN: {reason}")
        bars = CASES[name].bars | {"tape": 1 / LAB_BAR}
        missed = {s: bar for s, bar in bars.items() if s in times and times[s] < bar * times["lab"]}
        below += [
            f"{name}: {s} takes {times[s] / times['lab']:.2f} of the lab, bar {bar:.2f}" for s, bar in missed.items()
        ]
    print(*below, sep="\n")
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))
    return int(bool(below))


if __name__ == "__main__":
    sys.exit(main())
