"""What is trained when the lab is compared with its peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from expzoo.spec.component import Component
from expzoo.spec.spec import Spec
from expzoo.system.randomness import member_seed

NETWORKS, SLICE = 32, 50
Side = Callable[[int], float]  # steps -> seconds a step of one network


@dataclass(frozen=True)
class Case:
    """A network with its data, the function that computes it in `_jax_peer`, and what each peer is to take at least."""

    model: tuple[str, dict[str, Any]]
    peer: str
    bars: dict[str, float] = field(default_factory=dict)
    dataset: tuple[str, dict[str, Any]] = ("mnist1d", {})
    loss: str = "cross_entropy"
    lr: float = 0.01

    def spec(self, steps: int, index: int = 0) -> Spec:
        """One of the networks."""
        part = Component.of
        return Spec(
            dataset=part("dataset", self.dataset[0], **self.dataset[1]),
            model=part("model", self.model[0], **self.model[1]),
            optimizer=part("optimizer", "adam", lr=self.lr),
            schedule=part("schedule", "constant"),
            loss=part("loss", self.loss),
            stop=part("stop", "steps", steps=steps),
            seed=member_seed(0, index),
        )

    def module(self, index: int = 0) -> nn.Module:
        """Its network in plain PyTorch."""
        torch.manual_seed(index)
        dataset = Component.of("dataset", self.dataset[0], **self.dataset[1]).build()
        return Component.of("model", self.model[0], **self.model[1]).build(tuple(dataset.inputs), dataset.outputs)

    def data(self) -> tuple[Tensor, Tensor]:
        """Examples for the peers: MNIST-1D's, or boards that were made beforehand."""
        dataset = Component.of("dataset", self.dataset[0], **self.dataset[1]).build()
        split = dataset.split("train", 0)
        return torch.tensor(split.x), torch.tensor(split.y)

    def orders(self, steps: int) -> Tensor:
        """Which examples each network sees at each step, (networks, steps, batch)."""
        batch = self.dataset[1].get("batch_size", 100)
        generator = torch.Generator().manual_seed(0)
        return torch.randint(len(self.data()[0]), (NETWORKS, steps, batch), generator=generator)

    def criterion(self) -> Callable[[Tensor, Tensor], Tensor]:
        """The loss in plain PyTorch."""
        if self.loss == "cross_entropy":
            return functional.cross_entropy
        return lambda outputs, y: functional.binary_cross_entropy(outputs, y.flatten(1).to(outputs))


def _mlp(width: int, jax: float, fused: float) -> Case:
    return Case(("mlp", {"width": width}), "mlp", {"jax": jax, "fused": fused})


def _life(m: int) -> Case:
    options = {"m_factor": m, "activation": "leaky_relu", "output": "sigmoid"}
    data = ("life", {"batch_size": 128})
    return Case(("life_net", options), "life_net", {"jax": 1.0, "jax-each": 1.0}, data, "bce_of_probabilities", 0.001)


CASES = {
    "mlp50": _mlp(50, 1.2, 1.25),
    "mlp100": _mlp(100, 1.2, 1.25),
    "mlp256": _mlp(256, 1.1, 1.25),
    "mlp500": _mlp(500, 1.1, 1.25),
    "cnn1d": Case(("cnn1d", {}), "cnn1d", {"jax": 1.0, "jax-each": 1.0}),
    "gru": Case(("gru", {}), "gru", {"jax": 1.0, "jax-each": 1.0}),
    "life": _life(5),
}
