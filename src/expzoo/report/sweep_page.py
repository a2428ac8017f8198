"""The page of a sweep: its jobs over the swept keys, in figures and tables, and the jobs that failed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from expzoo.report import figures, page
from expzoo.report.figures.sweep import MOST_SERIES, Surface, SurfacePoint, draw
from expzoo.report.model import MAX_FIGURES, pictures
from expzoo.report.sweep_model import Comparison, Run, Setting
from expzoo.science import wording
from expzoo.science.statistics import mean_interval
from expzoo.store import run_directory, sweep_record
from expzoo.system.errors import BadInput
from expzoo.system.files import write_atomically
from expzoo.system.untrusted import quoted

if TYPE_CHECKING:
    import polars as pl

    from expzoo.science.verdicts import Verdict

TABLE = "comparison.csv"
MAX_ROWS = 500
MAX_ACROSS = 12  # settings that stand beside each other
UNITS = {"accuracy": " (%)"}


@dataclass(frozen=True)
class _Table:
    columns: list[str]
    rows: list[list[str]]
    row_count: int


def write(folder: Path) -> Path:
    """Compare the runs of a sweep's folder: figures, a table and a page in it; BadInput if there are no two runs."""
    comparison = Comparison.of(folder)
    wanted = list(surfaces(comparison))
    if len(wanted) > MAX_FIGURES:
        raise BadInput(f"{quoted(folder)} would need {len(wanted):,} figures; a page can have at most {MAX_FIGURES}")
    drawn = [picture for surface in wanted if (picture := draw(surface))]
    figures.save_all(drawn, folder / run_directory.FIGURES)
    write_atomically(folder / TABLE, _spelled(comparison).write_csv().encode())
    path = folder / run_directory.REPORT
    write_atomically(path, render(comparison).encode())
    return path


def render(comparison: Comparison) -> str:
    """The whole page."""
    shown = pictures(comparison.folder)
    measured = _spelled(comparison)
    return (
        page.environment()
        .get_template("comparison.html.jinja")
        .render(
            **page.shell(),
            title=f"{len(comparison.runs)} runs compared",
            trail=comparison.folder.name,
            keys=comparison.keys,
            warnings=sweep_record.warnings(comparison.folder),
            summary=summary(comparison),
            claims=claims(comparison),
            jobs=_jobs(comparison),
            figures=[page.figure(number, picture) for number, picture in enumerate(shown)],
            measured=_Table(
                measured.columns, [[_short(c) for c in row] for row in measured.head(MAX_ROWS).rows()], len(measured)
            ),
            failed=[(" ".join(job.overrides), job.outcome.code, job.outcome.kept) for job in comparison.failed],
            table=TABLE,
        )
    )


def surfaces(comparison: Comparison) -> Iterator[Surface]:
    """Every claim's effect and every measured quantity over the swept keys."""
    axes = tuple(map(quoted, comparison.axes))  # what is drawn can be shown, whoever has written it
    for name, judged in comparison.claims().items():
        first = judged[0][1]
        short = quoted(name.rpartition(".")[2].replace("_", " "))
        yield Surface(
            _file_name(f"claim-{name}"),
            f"Claim: {short}",
            quoted(f"effect ({first.unit})"),
            axes,
            {short: dict(_effects(comparison, judged))},
            -first.smallest_effect if first.direction == "less" else first.smallest_effect,
        )
    for (analysis, metric, split), own in comparison.measured.group_by(
        ["analysis", "metric", "split"], maintain_order=True
    ):
        series: dict[str, dict[Setting, SurfacePoint]] = {}
        for row in own.iter_rows(named=True):
            point = SurfacePoint(row["mean"], row["low"], row["high"], row["n"])
            series.setdefault(quoted(row["series"]), {})[comparison.settings[row["setting"]]] = point
        if len(series) <= MOST_SERIES:
            title = f"{analysis.replace('_', ' ')}: {metric} at the end" + (f", {split} data" if split else "")
            unit = f"{split} {metric}".strip() + UNITS.get(metric, "")
            yield Surface(_file_name(f"{analysis}-{metric}-{split}"), quoted(title), quoted(unit), axes, series)


def _effects(comparison: Comparison, judged: list[tuple[Run, Verdict]]) -> Iterator[tuple[Setting, SurfacePoint]]:
    """A claim's effect at each setting; where several runs replicate one, their mean with Student's interval."""
    found: dict[Setting, list[Verdict]] = {}
    for run, verdict in judged:
        found.setdefault(comparison.setting(run), []).append(verdict)
    for setting in comparison.settings:
        own = [verdict for verdict in found.get(setting, []) if np.isfinite(verdict.effect)]
        if len(own) == 1:
            yield setting, SurfacePoint(own[0].effect, *own[0].interval, own[0].n)
        elif own:
            mean, low, high = (float(number) for number in mean_interval([verdict.effect for verdict in own]))
            yield setting, SurfacePoint(mean, low, high, len(own))


def summary(comparison: Comparison) -> _Table:
    """One row a claim: how it came out over all runs, and between which effects."""
    rows = []
    for name, judged in comparison.claims().items():
        verdicts = [verdict for _, verdict in judged]
        by_effect = sorted((v for v in verdicts if np.isfinite(v.effect)), key=lambda verdict: verdict.effect)
        ends = dict.fromkeys(wording.effect(verdict) for verdict in (by_effect[:1] + by_effect[-1:]))
        tally = ", ".join(f"{count} {outcome}" for outcome, count in wording.tally(verdicts))
        rows.append([name, tally, " to ".join(ends) or "none"])
    return _Table(["claim", "verdicts", "effects"], rows[:MAX_ROWS], len(rows))


def claims(comparison: Comparison) -> _Table:
    """Claims in rows and settings in columns; where these are many, one row a claim and setting."""
    names = [
        ", ".join(f"{key}={_short(v)}" for key, v in zip(comparison.axes, setting, strict=True)) or "all"
        for setting in comparison.settings
    ]
    told: dict[str, list[str]] = {}
    for name, judged in comparison.claims().items():
        cells: list[list[str]] = [[] for _ in names]
        for run, v in judged:
            place = comparison.places[comparison.setting(run)]
            cells[place].append(f"{v.verdict} {wording.effect(v)} {wording.interval(v)}")
        told[name] = ["; ".join(cell) or "-" for cell in cells]
    if len(names) <= MAX_ACROSS:
        rows = [[name, *cells] for name, cells in told.items()]
        return _Table(["claim", *names], rows[:MAX_ROWS], len(rows))
    rows = [[name, *pair] for name, cells in told.items() for pair in zip(names, cells, strict=True)]
    return _Table(["claim", "setting", "verdict"], rows[:MAX_ROWS], len(rows))


def _jobs(comparison: Comparison) -> _Table:
    """One row a run: what it varied, and where it is."""
    rows = []
    for run in sorted(comparison.runs, key=lambda run: comparison.places[comparison.setting(run)]):
        path = os.path.relpath(run.directory, comparison.folder.resolve())
        rows.append([*(_short(run.values.get(key)) for key in comparison.keys), path])
    return _Table([*comparison.keys, "run"], rows[:MAX_ROWS], len(rows))


def _spelled(comparison: Comparison) -> pl.DataFrame:
    """What was measured, with the settings spelled out."""
    import polars as pl

    table = comparison.measured
    indices = table["setting"].to_list()
    spelled = [
        pl.Series(key, [_short(comparison.settings[index][axis]) for index in indices], dtype=pl.String)
        for axis, key in enumerate(comparison.axes)
    ]
    return pl.DataFrame([*spelled, *table.drop("setting").get_columns()])


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _file_name(words: str) -> str:
    plain = "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in words.lower())
    return plain.strip("-_")[:80]
