"""Which hidden units of a module can be permuted without changing its function, found by reading its forward pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from torch import fx, nn

# In lower case without underscores, so that relu, ReLU, relu_ and F.relu are one.
_POINTWISE = """
abs add celu clamp clampmax clampmin contiguous cos div double dropout elu exp float gelu hardshrink hardsigmoid
hardswish hardtanh iadd identity imul isub leakyrelu logsigmoid maximum minimum mish mul neg pow relu relu6 selu sigmoid
silu sin softplus softshrink softsign sqrt square sub tanh tanhshrink to truediv
"""
POINTWISE = frozenset(_POINTWISE.split())
SUPPORTED = "chains of nn.Linear with pointwise activations, sums and products between them"


@dataclass(frozen=True)
class HiddenUnits:
    """Units that must be permuted alike: every axis (parameter name, axis) of length `width` that runs over them."""

    width: int
    axes: tuple[tuple[str, int], ...]


@dataclass
class _Group:
    """Units found so far; `merged` is the group that this one turned out to be part of."""

    width: int
    axes: list[tuple[str, int]] = field(default_factory=list)
    fixed: bool = False
    merged: _Group | None = None

    def root(self) -> _Group:
        return self.merged.root() if self.merged else self

    def join(self, other: _Group) -> _Group:
        """One group of both, because their values are added or multiplied unit by unit."""
        first, second = self.root(), other.root()
        if first is not second:
            first.axes += second.axes
            first.fixed |= second.fixed
            second.merged = first
        return first


def hidden_units(module: nn.Module) -> tuple[HiddenUnits, ...]:
    """The groups of hidden units of `module` whose permutation leaves its function as it is, in order of the forward.

    Supported are chains of `nn.Linear` on the last axis with pointwise activations between them.
    Sums and products of hidden values tie their units: the layers of a residual stream share one
    group. Whatever is done to the input before the first layer does not matter. Units that meet the
    input or the output unit by unit stay fixed.

    Raises:
        ValueError: the forward pass cannot be read, or does anything else with hidden units; the operation is named.
    """
    try:
        graph = fx.symbolic_trace(module).graph
    except Exception as error:  # the author's forward is run, which may raise anything
        raise ValueError(f"the forward pass of {type(module).__name__} cannot be read: {error}") from error
    return _Reader(module).read(graph)


class _Reader:
    """Follows hidden units through a graph. A value is a group, or None for a number that all units share."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.groups: list[_Group] = []
        self.layers: dict[str, tuple[_Group, _Group]] = {}
        self.values: dict[fx.Node, _Group | None] = {}

    def read(self, graph: fx.Graph) -> tuple[HiddenUnits, ...]:
        for node in graph.nodes:
            self.values[node] = self._value(node)
        named = dict(self.module.named_parameters())
        if twice := [name for group in self.groups for name, _ in group.axes if name not in named]:
            self._refuse(f"{twice[0]}, which is another parameter too")
        free = [group for group in self.groups if not group.merged and not group.fixed]
        return tuple(HiddenUnits(group.width, tuple(dict.fromkeys(group.axes))) for group in free)

    def _value(self, node: fx.Node) -> _Group | None:
        seen = [group.root() for of in node.all_input_nodes if (group := self.values[of])]
        match node.op:
            case "placeholder":
                return _Group(0, fixed=True)
            case "get_attr":
                return self._constant(node)
            case "output":
                for group in seen:
                    group.fixed = True
                return None
            case "call_module":
                return self._layer(node, seen)
            case _:
                return self._operation(node, _name(node.target), seen)

    def _constant(self, node: fx.Node) -> None:
        tensor: Any = self.module
        for part in str(node.target).split("."):
            tensor = getattr(tensor, part)
        if tensor.numel() > 1:
            self._refuse(f"{node.target} of shape {tuple(tensor.shape)} outside a layer")

    def _layer(self, node: fx.Node, seen: list[_Group]) -> _Group | None:
        target = str(node.target)
        layer = self.module.get_submodule(target)
        if not isinstance(layer, nn.Linear):
            if any(True for _ in layer.parameters()):
                self._refuse(f"{target}, a {type(layer).__name__}")
            return self._operation(node, _name(type(layer)), seen)
        if target not in self.layers:
            before, after = _Group(layer.in_features, [(f"{target}.weight", 1)]), _Group(layer.out_features)
            after.axes += [(f"{target}.weight", 0)] + [(f"{target}.bias", 0)] * (layer.bias is not None)
            self.layers[target] = before, after
            self.groups += before, after
        before, after = self.layers[target]
        self._tie([*seen, before], node)
        return after.root()

    def _operation(self, node: fx.Node, name: str, seen: list[_Group]) -> _Group | None:
        if name not in POINTWISE and not all(group.fixed for group in seen):
            self._refuse(f"{name} on hidden units")
        return self._tie(seen, node)

    def _tie(self, groups: Iterable[_Group], node: fx.Node) -> _Group | None:
        first: _Group | None = None
        for group in groups:
            if first and first.width != group.width and first.width and group.width:
                self._refuse(f"{node.name}, which joins {first.width} units with {group.width}")
            first = first.join(group) if first else group
        return first

    def _refuse(self, what: str) -> None:
        model = type(self.module).__name__
        raise ValueError(f"the hidden units of {model} cannot be permuted: it has {what}; known are {SUPPORTED}")


def _name(target: object) -> str:
    name = target if isinstance(target, str) else getattr(target, "__name__", str(target))
    return name.lower().replace("_", "")
