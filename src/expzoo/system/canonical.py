"""Plain data in one form: the text that keys are hashed from, and tuples that can be hashed themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, cast


class Frozen(dict[str, Any]):
    """A mapping that can be hashed, since nobody changes it."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items(), key=lambda item: item[0])))


Plain = None | bool | int | float | str | tuple["Plain", ...]
"""What can be hashed."""

Listed = None | bool | int | float | str | list["Listed"] | tuple["Listed", ...]
"""What can be frozen."""

Option: TypeAlias = bool | int | float | str | Sequence["Option"] | None
"""What an option of a component may be given as."""

JSON = None | bool | int | float | str | Sequence["JSON"] | Mapping[str, "JSON"]
"""What can be written as JSON, where a tuple is a list."""


Config = dict[str, Any]
"""A config as plain data: what its values are, the annotations of its plugins' options say."""


def canonical_json(value: JSON) -> str:
    """The one text of plain data: sorted keys, no spaces, shortest floats; ValueError for NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def leaves(node: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Everything in nested mappings that is no mapping itself, by its keys joined with dots."""
    for key, value in node.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def freeze(value: Listed) -> Plain:
    """Lists as tuples, and mappings as `Frozen` ones, all the way down, so that it can be hashed."""
    if isinstance(value, Mapping):
        # Only analyses have options that are mappings, and no component of a network: types need not know.
        return cast("Plain", Frozen({str(key): freeze(part) for key, part in value.items()}))
    return tuple(map(freeze, value)) if isinstance(value, (list, tuple)) else value
