"""What is measured of a network, by name: metrics see its outputs on a split, probes its weights.

`accuracy`, `calibration_error(bins=30)` and `sharpness(examples=500)` are names; the plugins are in plugins/metrics and
plugins/probes.
"""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import torch

from expzoo.config.registry import LOOKED_UP, Home, homes, index, path
from expzoo.spec.spec import Component
from expzoo.system.errors import BadInput, nearest

if TYPE_CHECKING:
    from torch import Tensor

LOSS = "loss"  # the one metric that is no plugin: the training loss of the spec itself


class Metric(Protocol):
    """Sees what ONE network gives on a whole split."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """A number from outputs (n, outputs) and targets (n,) int64 or (n, *targets) float."""
        ...


def component(name: str) -> Component:
    """The metric or probe that a name such as `accuracy` or `calibration_error(bins=30)` stands for.

    Raises BadInput if it is written otherwise, if there is none or more than one, or if it has no such options.
    """
    return _component(name, homes())


@cache
def _component(name: str, places: tuple[Home, ...]) -> Component:
    plugin, options = _parsed(name)
    kinds = [kind for kind in LOOKED_UP if plugin in index()[kind]]
    if not kinds:
        known = {LOSS, *(known for kind in LOOKED_UP for known in index()[kind])}
        raise BadInput(f"there is no metric or probe called {plugin}: {nearest(plugin, known)}")
    if len(kinds) > 1:
        raise BadInput(
            f"a metric and a probe are called {plugin}: {path('metric', plugin)} and {path('probe', plugin)}"
        )
    return Component.of(kinds[0], plugin, **options)


def _parsed(name: str) -> tuple[str, dict[str, Any]]:
    try:
        match ast.parse(name, mode="eval").body:
            case ast.Name(id=plugin):
                return plugin, {}
            case ast.Call(func=ast.Name(id=plugin), args=[], keywords=keywords):
                return plugin, {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords}
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        pass
    raise BadInput(f"{name!r} is no name of a metric or probe: write it like accuracy or calibration_error(bins=30)")


def full_name(plugin: Component) -> str:
    """One text for each meaning: the name, all its options, and its CACHE_VERSION unless that is 1."""
    options = ", ".join(f"{key}={value!r}" for key, value in plugin.options)
    version = plugin.canonical()["version"]
    return plugin.name + (f"({options})" if options else "") + (f":v{version}" if version != 1 else "")


def class_logits(outputs: Tensor, targets: Tensor) -> Tensor:
    """The outputs (n, classes) as logits of the classes; one output (n, 1) is the logit of class 1 against class 0.

    Raises ValueError if the targets are not class labels (n,), of one of these classes each.
    """
    if targets.dim() != 1 or targets.is_floating_point():
        raise ValueError(f"targets of shape {tuple(targets.shape)} and {targets.dtype} are not class labels")
    logits = torch.cat([torch.zeros_like(outputs), outputs], 1) if outputs.shape[1] == 1 else outputs
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < logits.shape[1]:
        raise ValueError(f"targets from {targets.min()} to {targets.max()} are not labels of {logits.shape[1]} classes")
    return logits


def log_probabilities(outputs: Tensor, targets: Tensor) -> Tensor:
    """The logarithm of the probability that softmax gives each class, (n, classes) in float64."""
    return class_logits(outputs, targets).double().log_softmax(1)


def right_cells(outputs: Tensor, targets: Tensor) -> Tensor:
    """Whether each output rounds to its target of 0 or 1, (n, outputs) bool; labels (n,) int64 are taken as one-hot."""
    if targets.dim() < outputs.dim():
        targets = targets.unsqueeze(1) == torch.arange(outputs.shape[1])
    return outputs.round() == targets
