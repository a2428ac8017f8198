"""Meta-learning: whole crowds of inner loops on tapes against one autograd graph a seed, as in the notebooks.

    python benchmarks/metalearn_speed.py [--repeats 3]

One process and one thread each. The learning rate: one outer step of 200 inner steps of a 40-50-10
network, eight seeds at once from both starts, against the notebook's loop for each seed and start.
The activation: one outer step of eight inner networks, 40-128-10, whose activation has 100 units,
against the notebook's loop for each network; fewer inner steps than there, since its graph takes
gigabytes. Best of the repeats; ratios of the same run. Exit code 1 below a bar.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from expzoo.system import machine

machine.choose_kernels()

import torch  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn import functional  # noqa: E402

from expzoo.analysis.studies.metalearning.activation import LearnActivation, first_weights, notebook_network  # noqa: E402
from expzoo.analysis.studies.metalearning.learning_rate import unrolled  # noqa: E402
from expzoo.components.learned_activations import small_network  # noqa: E402
from expzoo.engine.assembly import Assembler  # noqa: E402
from expzoo.spec.component import Component  # noqa: E402
from expzoo.spec.spec import Spec  # noqa: E402
from expzoo.system.arithmetic import exact_arithmetic  # noqa: E402
from expzoo.system.randomness import member_seed  # noqa: E402

RATE_BAR, ACTIVATION_BAR = 5.0, 3.0
SEEDS, STARTS, RATE_STEPS = 8, (1.5, 0.15), 200
NETWORKS, ACTIVATION_STEPS = 8, 40


def rate_spec(seed: int) -> Spec:
    """The inner network of the learning rate's notebook."""
    return Spec(
        dataset=Component.of("dataset", "mnist1d", batch_size=50, order="fixed"),
        model=Component.of("model", "mlp", width=50, depth=1, activation="tanh"),
        optimizer=Component.of("optimizer", "sgd", momentum=0.0),
        schedule=Component.of("schedule", "constant"),
        loss=Component.of("loss", "cross_entropy"),
        stop=Component.of("stop", "steps", steps=RATE_STEPS),
        seed=member_seed(0, seed),
    )


def data_and_start(spec: Spec) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The training examples, and the weights and biases of a new network."""
    assembler = Assembler()
    split = assembler.blueprints.dataset(spec.dataset).split("train", spec.seed)
    row = assembler.blueprints.layout(spec).view(torch.from_numpy(assembler.recipes.initial_row(spec, {})))
    return torch.tensor(split.x), torch.tensor(split.y), list(row.values())


def rate_by_graph(x: Tensor, y: Tensor, start: list[Tensor], first: float) -> Tensor:
    """The notebook's outer step: the meta-gradient of one seed from one start."""
    rate = torch.tensor([first], requires_grad=True)
    weights = [value.clone().requires_grad_() for value in start]
    losses = []
    for step in range(RATE_STEPS):
        batch = slice(step * 50 % 4000, step * 50 % 4000 + 50)
        hidden = torch.tanh(functional.linear(x[batch], weights[0], weights[1]))
        loss = functional.cross_entropy(functional.linear(hidden, weights[2], weights[3]), y[batch])
        gradients = torch.autograd.grad(loss, weights, retain_graph=True, create_graph=True)
        weights = [value - rate * own for value, own in zip(weights, gradients, strict=True)]
        losses.append(loss)
    return torch.autograd.grad(torch.stack(losses).mean(), rate)[0]


def activation_by_graph(x: Tensor, y: Tensor, start: list[Tensor], row: Tensor) -> Tensor:
    """The notebook's outer step: the meta-gradient of one inner network."""
    learned = row.clone().requires_grad_()
    weights = [value.clone().requires_grad_() for value in start]
    squares, losses = [torch.ones_like(value) for value in weights], []
    for step in range(ACTIVATION_STEPS):
        batch = slice(step * 100, step * 100 + 100)
        inside = functional.linear(x[batch], weights[0], weights[1])
        hidden = small_network(learned, inside.flatten())[0].view(inside.shape)
        hidden = hidden + 0.1 * (2 * torch.rand(1, hidden.shape[1]) - 1)
        loss = functional.cross_entropy(functional.linear(hidden, weights[2], weights[3]), y[batch])
        gradients = torch.autograd.grad(loss, weights, retain_graph=True, create_graph=True)
        squares = [0.4 * square + 0.6 * own**2 for square, own in zip(squares, gradients, strict=True)]
        moves = [own / (square.sqrt() + 1e-8) for square, own in zip(squares, gradients, strict=True)]
        weights = [value - 0.01 * move for value, move in zip(weights, moves, strict=True)]
        losses.append(loss)
    return torch.autograd.grad(torch.stack(losses).mean(), learned)[0]


def seconds(work: Callable[[], object]) -> float:
    """The wall-clock time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def learning_rate(repeats: int) -> tuple[float, float]:
    """Seconds a seed of an outer step from both starts: the notebook's way, ours."""
    x, y, start = data_and_start(rate_spec(0))
    loops = unrolled([rate_spec(seed) for _ in STARTS for seed in range(SEEDS)])
    loops.meta[:, 0] = torch.tensor(STARTS).repeat_interleave(SEEDS)
    weights = torch.full((RATE_STEPS,), 1.0 / RATE_STEPS)
    pairs = []
    for _ in range(repeats):
        graph = sum(seconds(lambda first=first: rate_by_graph(x, y, start, first)) for first in STARTS)
        pairs.append((graph, seconds(lambda: loops.gradient(weights, 1)) / SEEDS))
    graph, own = (min(times) for times in zip(*pairs, strict=True))
    return graph, own


def activation(repeats: int) -> tuple[float, float]:
    """Seconds an inner step of one network: the notebook's way, ours."""
    inner = notebook_network(width=128, steps=ACTIVATION_STEPS, samples=10000, seed=member_seed(0, 0))
    x, y, start = data_and_start(inner)
    row = first_weights(0, 100).float()
    lesson = LearnActivation(
        inner=inner, outer_steps=1, inner_networks=NETWORKS, hidden=100, last_losses=ACTIVATION_STEPS
    )
    loop = lesson.loop([lesson])
    loop.begin([None])
    pairs = []
    for repeat in range(repeats):
        graph = seconds(lambda: activation_by_graph(x, y, start, row))
        pairs.append((graph, seconds(lambda repeat=repeat: loop.look(repeat)) / NETWORKS))
    graph, own = (min(times) / ACTIVATION_STEPS for times in zip(*pairs, strict=True))
    return graph, own


def main() -> None:
    """Print the table; exit code 1 if a ratio is below its bar."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print(f"{'':44}{'graph ms':>10}{'ours ms':>10}{'ratio':>8}{'bar':>6}")
    slow = False
    with exact_arithmetic():
        for name, (graph, own), bar in (
            ("learning rate, an outer step of a seed", learning_rate(repeats), RATE_BAR),
            ("activation, an inner step of a network", activation(repeats), ACTIVATION_BAR),
        ):
            slow |= graph < bar * own
            print(f"{name:44}{1000 * graph:10.2f}{1000 * own:10.2f}{graph / own:7.1f}x{bar:5.1f}x")
    sys.exit(slow)


if __name__ == "__main__":
    main()
