"""Ordinary modules before they become rows: lazy layers get their shapes, and what no row can hold is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrizations
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

if TYPE_CHECKING:
    from jaxtyping import Shaped

PRUNED = (
    "prunes {name} with torch.nn.utils.prune, but masks are asked for, not built in: leave it out, and use "
    "parametrisation=masked or an analysis that prunes, such as iterative_pruning"
)
REPARAMETRISED = (
    "has torch.nn.utils.weight_norm on {name}, which computes it outside the forward: use "
    "torch.nn.utils.parametrizations.weight_norm"
)
SPECTRAL = (
    "has spectral_norm on {name}, which keeps vectors from step to step, but a member is its parameters only: use "
    'torch.nn.utils.parametrize.register_parametrization(layer, "{short}", module) with a module that divides by '
    "torch.linalg.matrix_norm(weight, 2)"
)
ORTHOGONAL = "has orthogonal on {name}, which keeps its first matrix in a buffer: give it use_trivialization=False"
COMPUTED = "keeps {name}, computed from parameters in the constructor: compute it in forward"
HOOKED = (
    "has a hook on the gradient of {name}, which a population computes without it: scale the loss or the layer in "
    "forward, or leave it to the optimizer"
)
LAZY = "has a lazy parameter {name} without a shape after one forward: use the layer in forward, or give its size"


def settled(module: nn.Module, example: Callable[[], Shaped[Tensor, "batch ..."]]) -> nn.Module:
    """The module, in whose lazy layers there are numbers after one forward on this example, if there were none."""
    if any(is_lazy(value) for value in (*module.parameters(), *module.buffers())):
        modes = [(part, part.training) for part in module.modules()]
        module.eval()
        with torch.no_grad():
            module(example())
        for part, mode in modes:
            part.training = mode
    return module


def unfit(module: nn.Module) -> str | None:
    """Why the parameters of a module are not all that it is, with what to write instead; None if they are."""
    return next(_reasons(module), None)


def _reasons(module: nn.Module) -> Iterator[str]:
    for path, part in module.named_modules():
        for hook in part._forward_pre_hooks.values():
            if message := _of_hook(hook):
                short = getattr(hook, "_tensor_name", None) or getattr(hook, "name", "")
                yield message.format(name=_joined(path, short), short=short)
        if message := _of_parametrisation(part):
            layer, _, rest = f".{path}".partition(".parametrizations.")
            short = rest.split(".")[0]
            yield message.format(name=_joined(layer[1:], short), short=short)
        for name, value in vars(part).items():
            if isinstance(value, Tensor) and not value.is_leaf:
                yield COMPUTED.format(name=_joined(path, name))
        if part._backward_hooks or part._backward_pre_hooks:
            yield HOOKED.format(name=path or "itself")
    for name, value in (*module.named_parameters(), *module.named_buffers()):
        yield from _of_tensor(name, value)


def _of_tensor(name: str, value: Tensor) -> Iterator[str]:
    if is_lazy(value):
        yield LAZY.format(name=name)
    if value._backward_hooks or getattr(value, "_post_accumulate_grad_hooks", None):
        yield HOOKED.format(name=name)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _of_hook(hook: object) -> str | None:
    from torch.nn.utils import prune

    kinds = {prune.BasePruningMethod: PRUNED, WeightNorm: REPARAMETRISED, SpectralNorm: SPECTRAL}
    return next((message for kind, message in kinds.items() if isinstance(hook, kind)), None)


def _of_parametrisation(part: nn.Module) -> str | None:
    if isinstance(part, parametrizations._SpectralNorm):
        return SPECTRAL
    is_based = isinstance(part, parametrizations._Orthogonal) and hasattr(part, "base")
    return ORTHOGONAL if is_based else None
