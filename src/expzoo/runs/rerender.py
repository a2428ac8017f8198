"""A finished run that is asked for again: its pictures are drawn if it was made without, as in a fused multirun."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.runs import finished
from expzoo.runs.trackers import mirror
from expzoo.store import run_directory

if TYPE_CHECKING:
    from expzoo.analysis.contract import Findings


def show_if_finished(directory: Path, config: dict[str, Any], *, render: bool = True) -> bool:
    """Show the verdicts if `directory` holds the whole result of this config; a logger that lacks it gets it.

    Pictures are drawn if they are not there yet.
    """
    if config["dry_run"] or not finished.is_finished(directory, config):
        return False
    if render and not run_directory.is_rendered(run_directory.require(directory)):
        draw(directory, config)
    mirror(config, directory)
    finished.show(directory)
    return True


def draw(directory: Path, config: dict[str, Any]) -> None:
    """Draw what a finished run found, from its records and arrays, and write its page; nothing is trained.

    BadInput if its config names a plugin that is not here, ValueError if one of its files cannot be read.
    """
    from expzoo.lab.learned import resolved, wholes
    from expzoo.runs import experiment
    from expzoo.store.store import Store

    sealed = run_directory.require(directory)
    if not run_directory.is_rendered(sealed):
        store = Store(Path(config["store"]).absolute(), "")  # of which names of learned components are looked up
        _, analyses = experiment.prepare(resolved(config, wholes(config, store, sealed.get("learned"))))
        findings = [found(directory, name) for name in analyses]
        experiment.write_figures(directory, analyses, findings, finished.verdicts(directory))
        facts = {key: value for key, value in sealed.items() if key not in ("format", "files")}
        run_directory.seal(directory, facts | {"rendered": True})
    experiment.write_report(directory)


def found(directory: Path, analysis: str) -> Findings:
    """What one analysis of a finished run measured, as it was handed to it."""
    import polars as pl

    from expzoo.analysis.contract import Findings
    from expzoo.store import records
    from expzoo.system.checksummed import read_packed

    own = records.read(directory / run_directory.RECORDS).filter(pl.col("analysis") == analysis).drop("analysis")
    rows = [{key: value for key, value in row.items() if value is not None} for row in own.to_dicts()]
    arrays, _ = read_packed(directory / run_directory.ARRAYS)
    prefix = f"{analysis}/"
    return Findings(rows, {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)})
