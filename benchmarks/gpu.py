"""Populations on a GPU: networks a second, bits, and a large network. At most eight minutes.

    python benchmarks/gpu.py [--device cuda] [--most 4096] [--seconds 3] [--json FILE]

MLPs of MNIST-1D of width 100, batches of 100, Adam, an order of their own each: 1, 4, 16, ... of
them as the lab trains them, beside one plain PyTorch loop on the same device, vmap of as many as
fit into the policy's crowd, and JAX where it is installed with this device. Then the bits of a
member alone, at three places, among others, and once more; then images a second of ResNet-20 on
textures, by the lab's loop and by a plain one. Exit code 1 if any bit differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from expzoo.system import machine

machine.choose_kernels()

import torch  # noqa: E402
from _peer_cases import CASES  # noqa: E402
from torch import nn  # noqa: E402
from torch.func import functional_call, grad_and_value, vmap  # noqa: E402

from expzoo.engine.assembly import Assembler  # noqa: E402
from expzoo.spec.component import Component  # noqa: E402
from expzoo.spec.spec import Spec  # noqa: E402
from expzoo.system.arithmetic import exact_arithmetic  # noqa: E402

CASE, STEPS, LONG = CASES["mlp100"], 50, 10_000


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def a_second(device: torch.device, seconds: float, work: Any, done: int) -> float:
    """How much of `work`, which does `done`, is done in a second."""
    work()
    wait(device)
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        work()
        rounds += 1
        wait(device)
    return rounds * done / (time.perf_counter() - start)


def by_the_lab(device: torch.device, networks: int, seconds: float) -> float:
    """Steps of one network a second, of so many networks in the chunks that the lab makes."""
    assembler = Assembler(device=device)
    specs = [CASE.spec(LONG, index) for index in range(networks)]
    chunks = [[assembler.trainee(spec, {}) for spec in chunk] for chunk in assembler.chunks(specs)]
    programs = [Assembler(device=device).program(chunk) for chunk in chunks[:4]]
    share = sum(len(program.members) for program in programs)

    def work() -> None:
        for program in programs:
            program.advance(0, STEPS)

    return a_second(device, seconds, work, share * STEPS)


def by_a_loop(device: torch.device, seconds: float) -> float:
    """The same of one network, as it is typed, with the fused optimizer."""
    module, criterion = CASE.module().to(device), CASE.criterion()
    optimizer = torch.optim.Adam(module.parameters(), lr=CASE.lr, fused=True)
    x, y = (data.to(device) for data in CASE.data())
    order = CASE.orders(STEPS)[0].to(device)

    def work() -> None:
        for batch in order:
            optimizer.zero_grad()
            criterion(module(x[batch]), y[batch]).backward()
            optimizer.step()

    return a_second(device, seconds, work, STEPS)


def by_vmap(device: torch.device, networks: int, seconds: float) -> float:
    """The same of so many, by torch.func.vmap."""
    modules = [CASE.module(index).to(device) for index in range(networks)]
    named = [dict(module.named_parameters()) for module in modules]
    parameters = {name: torch.stack([p[name].detach() for p in named]) for name in named[0]}
    optimizer = torch.optim.Adam(list(parameters.values()), lr=CASE.lr, fused=True)
    x, y = (data.to(device) for data in CASE.data())
    orders, criterion = torch.randint(len(x), (networks, STEPS, 100), device=device), CASE.criterion()
    step = vmap(grad_and_value(lambda p, a, b: criterion(functional_call(modules[0], p, (a,)), b)))

    def work() -> None:
        for index in range(STEPS):
            batch = orders[:, index]
            gradients, _ = step(parameters, x[batch], y[batch])
            for name, parameter in parameters.items():
                parameter.grad = gradients[name]
            optimizer.step()

    return a_second(device, seconds, work, networks * STEPS)


def by_jax(networks: int, seconds: float) -> float:
    """The same by JAX on its own default device."""
    from _jax_peer import JaxSide

    states = [dict(CASE.module(index).named_parameters()) for index in range(networks)]
    parameters = {name: torch.stack([s[name].detach() for s in states]).numpy() for name in states[0]}
    x, y = (data.numpy() for data in CASE.data())
    orders = torch.randint(len(x), (networks, STEPS, 100)).numpy()
    block = JaxSide(CASE.peer, CASE.loss, parameters, (x, y), orders, CASE.lr)
    return a_second(torch.device("cpu"), seconds, block, networks * STEPS)


def bits(device: torch.device) -> list[str]:
    """What differs between a member alone, at other places, among others, and trained once more."""
    specs = [CASE.spec(LONG, index) for index in range(40)]

    def rows(order: list[int]) -> dict[int, bytes]:
        assembler = Assembler(device=device)
        program = assembler.program([assembler.trainee(specs[index], {}) for index in order])
        program.advance(0, 200)
        return {index: program.row(place).theta.numpy().tobytes() for place, index in enumerate(order)}

    whole = rows(list(range(40)))
    tried = {"alone": [7], "last": [*range(7), 7], "reversed": list(range(39, -1, -1)), "again": list(range(40))}
    return [name for name, order in tried.items() if not rows(order).items() <= whole.items()]


def images(device: torch.device, seconds: float, *, plain: bool) -> float:
    """Images a second of ResNet-20, by the lab's loop for large networks or by a plain one."""
    part = Component.of
    spec = Spec(
        dataset=part("dataset", "textures", batch_size=128),
        model=part("model", "resnet"),
        optimizer=part("optimizer", "sgd", lr=0.1),
        schedule=part("schedule", "constant"),
        loss=part("loss", "cross_entropy"),
        stop=part("stop", "steps", steps=LONG),
        seed=0,
    )
    if not plain:
        assembler = Assembler(device=device)
        program = assembler.program([assembler.trainee(spec, {})])
        return a_second(device, seconds, lambda: program.advance(0, 10), 1280)
    dataset = spec.dataset.build()
    split = dataset.split("train", 0)
    module: nn.Module = spec.model.build(tuple(dataset.inputs), dataset.outputs).to(device)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, fused=True)
    x, y = torch.tensor(split.x, device=device), torch.tensor(split.y, device=device)

    def work() -> None:
        for batch in torch.randint(len(x), (10, 128), device=device):
            optimizer.zero_grad()
            nn.functional.cross_entropy(module(x[batch]), y[batch]).backward()
            optimizer.step()

    return a_second(device, seconds, work, 1280)


def main() -> int:
    """Print the tables; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--most", type=int, default=4096)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("NOT RUN: torch sees no CUDA device here")
        return 0
    found: dict[str, Any] = {"class": machine.machine_class(device.type), "steps a second": {}}
    with exact_arithmetic():
        loop = by_a_loop(device, arguments.seconds)
        print(f"{found['class']}\nsteps of one network a second; one plain loop: {loop:,.0f}")
        counts = [4**power for power in range(7) if 4**power <= arguments.most]
        for networks in counts:
            rates = {"lab": by_the_lab(device, networks, arguments.seconds)}
            if networks <= 256:
                rates["vmap"] = by_vmap(device, networks, arguments.seconds)
                try:
                    rates["jax"] = by_jax(networks, arguments.seconds)
                except ImportError:
                    rates["jax"] = 0.0
            found["steps a second"][networks] = rates | {"loop": loop}
            told = "  ".join(f"{name} {rate:12,.0f}" if rate else f"{name} NOT RUN" for name, rate in rates.items())
            print(f"{networks:6} networks  {told}  {rates['lab'] / loop:8.1f} loops")
        found["differs"] = bits(device)
        print(f"bits that differ: {', '.join(found['differs']) or 'none'}")
        found["images a second"] = {
            name: images(device, arguments.seconds, plain=plain) for name, plain in (("lab", False), ("plain", True))
        }
        print("ResNet-20, images a second: " + ", ".join(f"{k} {v:,.0f}" for k, v in found["images a second"].items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))
    return int(bool(found["differs"]))


if __name__ == "__main__":
    sys.exit(main())
