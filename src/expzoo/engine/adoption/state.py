"""What a plugin remembers between two calls, in anything but tensors: a population's trace would not see it move."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

DEPTH = 4  # of containers within containers that are looked into
MOST = 1000  # elements of one container
OF_TORCH = frozenset(vars(nn.Module()))  # what every module has, of which only the layers are state of the user's

PLAIN = (bool, int, float, complex, str, bytes, type(None))
GENERATORS = (random.Random, np.random.Generator, np.random.RandomState)


def remembered(plugin: object) -> dict[str, Any]:
    """What a module, loss or metric remembers, by names as one writes them: of itself, its classes and their files.

    Tensors and long arrays stand for their shapes: what they do to outputs is seen in the outputs.
    """
    parts = dict(plugin.named_modules()) if isinstance(plugin, nn.Module) else {"": plugin}
    found: dict[str, Any] = {}
    for name, part in parts.items():
        place = f"self.{name}." if name else "self."
        found |= {f"{place}{key}": _frozen(value, DEPTH) for key, value in _own(part)}
        for made in type(part).__mro__:
            if _is_of_users(made.__module__):
                found |= {f"{made.__name__}.{key}": value for key, value in _plain(vars(made))}
                found |= dict(_plain(vars(sys.modules[made.__module__])))
    return found


def moved(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names of what is not what it was."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _own(part: object) -> Iterator[tuple[str, Any]]:
    values = getattr(part, "__dict__", {})
    return ((key, value) for key, value in values.items() if not (isinstance(part, nn.Module) and key in OF_TORCH))


def _is_of_users(module: str) -> bool:
    """Whether a module may be of users: not of Python, torch, or this package, whose plugins' files are."""
    root = module.partition(".")[0]
    of_package = root == "expzoo" and not module.startswith("expzoo.plugins.")
    return module in sys.modules and root not in {"torch", *sys.stdlib_module_names} and not of_package


def _plain(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Numbers, texts and containers among the names of a class or a file."""
    for key, value in values.items():
        if not key.startswith("__") and isinstance(value, (*PLAIN, list, dict, set, *GENERATORS)):
            yield key, _frozen(value, DEPTH)


def _frozen(value: Any, depth: int) -> Any:
    """Something that equals what is made of the same value later, and of no other."""
    if isinstance(value, PLAIN):
        return value if value == value else "NaN"
    if isinstance(value, Tensor):
        return "tensor", tuple(value.shape)
    if isinstance(value, np.ndarray):
        return "array", value.shape, value.tobytes() if value.size <= MOST and value.dtype != object else b""
    if isinstance(value, GENERATORS):
        return "generator", _state(value)
    if isinstance(value, nn.Module) or callable(value) or depth == 0:
        return type(value).__name__
    return type(value).__name__, _of_container(value, depth - 1)


def _of_container(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return len(value), [(_frozen(key, 0), _frozen(one, depth)) for key, one in list(value.items())[:MOST]]
    if isinstance(value, (list, tuple)):
        return len(value), [_frozen(one, depth) for one in value[:MOST]]
    if isinstance(value, (set, frozenset)):
        return len(value), sorted(str(_frozen(one, 0)) for one in value)[:MOST]
    return [(key, _frozen(one, depth)) for key, one in getattr(value, "__dict__", {}).items()]


def _state(generator: Any) -> str:
    """Where a generator is."""
    if isinstance(generator, random.Random):
        return repr(generator.getstate())
    found = generator.get_state(legacy=False) if isinstance(generator, np.random.RandomState) else generator
    return repr(found if isinstance(found, dict) else found.bit_generator.state)
