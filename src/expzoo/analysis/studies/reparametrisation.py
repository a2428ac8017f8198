"""One function, many weights: the derivatives of the loss where weights change and the function does not.

Dinh, Pascanu, Bengio & Bengio 2017, "Sharp minima can generalize for deep nets", section 3: a ReLU network
whose first layer is multiplied by a and whose second is divided by it. Scale invariance: weights that
normalisation follows (van Laarhoven 2017, arXiv:1706.05350).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call

from expzoo.science.numerics.lanczos import top_eigenvalues

if TYPE_CHECKING:
    from jaxtyping import Float

    from expzoo.lab.trained import Trained

Weights = dict[str, Tensor]


class Slopes(NamedTuple):
    """At one place, over the weights that were asked for."""

    loss: float
    gradient: float
    sharpness: float
    outputs: Float[Tensor, "n classes"]


def slopes(network: Trained, change: Callable[[Weights], Weights], of: Sequence[str], examples: int) -> Slopes:
    """The training loss of a network with other weights, the gradient's length and the largest eigenvalue; float64.

    Over the first training examples as one batch, whose own averages normalisation takes, so that
    they are differentiated, too. Products with the Hessian are by two backward passes.

    Args:
        network: what was trained, without dropout.
        change: weights by name -> those to look at.
        of: the names of the weights over which is differentiated.
        examples: how many of the training examples.
    """
    module = network.module().double().train()
    data = network.spec.dataset.build().split("train", network.spec.seed)
    x, y = torch.tensor(data.x[:examples]).double(), torch.tensor(data.y[:examples])
    loss_of = network.spec.loss.build()
    weights = change({name: value.detach() for name, value in module.named_parameters()})
    sought = [weights[name].clone().requires_grad_() for name in of]
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    outputs = functional_call(module, weights | buffers | dict(zip(of, sought, strict=True)), (x,))
    loss = loss_of(outputs, y)
    first = torch.cat([part.flatten() for part in torch.autograd.grad(loss, sought, create_graph=True)])

    def product(vector: Tensor) -> Tensor:
        second = torch.autograd.grad(first @ vector, sought, retain_graph=True)
        return torch.cat([part.flatten() for part in second])

    [sharpness] = top_eigenvalues(product, len(first), tolerance=1e-8)
    return Slopes(loss.item(), first.norm().item(), sharpness.item(), outputs.detach())


def between_layers(factor: float) -> Callable[[Weights], Weights]:
    """The first layer of an mlp of one hidden layer of ReLU multiplied, the last divided: the same function."""
    by = {"first.weight": factor, "first.bias": factor, "last.weight": 1 / factor}
    return lambda weights: {name: value * by.get(name, 1.0) for name, value in weights.items()}


def times(factor: float, of: Sequence[str]) -> Callable[[Weights], Weights]:
    """Some of the weights multiplied."""
    return lambda weights: {name: value * factor if name in of else value for name, value in weights.items()}
