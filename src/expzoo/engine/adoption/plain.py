"""The ordinary loop: one module, one loss, torch's own SGD and autograd; what a population is compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils._python_dispatch import TorchDispatchMode

from expzoo.engine.layers.noise import CountedNoise
from expzoo.system.randomness import words

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

Batch = tuple[Tensor, Tensor]


KEPT = 2 * 10**6  # of the numbers of a network, at one step: of larger ones every second, third, ... is compared


@dataclass
class Path:
    """What happened in training: for each step the loss before its update, the gradients, and the weights after it."""

    rate: float
    losses: list[float] = field(default_factory=list)
    gradients: list[dict[str, Tensor]] = field(default_factory=list)
    weights: list[dict[str, Tensor]] = field(default_factory=list)

    def note(self, loss: Tensor, gradients: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
        """Keep one step; of the numbers of a very large network, some of each parameter."""
        every = -(-sum(value.numel() for value in weights.values()) // KEPT)
        self.losses.append(float(loss.detach()))
        for kept, given in ((self.gradients, gradients), (self.weights, weights)):
            kept.append({name: value.detach().flatten()[::every].clone() for name, value in given.items()})


def train(
    module: nn.Module,
    loss: Callable[[Tensor, Tensor], Tensor],
    batches: Sequence[Batch],
    seed: int,
    *,
    rate: float | None = None,
    share: float = 0.01,
    after: Callable[[], None] = lambda: None,
) -> Path:
    """Train the module in place on copies of these batches, by gradient descent.

    Without a `rate` it is the one whose first update has `share` of the length of the weights.
    `after` is called after each step.
    """
    optimizer = torch.optim.SGD(module.parameters(), lr=rate or 1.0)
    path = Path(rate or 0.0)
    for step, (x, y) in enumerate(batches):
        optimizer.zero_grad()
        with CountedDropout(seed, step):
            value = loss(module(x.clone()), y.clone())
        value.backward()
        if not path.rate:
            path.rate = optimizer.param_groups[0]["lr"] = _rate(module, share)
        named = dict(module.named_parameters())
        gradients = {name: torch.zeros_like(one) if one.grad is None else one.grad for name, one in named.items()}
        optimizer.step()
        path.note(value, gradients, named)
        after()
    return path


def _rate(module: nn.Module, share: float) -> float:
    """The learning rate at which an update has this share of the weights' length."""
    weights = math.sqrt(sum(float(p.detach().double().square().sum()) for p in module.parameters()))
    gradient = math.sqrt(sum(float(p.grad.double().square().sum()) for p in module.parameters() if p.grad is not None))
    found = share * max(weights, 1.0) / gradient if gradient else share
    return found if math.isfinite(found) else share


def settle(module: nn.Module, x: Shaped[Tensor, "batch ..."]) -> nn.Module:
    """The module in evaluation mode, its averages over batches those of x; those of layers held so stay as they are."""
    parts = [part for part in module.modules() if isinstance(part, _NormBase)]
    adapting = [part for part in parts if part.training and part.running_mean is not None]
    module.eval()
    for part in adapting:
        part.reset_running_stats()
        part.momentum = None  # the plain mean
        part.train()
    with torch.no_grad():
        if adapting:
            module(x.clone())
    return module.eval()


class CountedDropout(CountedNoise):
    """Inside, layers drop what this member drops at this step, written out for one network."""

    def __init__(self, seed: int, step: int) -> None:
        super().__init__()
        self.seed, self.step = seed, step

    def draw(self, like: Float[Tensor, "*axes"], p: float, call: int) -> Float[Tensor, "*axes"]:
        """Zeros with probability p, and 1 / (1 - p)."""
        count = like.numel()
        drawn = words(self.seed, "dropout", (self.step, call), -(-count // 2)).view(np.uint32)[:count]
        kept = torch.from_numpy(drawn >= round(p * 2**32)).view(like.shape).double() * (1 / (1 - p) if p < 1 else 0)
        return kept.to(like.dtype)


class Narrow(TorchDispatchMode):
    """Inside, `found` says whether anything was computed in a narrower floating type than float64."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(value, Tensor) and value.dtype in (torch.float32, torch.float16, torch.bfloat16):
                self.found = True
        return result


def silence(module: nn.Module) -> nn.Module:
    """Turn off, in place, what the layers of torch.nn drop at random."""
    for part in module.modules():
        for name in ("p", "dropout"):
            if type(part).__module__.startswith("torch.") and isinstance(vars(part).get(name), float):
                setattr(part, name, 0.0)
    return module
