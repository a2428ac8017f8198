"""A CSV file of means and intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from expzoo.plugin import register, run_directory, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl


@register
class Csv:
    """Writes `summary.csv` into the run's directory: mean and 95 % interval over seeds of everything measured."""

    CACHE_VERSION = 1

    def log(self, directory: Path, about: dict[str, Any], summary: pl.DataFrame) -> None:
        """One row for each arm, setting, measure and step; see `records.summary`."""
        write_atomically(directory / run_directory.SUMMARY, summary.write_csv().encode())
