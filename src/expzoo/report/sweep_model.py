"""The jobs of a sweep beside each other: what was varied, and what was measured and claimed at each setting."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from expzoo.config.identity import OF_NO_EFFECT
from expzoo.config.registry import KINDS, SHARED
from expzoo.science.verdicts import read_verdicts
from expzoo.store import run_directory, sweep_record
from expzoo.system.canonical import leaves
from expzoo.system.errors import BadInput
from expzoo.system.untrusted import is_there, quoted

if TYPE_CHECKING:
    import polars as pl

    from expzoo.science.verdicts import Verdict

REPLICATE = "seed"
"""The key whose values are replicates of one setting: they are pooled, and intervals run over all of them."""

MAX_RUNS = 10_000
MAX_KEYS = 500
MAX_CLAIMS = 1000

Cell = float | str | None
Setting = tuple[Cell, ...]


@dataclass(frozen=True)
class Run:
    """One finished job: its config by key, its verdicts, and the last value of everything it measured."""

    directory: Path
    values: Mapping[str, object]
    verdicts: tuple[Verdict, ...]

    @classmethod
    def read(cls, directory: Path) -> Run:
        """From a run's directory; BadInput if there is none or a file of it that is read here is damaged."""
        config = run_directory.config_of(directory, but=run_directory.REPORT)
        path = directory / run_directory.VERDICTS
        claims = tuple(read_verdicts(path))
        return cls(directory, dict(leaves({k: v for k, v in config.items() if k not in OF_NO_EFFECT})), claims)

    def ends(self) -> pl.DataFrame:
        """The records taken at the ends of trainings."""
        import polars as pl

        from expzoo.store import records

        table = records.read(self.directory / run_directory.RECORDS)
        return table.filter(pl.col("end")) if "end" in table.columns else table


@dataclass(frozen=True)
class Comparison:
    """Finished jobs over the keys that were swept, and the jobs that are not among them."""

    runs: tuple[Run, ...]
    keys: tuple[str, ...]
    failed: tuple[sweep_record.SweptJob, ...] = ()
    folder: Path = field(default_factory=Path)

    @classmethod
    def of(cls, folder: Path) -> Comparison:
        """Of a recorded sweep, or of all finished runs in a folder; BadInput if there are fewer than two."""
        found = sweep_record.read(folder) if is_there(folder / sweep_record.RECORD) else []
        directories = [job.directory for job in found] or sorted(sweep_record.runs_in(folder))
        if len(directories) > MAX_RUNS:
            raise BadInput(f"{quoted(folder)} holds {len(directories):,} runs; at most {MAX_RUNS:,} can be compared")
        runs = tuple(Run.read(directory) for directory in directories if sweep_record.is_done(directory))
        if len(runs) < 2:
            raise BadInput(f"{quoted(folder)} holds {len(runs)} finished runs: a comparison needs two")
        named = _named(found)
        differing = _differing([run.values for run in runs])
        keys = [key for key in differing if key in named] or differing
        if len(keys) > MAX_KEYS:
            raise BadInput(
                f"the runs in {quoted(folder)} differ in {len(keys):,} settings; at most {MAX_KEYS} are shown"
            )
        shared = sweep_record.common(found)
        failed = tuple(
            replace(job, overrides=tuple(o for o in job.overrides if o not in shared))
            for job in found
            if not sweep_record.is_done(job.directory)
        )
        return cls(runs, tuple(keys), failed, folder)

    @property
    def axes(self) -> tuple[str, ...]:
        """The swept keys but for the replicates."""
        return tuple(key for key in self.keys if key != REPLICATE)

    def setting(self, run: Run) -> Setting:
        """The values that a run has of `axes`."""
        return tuple(_cell(run.values.get(key)) for key in self.axes)

    @cached_property
    def settings(self) -> list[Setting]:
        """Every setting once, in order."""
        return sorted(
            {self.setting(run) for run in self.runs}, key=lambda setting: [_order(value) for value in setting]
        )

    @cached_property
    def places(self) -> dict[Setting, int]:
        """The index of each setting in `settings`."""
        return {setting: index for index, setting in enumerate(self.settings)}

    @cached_property
    def measured(self) -> pl.DataFrame:
        """Mean and 95 % interval over seeds of everything measured at the end: one row a setting and series.

        Intervals of percentages stay within their bounds.

        Columns: setting (its index in `settings`), analysis, metric, split, series, mean, low, high, n.
        """
        import polars as pl

        from expzoo.science.statistics import mean_interval
        from expzoo.spec.score import Score

        parts = [self._ends(run) for run in self.runs]
        table = pl.concat(parts).unique().filter(pl.col("value").is_finite())
        rows, limits = [], {metric: Score.bounds(metric) for metric in table["metric"].unique()}
        names = ["setting", "analysis", "metric", "split", "series"]
        for group, own in table.sort(*names, "seed").group_by(names, maintain_order=True):
            mean, low, high = map(float, mean_interval(own["value"].to_numpy(), bounds=limits[own["metric"][0]]))
            rows.append((*group, mean, low, high, len(own)))
        return pl.DataFrame(rows, [*names, "mean", "low", "high", "n"], orient="row")

    def _ends(self, run: Run) -> pl.DataFrame:
        import polars as pl

        table = run.ends()
        fixed = ("key", "seed", "step", "split", "metric", "value", "analysis", "end", "diverged")
        varied = [name for name in table.columns if name not in (*fixed, "arm")]
        series = ["arm", *(pl.format(f"{name}={{}}", pl.col(name)) for name in varied)]
        return table.select(
            pl.lit(self.places[self.setting(run)]).alias("setting"),
            "key",
            "seed",
            "analysis",
            "metric",
            "split",
            pl.concat_str(series, separator=", ", ignore_nulls=True).alias("series"),
            "value",
        )

    def claims(self) -> dict[str, list[tuple[Run, Verdict]]]:
        """Each claim with the verdict of every run that judges it."""
        found: dict[str, list[tuple[Run, Verdict]]] = {}
        for run in self.runs:
            for verdict in run.verdicts:
                found.setdefault(verdict.claim, []).append((run, verdict))
        if len(found) > MAX_CLAIMS:
            raise BadInput(f"the runs judge {len(found):,} claims; a comparison can have at most {MAX_CLAIMS:,}")
        return found


def _named(jobs: Iterable[sweep_record.SweptJob]) -> set[str]:
    """The keys that the overrides of a sweep give more than one value."""
    values: dict[str, set[str]] = {}
    for job in jobs:
        for override in job.overrides:
            key, _, value = override.partition("=")
            values.setdefault(key.lstrip("+"), set()).add(value)
    return {
        f"{key}.name" if key in KINDS and key not in SHARED else key for key, given in values.items() if len(given) > 1
    }


def _differing(tables: Sequence[Mapping[str, object]]) -> list[str]:
    keys = dict.fromkeys(key for table in tables for key in table)
    return [key for key in keys if len({repr(table.get(key)) for table in tables}) > 1]


def _cell(value: object) -> Cell:
    """A value that can stand in a table and a figure: what is not one number or word is written out."""
    return value if value is None or isinstance(value, int | float) else quoted(value)


def _order(value: Cell) -> tuple[int, float, str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (0, float(value), "") if number else (1, 0.0, str(value))
