"""What a file of records may be: its columns and their types, and how large it is, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from expzoo.store.parquet_sizes import Sizes

COLUMNS: Mapping[str, type[pl.DataType]] = MappingProxyType(
    {
        "key": pl.String,
        "seed": pl.Int64,
        "arm": pl.String,
        "step": pl.Int64,
        "split": pl.String,
        "metric": pl.String,
        "value": pl.Float64,
    }
)
"""The columns every frame has, in order, with their types; varied settings follow in the order of their names."""

MAX_BYTES = 256 * 2**20
MAX_ROWS = 5_000_000
MAX_COLUMNS = 100
MAX_CELLS = 100_000_000
MAX_UNPACKED = 2**30  # bytes, of what a file holds when it is decompressed
MAX_TEXT = 10_000  # bytes of one text

VARIED: Mapping[type, type[pl.DataType]] = MappingProxyType(
    {str: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean}
)
KEY = re.compile(r"[0-9a-f]{64}")


def check_sizes(found: Sizes) -> None:
    """ValueError if a file would be too large once it is decompressed."""
    if found.columns > MAX_COLUMNS:
        raise ValueError(f"{found.columns:,} columns; there can be at most {MAX_COLUMNS}")
    if found.rows > MAX_ROWS or found.rows * found.columns > MAX_CELLS:
        raise ValueError(f"{found.rows:,} rows of {found.columns} columns; there can be at most {MAX_ROWS:,}")
    if found.unpacked > MAX_UNPACKED:
        raise ValueError(f"{found.unpacked:,} bytes when it is decompressed; there can be at most {MAX_UNPACKED:,}")


def check_schema(schema: Mapping[str, pl.DataType]) -> None:
    """ValueError for columns that records do not have."""
    if missing := [name for name in COLUMNS if name not in schema]:
        raise ValueError(f"no column {', '.join(missing)}")
    for name, dtype in schema.items():
        allowed = [COLUMNS[name]] if name in COLUMNS else list(VARIED.values())
        if dtype not in allowed:
            raise ValueError(f"column {name[:60]} is of type {dtype}, not {' or '.join(map(str, allowed))}")


def check_content(table: pl.DataFrame) -> None:
    """ValueError for values that no record has."""
    if len(table) > MAX_ROWS:
        raise ValueError(f"more than {MAX_ROWS:,} rows")
    if empty := [name for name in COLUMNS if table[name].null_count()]:
        raise ValueError(f"column {', '.join(empty)} has empty cells")
    texts = [name for name, dtype in table.schema.items() if dtype == pl.String]
    if long := [name for name in texts if (table[name].str.len_bytes() > MAX_TEXT).any()]:
        raise ValueError(f"a text in column {long[0][:60]} has more than {MAX_TEXT:,} bytes")
    if not table["key"].str.contains(f"^{KEY.pattern}$").all():
        raise ValueError("a key is not 64 hexadecimal digits")
