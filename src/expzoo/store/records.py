"""Tidy rows of measurements: one row is one value of one metric of one network, with the settings that were varied."""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from expzoo.store.parquet_sizes import sizes
from expzoo.store.record_checks import (
    COLUMNS,
    KEY,
    MAX_BYTES,
    MAX_CELLS,
    MAX_ROWS,
    VARIED,
    check_content,
    check_schema,
    check_sizes,
)
from expzoo.system import untrusted
from expzoo.system.errors import first_line, nearest
from expzoo.system.files import write_atomically
from expzoo.system.untrusted import Refused, quoted

Cell = str | int | float | bool | np.generic | None
Row = dict[str, Cell]
"""One value of one metric of one network: `COLUMNS` and what was varied."""

Wanted = Cell | Collection[Cell]
"""What `select` compares a column with: a value, or several of which any may be meant."""

DIVERGED = "diverged"
"""The column that is true where a network diverged and its value is the worst of the metric; else null."""

THIS_RUN = "this run"
"""The split of a row that no other run repeats: a time, or what was trained without a seed; see `equal`."""

_ALLOWED: Mapping[type[pl.DataType], set[type]] = MappingProxyType(
    {pl.String: {str}, pl.Int64: {int}, pl.Float64: {int, float}}
)


def frame(rows: Sequence[Mapping[str, Cell]]) -> pl.DataFrame:
    """The rows as a frame with `COLUMNS` first, then every varied setting by name, null where a row does not say it.

    Rows are sorted and a row said twice counts once, so equal content gives equal bytes in whatever
    order it was measured. A value may be NaN (a network that diverged, of a metric without a worst value).

    Raises:
        ValueError: a column is missing, of the wrong or of mixed types, or two rows give one measurement two values.
    """
    for number, row in enumerate(rows):
        if missing := [name for name in COLUMNS if name not in row]:
            raise ValueError(f"row {number} has no {', '.join(missing)}; every row needs {', '.join(COLUMNS)}")
    varied = sorted({name for row in rows for name in row} - set(COLUMNS))
    columns = [_fixed(name, [row[name] for row in rows]) for name in COLUMNS]
    columns += [_varied(name, [row.get(name) for row in rows]) for name in varied]
    table = pl.DataFrame(columns).unique()
    _refuse_contradictions(table)
    return table.sort(["arm", *varied, "metric", "split", "seed", "step", "key", "value"], nulls_last=True)


def write(table: pl.DataFrame, path: Path | str) -> None:
    """Write the frame as parquet, whole or not at all; equal frames give equal bytes."""
    if len(table) > MAX_ROWS or len(table) * table.width > MAX_CELLS:
        raise ValueError(f"{len(table):,} rows of {table.width} columns are more than records can have")
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", statistics=False)
    write_atomically(Path(path), buffer.getvalue())


def read(path: Path | str) -> pl.DataFrame:
    """Read a frame that `write` wrote.

    Raises:
        ValueError: the file is missing, too large, damaged or not a frame of records; the message names the file.
    """
    path = Path(path)
    try:
        content = untrusted.read(path, MAX_BYTES, path.parent)  # by Python, which opens names that are no UTF-8
        check_sizes(sizes(content))
        check_schema(pl.read_parquet_schema(io.BytesIO(content)))
        table = pl.read_parquet(io.BytesIO(content), n_rows=MAX_ROWS + 1)
        check_content(table)
    except Refused:
        raise
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise ValueError(f"{quoted(path)} cannot be read as records: {quoted(first_line(error))}") from error
    except ValueError as error:
        raise ValueError(f"{quoted(path)} holds no records: {quoted(error, 300)}") from error
    return table


def equal(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two frames hold the same measurements, those of `THIS_RUN` left out."""
    return repeated(one).equals(repeated(other))


def repeated(table: pl.DataFrame) -> pl.DataFrame:
    """The rows that every run of the same config has, value for value."""
    return table.filter(pl.col("split") != THIS_RUN)


def select(table: pl.DataFrame, /, **equals: Wanted) -> pl.DataFrame:
    """The rows whose columns equal the given values.

    Floats are equal within 1e-9, relative; None selects null; a list, tuple or set selects any of its values.

    Raises:
        ValueError: no such column, or a value of another type than the column.
    """
    for name in equals:
        _check_column(table, name)
    try:
        return table.filter(*(_matches(name, wanted) for name, wanted in equals.items())) if equals else table
    except pl.exceptions.PolarsError as error:
        types = ", ".join(f"{name} is {table.schema[name]}" for name in equals)
        raise ValueError(f"cannot compare the records with {equals!r}: {types}") from error


def by_seed(table: pl.DataFrame, /, **equals: Wanted) -> dict[int, float]:
    """One value for each seed, in the order of the seeds, from the rows that `select` gives.

    Raises:
        ValueError: no row is left, or a seed has several values because a column was left open.
    """
    chosen = _choose(table, equals)
    if open_columns := _open_columns(chosen, ["seed"]):
        raise ValueError(f"a seed has several values because {open_columns}; say which one you mean")
    return dict(chosen.sort("seed").select("seed", "value").iter_rows())


def pivot(table: pl.DataFrame, /, x: str = "sparsity", **equals: Wanted) -> tuple[np.ndarray, np.ndarray]:
    """The values of column `x` (points,) in order and a matrix (seeds, points) of values, NaN where one is missing.

    Raises:
        ValueError: no such column, no row is left, or a seed has several values at one point.
    """
    _check_column(table, x)
    chosen = _choose(table, equals).filter(pl.col(x).is_not_null())
    if chosen.is_empty():
        raise ValueError(f"the chosen records have no {x}")
    if open_columns := _open_columns(chosen, ["seed", x]):
        raise ValueError(f"a seed has several values at one {x} because {open_columns}; say which one you mean")
    points, seeds = chosen[x].unique().sort(), chosen["seed"].unique().sort()
    matrix = np.full((len(seeds), len(points)), np.nan)
    matrix[seeds.search_sorted(chosen["seed"]), points.search_sorted(chosen[x])] = chosen["value"]
    return points.to_numpy(), matrix


def diverged(table: pl.DataFrame) -> tuple[int, int]:
    """How many networks (or what else has a key) diverged, and how many there are."""
    lost = table.filter(pl.col(DIVERGED).fill_null(value=False))["key"].n_unique() if DIVERGED in table.columns else 0
    return lost, table["key"].n_unique()


def _plain(value: object) -> object:
    """A NumPy scalar as Python's own; one zero and one NaN, since equal content must give equal bytes."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float):
        return math.nan if math.isnan(value) else value + 0.0
    return value


def _fixed(name: str, values: list[Cell]) -> pl.Series:
    dtype = COLUMNS[name]
    allowed = _ALLOWED[dtype]
    plain = [_plain(value) for value in values]
    for number, value in enumerate(plain):
        if type(value) not in allowed:
            raise ValueError(f"row {number} has {name}={value!r}; it must be {' or '.join(sorted(_names(allowed)))}")
        if name == "key" and not KEY.fullmatch(str(value)):
            raise ValueError(f"row {number} has key={value!r}; a key is 64 hexadecimal digits")
    return _series(name, plain, dtype)


def _varied(name: str, values: list[Cell]) -> pl.Series:
    plain = [_plain(value) for value in values]
    kinds = {type(value) for value in plain if value is not None}
    if unknown := kinds - set(VARIED):
        raise ValueError(
            f"column {name} holds {', '.join(sorted(_names(unknown)))}; it can hold str, int, float or bool"
        )
    if kinds == {int, float}:
        kinds = {float}
    if len(kinds) > 1:
        raise ValueError(f"column {name} mixes {' and '.join(sorted(_names(kinds)))}; it must be of one type")
    return _series(name, plain, VARIED[kinds.pop()] if kinds else pl.String)


def _series(name: str, values: list[Any], dtype: type[pl.DataType]) -> pl.Series:
    if dtype is pl.Float64:
        values = [None if value is None else float(value) for value in values]
    try:
        return pl.Series(name, values, dtype=dtype)
    except (TypeError, OverflowError, pl.exceptions.PolarsError) as error:
        raise ValueError(f"column {name} holds a value outside the range of {dtype}") from error


def _names(kinds: Iterable[type]) -> list[str]:
    return [kind.__name__ for kind in kinds]


def _refuse_contradictions(table: pl.DataFrame) -> None:
    identity = [name for name in table.columns if name != "value"]
    twice = table.filter(table.select(identity).is_duplicated()).sort(*identity, "value")
    if len(twice):
        first = {name: value for name, value in twice.row(0, named=True).items() if value is not None}
        first["key"] = first["key"][:12] + "..."
        values = [first.pop("value"), twice["value"][1]]
        said = ", ".join(f"{name}={value}" for name, value in first.items())
        raise ValueError(f"one measurement has two values, {values[0]!r} and {values[1]!r}: {said}")


def _check_column(table: pl.DataFrame, name: str) -> None:
    if name not in table.columns:
        raise ValueError(f"the records have no column {name}; {nearest(name, table.columns)}")


def _matches(name: str, wanted: Wanted) -> pl.Expr:
    if isinstance(wanted, list | tuple | set | frozenset):
        return pl.any_horizontal([_matches(name, one) for one in wanted]) if wanted else pl.lit(value=False)
    if wanted is None:
        return pl.col(name).is_null()
    plain = _plain(wanted)
    if isinstance(plain, float):
        return (pl.col(name) - plain).abs() <= 1e-9 * max(1.0, abs(plain))
    return pl.col(name).eq(plain)


def summary(table: pl.DataFrame) -> pl.DataFrame:
    """Mean and 95 % interval over seeds, of a percentage within its bounds: columns series, step, mean, low, high, n.

    A series is everything but the seed and the step: arm, varied settings, split and metric, as one path
    and, behind the numbers, each in a column of its own.
    """
    from expzoo.science.statistics import mean_interval
    from expzoo.spec.score import Score

    parts = [name for name in table.columns if name not in ("key", "seed", "step", "value", "end", DIVERGED)]
    path = pl.concat_str([pl.col(name).cast(pl.String).fill_null("-") for name in parts], separator="/")
    named = table.with_columns(path.alias("series")).filter(pl.col("value").is_finite())
    rows, limits = [], {metric: Score.bounds(metric) for metric in table["metric"].unique()}
    for (series, step), group in named.sort("series", "step").group_by("series", "step", maintain_order=True):
        mean, low, high = map(float, mean_interval(group["value"].to_numpy(), bounds=limits[group["metric"][0]]))
        rows.append((series, step, mean, low, high, len(group)))
    found = pl.DataFrame(rows, ["series", "step", "mean", "low", "high", "n"], orient="row")
    return found.join(named.select("series", *parts).unique(), on="series", how="left", maintain_order="left")


def _choose(table: pl.DataFrame, equals: Mapping[str, Wanted]) -> pl.DataFrame:
    chosen = select(table, **equals)
    if len(chosen):
        return chosen
    for name, wanted in equals.items():
        if select(table, **{name: wanted}).is_empty():
            raise ValueError(f"no record has {name}={wanted!r}; {name} is {_some(table[name])}")
    said = ", ".join(f"{name}={wanted!r}" for name, wanted in equals.items())
    raise ValueError(f"no record has {said} together" if equals else "there are no records")


def _open_columns(chosen: pl.DataFrame, identity: list[str]) -> str:
    """In words, the columns that vary within one identity; empty if each identity has one row."""
    twice = chosen.filter(chosen.select(identity).is_duplicated())
    names = [name for name in chosen.columns if name not in (*identity, "value")]
    varying = [name for name in names if twice[name].n_unique() > 1]
    shown = [name for name in varying if name != "key"] or varying
    return " and ".join(f"{name} is open ({_some(twice[name])})" for name in shown)


def _some(column: pl.Series) -> str:
    values = column.unique().sort().to_list()
    return ", ".join(map(str, values[:8])) + (", ..." if len(values) > 8 else "")
