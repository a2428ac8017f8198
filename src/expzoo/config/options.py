"""What an option of a plugin may hold: the annotations, the words for them, and the conversion that enforces them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from expzoo.config.paths import path_fault

REQUIRED = "???"
"""The default of an option that has none, as OmegaConf writes it."""

MAX_TEXT = 10_000
"""The characters that a text can have: more would not be read back from the files of a run."""

MAX_ITEMS = 10_000
"""The items that a list can have."""


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, as in `Annotated[int, Range(1, 64)]`; an open bound is itself excluded."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = field(default=False, kw_only=True)
    high_open: bool = field(default=False, kw_only=True)

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        below = value < self.high if self.high_open else value <= self.high
        return above and below

    def __str__(self) -> str:
        low = f"{'above' if self.low_open else 'at least'} {self.low}" if self.low > -math.inf else ""
        high = f"{'below' if self.high_open else 'at most'} {self.high}" if self.high < math.inf else ""
        if low and high and not self.low_open:
            return f"from {self.low} to {'below ' if self.high_open else ''}{self.high}"
        return " and ".join(filter(None, (low, high)))


@dataclass(frozen=True)
class Text:
    """The texts that fit a regular expression, as in `Annotated[str, Text("a+", "some a's")]`; `words` say which."""

    pattern: str
    words: str

    def __contains__(self, value: str) -> bool:
        return re.fullmatch(self.pattern, value) is not None

    def __str__(self) -> str:
        return self.words


class Nested(dict[str, Any]):
    """Names and what belongs to them, as deep as one likes: what the option means is for the plugin to read.

    Its default is None, which a config shows as an empty mapping.
    """


class _CanBePath:
    """The texts that a file system takes as a path."""

    def __contains__(self, value: str) -> bool:
        return not path_fault(value)

    def __str__(self) -> str:
        return "that can be a path, of names of at most 255 bytes each and 4,000 in all"


FilePath = Annotated[str, _CanBePath()]
"""A path, to be made with `paths.place`, which knows ~."""

Count = Annotated[int, Range(1)]
Natural = Annotated[int, Range(0)]
Fraction = Annotated[float, Range(0, 1)]
Positive = Annotated[float, Range(0, low_open=True)]
NonNegative = Annotated[float, Range(0)]
_Named = Literal[
    "celu",
    "elu",
    "gelu",
    "gelu_tanh",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "identity",
    "leaky_relu",
    "log_sigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "tanh",
    "tanhshrink",
]
_Learned = Annotated[str, Text(r"learned:[0-9a-f]{6,64}(/linear)?(:[\w-]+)?", "such as learned:3f2a9c1b")]
Activation = _Named | _Learned
"""The name of an activation function (`components.activations`) or of a learned one (`learned_activations` there)."""

VOCABULARY: dict[str, Any] = {
    **{kind.__name__: kind for kind in (int, float, bool, str, list, tuple, Range, Nested)},
    **{"Annotated": Annotated, "Literal": Literal, "Count": Count, "Natural": Natural, "Fraction": Fraction},
    **{"Positive": Positive, "NonNegative": NonNegative, "Activation": Activation},
}
"""Every name that an annotation of an option may use."""

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    NoneType: "null",
    Nested: "a mapping of names",
}
DEEPEST = 20  # levels of a mapping
_INT64 = Range(-(2**63), 2**63 - 1)


@dataclass(frozen=True)
class Option:
    """One keyword of a constructor: its annotation and its default, `REQUIRED` if it has none."""

    kind: Any
    default: Any = REQUIRED


def describe(kind: Any) -> str:
    """The annotation in plain words, as in "a whole number from 1 to 64"."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return " ".join([describe(args[0]), *map(str, args[1:])])
    if origin is Literal:
        return ("one of " if len(args) > 1 else "") + ", ".join(map(str, args))
    if origin in (Union, UnionType):
        return " or ".join(map(describe, args))
    if origin in (list, tuple):
        items = [describe(arg) for arg in args if arg is not ...]
        each = f"a list, each item {items[0]}" if items else "a list"
        return each if origin is list or ... in args else f"a list of {' and '.join(items)}"
    return _WORDS.get(kind, str(kind))


def convert(kind: Any, value: Any) -> Any:
    """`value` as the annotated type, with tuples where the annotation says so; ValueError if it is not one."""
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise ValueError(f"must have at most {MAX_TEXT:,} characters, not {len(value):,}")
    if isinstance(value, list | tuple) and len(value) > MAX_ITEMS:
        raise ValueError(f"must have at most {MAX_ITEMS:,} items, not {len(value):,}")
    try:
        return _converted(kind, value)
    except (ValueError, OverflowError):
        raise ValueError(f"must be {describe(kind)}, not {show(value)}") from None


def show(value: Any) -> str:
    """A value as YAML has it, cut to one short line."""
    words = {True: "true", False: "false", None: "null"}
    text = words[value] if value is None or isinstance(value, bool) else repr(storable(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


def _converted(kind: Any, value: Any) -> Any:
    origin, args = get_origin(kind), get_args(kind)
    return _scalar(kind, value) if origin is None else _GENERIC[origin](args, value)


def _scalar(kind: Any, value: Any) -> Any:
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value) + 0.0  # -0.0 and 0.0 are one setting
    if kind is int and type(value) is int and value in _INT64:
        return value
    if kind in (bool, str) and type(value) is kind:
        return value
    if kind in (None, NoneType) and value is None:
        return None
    if kind is Nested and isinstance(value, Mapping):
        return _nested(value, DEEPEST)
    raise ValueError


def _nested(value: Any, levels: int) -> Any:
    """Mappings and lists of plain values, with names that are texts."""
    if isinstance(value, Mapping) and levels and all(isinstance(key, str) for key in value):
        return {key: _nested(part, levels - 1) for key, part in value.items()}
    if isinstance(value, list | tuple) and levels:
        return [_nested(part, levels - 1) for part in value]
    if value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value)):
        return value
    raise ValueError


def _bounded(args: tuple[Any, ...], value: Any) -> Any:
    number = _converted(args[0], value)
    if not all(number in rule for rule in args[1:]):
        raise ValueError
    return number


def _choice(args: tuple[Any, ...], value: Any) -> Any:
    if not any(value == arg and type(value) is type(arg) for arg in args):
        raise ValueError
    return value


def _first(args: tuple[Any, ...], value: Any) -> Any:
    for kind in args:
        try:
            return _converted(kind, value)
        except (ValueError, OverflowError):
            continue
    raise ValueError


def _list(args: tuple[Any, ...], value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError
    return [_converted(args[0], item) for item in value]


def _tuple(args: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if args[1:] == (...,):
        return tuple(_list(args, value))
    if not isinstance(value, list | tuple) or len(value) != len(args):
        raise ValueError
    return tuple(map(_converted, args, value))


_GENERIC = {
    Annotated: _bounded,
    Literal: _choice,
    Union: _first,
    UnionType: _first,
    list: _list,
    tuple: _tuple,
}


def storable(value: Any) -> Any:
    """`value` as YAML and JSON can hold it, with lists for tuples; `convert` turns it back."""
    if isinstance(value, Mapping):
        return {key: storable(item) for key, item in value.items()}
    return [storable(item) for item in value] if isinstance(value, list | tuple) else value


def is_nested(kind: Any) -> bool:
    """Whether an option of this annotation holds a mapping."""
    return kind is Nested or Nested in get_args(kind)


def one_of(*choices: str) -> Any:
    """The annotation `Literal[choices]`, of choices known only when the program runs."""
    literal: Any = Literal
    return literal[choices]
