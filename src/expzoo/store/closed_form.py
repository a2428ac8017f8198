"""Rows of what is computed in closed form: no network is trained, so the key names the computation itself."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from expzoo.system.canonical import JSON, canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from expzoo.store.records import Cell, Row


def key_of(**content: JSON) -> str:
    """64 hexadecimal digits: the sha256 of everything that determines a computation, as plain data."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def rows(
    key: str, seed: int, values: Mapping[tuple[str, str], float], *, arm: str, step: int = 0, **varied: Cell
) -> list[Row]:
    """Tidy rows, one for each (metric, split)."""
    common: Row = {"key": key, "seed": seed, "arm": arm, "step": step, **varied}
    return [
        common | {"metric": metric, "split": split, "value": float(value)} for (metric, split), value in values.items()
    ]
