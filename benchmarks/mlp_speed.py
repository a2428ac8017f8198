"""Networks per second: the lab against a plain PyTorch loop, on the MLP of MNIST-1D, one process and one thread each.

    python benchmarks/mlp_speed.py [--seconds 10] [--widths 50,100,256,500]

Both sides train on the same data with batches of 100 in an order of their own for each network,
Adam, no evaluation but the lab's one at the end. Columns: the lab, its bare tensor program, a loop
with `torch.optim.Adam` as a user types it, and with `fused=True`; milliseconds for one step of one
network, and ratios of the same run. Exit code 1 below a bar.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from expzoo.system import machine

machine.choose_kernels()

import torch  # noqa: E402
from torch import nn  # noqa: E402

from expzoo.lab.lab import Lab  # noqa: E402
from expzoo.spec.component import Component  # noqa: E402
from expzoo.spec.spec import Spec  # noqa: E402
from expzoo.store.store import Store  # noqa: E402
from expzoo.system.arithmetic import exact_arithmetic  # noqa: E402
from expzoo.system.randomness import member_seed  # noqa: E402

NETWORKS = 32
BARS = {50: 7.0, 100: 4.0, 256: 2.2, 500: 1.4}
LAB_BAR = 1.15


def spec(width: int, steps: int) -> Spec:
    """The benchmark's network."""
    options = {"dataset": ("mnist1d", {}), "model": ("mlp", {"width": width}), "optimizer": ("adam", {})}
    options |= {"schedule": ("constant", {}), "loss": ("cross_entropy", {}), "stop": ("steps", {"steps": steps})}
    parts: dict[str, Any] = {kind: Component.of(kind, name, **values) for kind, (name, values) in options.items()}
    return Spec(seed=0, **parts)


def plain_loop(width: int, seconds: float, *, fused: bool) -> float:
    """Seconds a step of an ordinary loop over one network after the other."""
    dataset = Component.of("dataset", "mnist1d").build()
    split = dataset.split("train", 0)
    x, y, loss = torch.tensor(split.x), torch.tensor(split.y), nn.CrossEntropyLoss()
    steps, start = 0, time.perf_counter()
    for network in range(1000):
        module = Component.of("model", "mlp", width=width).build((40,), 10)
        optimizer = torch.optim.Adam(module.parameters(), lr=0.01, fused=fused)
        order = torch.from_numpy(dataset.indices(network, 0, 500))
        for batch in order:
            optimizer.zero_grad()
            loss(module(x[batch]), y[batch]).backward()
            optimizer.step()
        steps += len(order)
        if time.perf_counter() - start >= seconds:
            break
    return (time.perf_counter() - start) / steps


def bare_program(specs: list[Spec], steps: int, lab: Lab) -> float:
    """Seconds a member-step of the tensor program alone, in the lab's own chunks."""
    total = 0.0
    for chunk in lab.assembler.chunks(specs):
        trainees = [lab.assembler.trainee(s, {}, None, frozenset(), ()) for s in chunk]
        program = lab.assembler.program(trainees)
        program.advance(0, 2)
        start = time.perf_counter()
        for step in range(0, steps, 50):
            program.advance(step, min(step + 50, steps))
        total += time.perf_counter() - start
    return total / steps / len(specs)


def through_the_lab(specs: list[Spec], steps: int) -> float:
    """Seconds a member-step of training 32 networks with everything the lab does: chunks, keeping, storing."""
    with tempfile.TemporaryDirectory() as root:
        lab = Lab(Store(Path(root), machine.machine_class()))
        lab.train(specs)
    return (lab.account.training_seconds + lab.account.looking_seconds) / steps / len(specs)


def main() -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--widths", default="50,100,256,500")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{NETWORKS} networks, {machine.machine_class()}, torch {torch.__version__}, milliseconds a step and network")
    columns = (("width", 6), ("lab", 9), ("program", 9), ("loop", 9), ("fused", 9), ("lab/prog", 10), ("vs loop", 9))
    print("".join(f"{name:>{wide}}" for name, wide in (*columns, ("vs fused", 9), ("bar", 6))))
    failed = False
    for width in map(int, arguments.widths.split(",")):
        with exact_arithmetic():
            lab = Lab(Store(Path(tempfile.mkdtemp()), machine.machine_class()))
            probe = [spec(width, 100).replace(seed=member_seed(0, i)) for i in range(NETWORKS)]
            guess = bare_program(probe, 100, lab)
            steps = max(int(arguments.seconds / guess / NETWORKS), 100)
            specs = [spec(width, steps).replace(seed=member_seed(0, i)) for i in range(NETWORKS)]
            loop = plain_loop(width, arguments.seconds / 2, fused=False)
            fused = plain_loop(width, arguments.seconds / 2, fused=True)
            program = bare_program(specs, steps, lab)
            taken = through_the_lab(specs, steps)
            loop = min(loop, plain_loop(width, arguments.seconds / 2, fused=False))
            fused = min(fused, plain_loop(width, arguments.seconds / 2, fused=True))
        times = "".join(f"{1e3 * t:9.3f}" for t in (taken, program, loop, fused))
        print(f"{width:6}{times}{taken / program:10.2f}{loop / taken:9.2f}{fused / taken:9.2f}{BARS.get(width, 0):6}")
        failed |= loop / taken < BARS.get(width, 0) or taken / program > LAB_BAR
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
