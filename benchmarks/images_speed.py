"""Image networks against a plain PyTorch loop; one process, one thread.

One epoch of ResNet-20 on textures, alone, and 8 narrow networks cnn2d together: milliseconds for
one training step of one network (batch, forward, backward, SGD with momentum). Both sides run in
turn and the median of each counts, since new pages of memory are part of the time of a loop, and
not in every round alike. Bars: ResNet-20 at most 1.05 times the loop, cnn2d at least 1.7 times
faster; exit code 1 below.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from expzoo.system import machine

machine.choose_kernels()

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from expzoo.engine.assembly import Assembler  # noqa: E402
from expzoo.spec.component import Component  # noqa: E402
from expzoo.spec.spec import Spec  # noqa: E402
from expzoo.system.arithmetic import exact_arithmetic  # noqa: E402
from expzoo.system.randomness import member_seed  # noqa: E402

if TYPE_CHECKING:
    from expzoo.engine.program import Program

BARS = {"resnet": 1 / 1.05, "cnn2d": 1.7}


def base(model: Component, batch: int) -> Spec:
    """How the networks are trained: on 2000 textures, which makes an epoch 2000 / batch steps."""
    part = Component.of
    return Spec(
        dataset=part("dataset", "textures", batch_size=batch, test_size=100),
        model=model,
        optimizer=part("optimizer", "sgd", lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4),
        schedule=part("schedule", "constant"),
        loss=part("loss", "cross_entropy"),
        stop=part("stop", "steps", steps=1000),
        seed=0,
    )


def plain_loop(spec: Spec, steps: int) -> Callable[[], None]:
    """Steps of one network as anybody would write them, channels innermost where that is faster."""
    dataset = spec.dataset.build()
    split = dataset.split("train", 0)
    built: Any = spec.model.build(dataset.inputs, dataset.outputs)  # torch's own stubs know no such overload
    module: nn.Module = built.to(memory_format=torch.channels_last)
    own = spec.optimizer.option
    optimizer = torch.optim.SGD(
        module.parameters(),
        lr=own("lr", float),
        momentum=own("momentum", float),
        nesterov=own("nesterov", bool),
        weight_decay=own("weight_decay", float),
    )
    x = torch.tensor(split.x).contiguous(memory_format=torch.channels_last)
    y, order = torch.tensor(split.y), torch.from_numpy(dataset.indices(0, 0, steps))

    def run() -> None:
        for indices in order:
            optimizer.zero_grad()
            functional.cross_entropy(module(x[indices]), y[indices]).backward()
            optimizer.step()

    return run


def seconds(run: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def program_of(specs: Sequence[Spec]) -> Program:
    """A population that is ready to be trained."""
    assembler = Assembler()
    return assembler.program([assembler.trainee(spec, {}) for spec in specs])


def compare(name: str, spec: Spec, members: int, steps: int, rounds: int) -> bool:
    """Print milliseconds a step of one network, plain and ours; whether the bar is reached."""
    with exact_arithmetic():
        specs = [spec.replace(seed=member_seed(0, index)) for index in range(members)]
        programs = [program_of(chunk) for chunk in Assembler().chunks(specs)]

        def together() -> None:
            """All of them, in populations as large as the lab makes them."""
            for program in programs:
                program.advance(0, steps)

        work = [plain_loop(spec, steps), together]
        times = [[seconds(run) for run in work] for _ in range(1 + rounds)][1:]
    plain, ours = (1000 / steps * median(column) for column in zip(*times, strict=True))
    ours /= members
    bar = BARS[spec.model.name]
    print(f"{name:<28}{plain:9.2f}{ours:9.2f}{plain / ours:9.2f}x   {bar:.2f}x")
    return plain >= bar * ours


def main() -> int:
    """Print the table; 1 if a bar is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    part = Component.of
    print(f"{'ms a step of one network':<28}{'plain':>9}{'ours':>9}{'ratio':>10}   bar")
    reached = [  # large networks come last: what they set in malloc makes every loop of the process faster
        compare("cnn2d, width 4, 8 at once", base(part("model", "cnn2d", width=4), 100), 8, 10, options.rounds),
        compare("resnet-20, an epoch, alone", base(part("model", "resnet"), 100), 1, 20, options.rounds),
    ]
    return int(not all(reached))


if __name__ == "__main__":
    sys.exit(main())
