"""What a plugin remembers between two calls, in anything but tensors: a population's trace would not see it move."""

from __future__ import annotations

import itertools
import operator
import random
import sys
import types
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

DEPTH = 4  # of containers within containers that are looked into
MOST = 1000  # elements of one container
OF_TORCH = frozenset(key for key in vars(nn.Module()) if key != "training" and not key.endswith("hooks"))
"""What every module has, of which only its mode, its hooks and its layers are the user's."""
INSTALLED = ("site-packages", "dist-packages")  # folders of packages of others

PLAIN = (bool, int, float, complex, str, bytes, type(None))
GENERATORS = (random.Random, np.random.Generator, np.random.RandomState)


def remembered(plugin: object) -> dict[str, Any]:
    """What a module, loss or another plugin remembers, by names as one writes them.

    Of itself, of its classes, and of the files that these are in, with what they import of the same
    author: values of names, and what functions keep (defaults, variables that they close over,
    attributes). Tensors and long arrays stand for their shapes: what they do is seen in what is computed.
    """
    parts = dict(plugin.named_modules()) if isinstance(plugin, nn.Module) else {"": plugin}
    found: dict[str, Any] = {}
    for name, part in parts.items():
        place = f"self.{name}." if name else "self."
        found |= {f"{place}{key}": _frozen(value, DEPTH) for key, value in _own(part)}
    classes = {made for part in parts.values() for made in type(part).__mro__ if _is_of_users(made.__module__)}
    for made in classes:
        found |= dict(_of_class(made))
    for file in _files({made.__module__ for made in classes}):
        found |= dict(_of_file(file))
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


def _files(names: Iterable[str]) -> list[types.ModuleType]:
    """These modules and what they have imported, by whatever name, of the same package or of no installed one."""
    found: dict[str, types.ModuleType] = {}
    roots, waiting = {name.partition(".")[0] for name in names} - {"expzoo"}, list(names)
    while waiting:
        name = waiting.pop()
        if name in found or not (file := sys.modules.get(name)):
            continue
        found[name] = file
        for value in vars(file).values():
            other = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
            if isinstance(other, str) and _is_of_users(other) and _is_of_author(other, roots):
                waiting.append(other)
    return list(found.values())


def _is_of_author(module: str, roots: set[str]) -> bool:
    path = getattr(sys.modules[module], "__file__", None)
    is_installed = path is None or not {*INSTALLED}.isdisjoint(Path(path).parts)
    return module.partition(".")[0] in roots or not is_installed


def _of_file(file: types.ModuleType) -> Iterator[tuple[str, Any]]:
    """Numbers, texts and containers among a file's names, and what its functions and classes keep."""
    for key, value in vars(file).items():
        if isinstance(value, type) and value.__module__ == file.__name__:
            yield from _of_class(value)
        elif getattr(value, "__module__", file.__name__) == file.__name__ and callable(value):
            yield from _of_function(value, key)
        elif not key.startswith("__") and _is_kept(value):
            yield key, _frozen(value, DEPTH)


def _is_kept(value: object) -> bool:
    """Whether a file's or a class's value is looked into: a plain one, a container, or an object of a user's class."""
    kinds = (*PLAIN, list, dict, set, deque, Iterator, *GENERATORS)
    return isinstance(value, kinds) or _is_of_users(type(value).__module__)


def _of_class(made: type) -> Iterator[tuple[str, Any]]:
    for key, value in vars(made).items():
        if isinstance(value, (classmethod, staticmethod)):
            yield from _of_function(value.__func__, f"{made.__name__}.{key}")
        elif callable(value):
            yield from _of_function(value, f"{made.__name__}.{key}")
        elif not key.startswith("__") and _is_kept(value):
            yield f"{made.__name__}.{key}", _frozen(value, DEPTH)


def _of_function(function: Any, name: str, depth: int = DEPTH) -> Iterator[tuple[str, Any]]:
    """What of a function outlives a call."""
    if not isinstance(function, types.FunctionType):
        return
    yield f"a default of {name}", _frozen((function.__defaults__, function.__kwdefaults__), depth)
    closed = [cell for cell in function.__closure__ or () if _is_filled(cell)]
    yield f"a variable that {name} closes over", [_frozen(cell.cell_contents, depth) for cell in closed]
    yield f"an attribute of {name}", _frozen({k: v for k, v in vars(function).items() if k != "__wrapped__"}, depth)


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


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
    if isinstance(value, types.FunctionType) and depth > 0 and _is_of_users(value.__module__ or ""):
        return [(name.partition(" of ")[0], kept) for name, kept in _of_function(value, "", depth - 1)]
    if isinstance(value, (nn.Module, type)) or callable(value) or depth == 0:
        return type(value).__name__
    return type(value).__name__, _of_container(value, depth - 1)


def _of_container(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return len(value), [(_frozen(key, 0), _frozen(one, depth)) for key, one in list(value.items())[:MOST]]
    if isinstance(value, (list, tuple, deque)):
        return len(value), [_frozen(one, depth) for one in itertools.islice(value, MOST)]
    if isinstance(value, (set, frozenset)):
        return len(value), sorted(str(_frozen(one, 0)) for one in value)[:MOST]
    if isinstance(value, Iterator):
        return _frozen(_position(value), depth)
    slots = [key for made in type(value).__mro__ for key in getattr(made, "__slots__", ()) if hasattr(value, key)]
    kept = {**getattr(value, "__dict__", {}), **{key: getattr(value, key) for key in slots}}
    return [(key, _frozen(one, depth)) for key, one in kept.items()]


def _position(iterator: Iterator[Any]) -> Any:
    """Where an iterator is, which is not moved by that."""
    if isinstance(iterator, types.GeneratorType):
        return (iterator.gi_frame.f_lasti, dict(iterator.gi_frame.f_locals)) if iterator.gi_frame else None
    with warnings.catch_warnings(action="ignore"):  # of itertools, which may not tell it in a later Python
        try:
            return iterator.__reduce__()[1:]
        except TypeError:
            return operator.length_hint(iterator, -1)


def _state(generator: Any) -> str:
    """Where a generator is."""
    if isinstance(generator, random.Random):
        return repr(generator.getstate())
    found = generator.get_state(legacy=False) if isinstance(generator, np.random.RandomState) else generator
    return repr(found if isinstance(found, dict) else found.bit_generator.state)
