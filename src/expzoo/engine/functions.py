"""Which of torch's functions are computed in another way when a module is adopted, and which are refused."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from expzoo.engine.convolution import convolve


class Unadoptable(ValueError):
    """A module that cannot be trained in a population, with what to do about it."""


# Functions without a rule for many members, or with a slow one. Each replacement computes the same for one network.
REPLACED: dict[Any, Any] = {
    torch.conv1d: convolve,
    torch.conv2d: convolve,
    torch.conv3d: convolve,
}
RANDOM = frozenset(
    {
        torch.bernoulli,
        torch.multinomial,
        torch.normal,
        torch.poisson,
        torch.rand,
        torch.rand_like,
        torch.randint,
        torch.randint_like,
        torch.randn,
        torch.randn_like,
        torch.randperm,
        nn.functional.dropout,
        Tensor.bernoulli_,
        Tensor.exponential_,
        Tensor.normal_,
        Tensor.random_,
        Tensor.uniform_,
    }
)


class CrowdFunctions(TorchFunctionMode):
    """Inside, torch's functions are those that a crowd can run, and random ones are refused.

    Torch's random functions draw from a global generator: a member's numbers would depend on the crowd.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in RANDOM:
            raise Unadoptable(
                f"the module's forward calls {getattr(func, '__name__', func)}, which draws from torch's global "
                "generator; use nn.Dropout, or draw in the constructor"
            )
        return REPLACED.get(func, func)(*args, **(kwargs or {}))
