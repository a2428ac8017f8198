"""Plain data in one form: the text that keys are hashed from, and tuples that can be hashed themselves."""

from __future__ import annotations

import json
from typing import Any


def canonical_json(value: Any) -> str:
    """The one text of plain data: sorted keys, no spaces, shortest floats; ValueError for NaN or infinity."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def freeze(value: Any) -> Any:
    """Lists as tuples, all the way down, so that it can be hashed."""
    return tuple(map(freeze, value)) if isinstance(value, (list, tuple)) else value
