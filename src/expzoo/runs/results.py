"""What a run writes, each layer from the one before: records, verdicts, figures, page."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.analysis.needs import away, called_here
from expzoo.config.identity import chosen, raised_rules, run_id
from expzoo.config.places import experiment_text
from expzoo.runs import robustness
from expzoo.runs.finished import comparable
from expzoo.science.claims import with_divergence
from expzoo.science.verdicts import Verdict, dump_verdicts
from expzoo.store import run_directory

if TYPE_CHECKING:
    import polars as pl

    from expzoo.analysis.contract import Analysis, Findings
    from expzoo.lab.accounting import Account
    from expzoo.report.figures.figure import Figure

log = logging.getLogger(__name__)


def write_records(
    directory: Path, config: dict[str, Any], analyses: Mapping[str, Analysis], findings: Sequence[Findings]
) -> None:
    """The config, the text of the experiment's files, and what was measured: records and arrays."""
    import yaml

    from expzoo.store import records
    from expzoo.system.checksummed import pack
    from expzoo.system.files import write_atomically

    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(directory / run_directory.CONFIG, yaml.safe_dump(config, sort_keys=False).encode())
    if text := experiment_text(config["about"]["experiment"]):
        write_atomically(directory / run_directory.EXPERIMENT, text.encode())
    records.write(table(analyses, findings), directory / run_directory.RECORDS)
    arrays = {f"{name}/{k}": v for name, own in zip(analyses, findings, strict=True) for k, v in own.arrays.items()}
    write_atomically(directory / run_directory.ARRAYS, pack(arrays, {}))


def table(analyses: Mapping[str, Analysis], findings: Sequence[Findings]) -> pl.DataFrame:
    """The records of a run: the rows of all of its analyses."""
    from expzoo.store import records

    rows = [{**row, "analysis": name} for name, own in zip(analyses, findings, strict=True) for row in own.rows]
    return records.frame(rows)


def judge(
    directory: Path, config: dict[str, Any], analyses: Mapping[str, Analysis], findings: Sequence[Findings]
) -> list[Verdict]:
    """The verdicts, written and returned; each analysis sees its own records only."""
    from expzoo.store import records
    from expzoo.system.files import write_atomically

    verdicts: list[Verdict] = []
    again: dict[str, list[Verdict]] = {}
    for (name, analysis), own in zip(analyses.items(), findings, strict=True):
        table = records.frame(own.rows)
        elsewhere = away(analysis.HOME, {kind: config[kind]["name"] for kind in ("dataset", "model")})
        told = [with_divergence(verdict, *records.diverged(table)) for verdict in analysis.judge(table, own.arrays)]
        how = config["about"]["cut"]
        judged = [abroad(v, analysis.HOME, elsewhere) if elsewhere else cut(v, how) for v in told]
        if robustness.is_variant(name):
            again.setdefault(name.partition(robustness.BETWEEN)[2], []).extend(judged)
        else:
            verdicts += judged
        log.info("%s judged %d rows", name, len(own.rows))
    verdicts = robustness.beside(verdicts, again)
    write_atomically(directory / run_directory.VERDICTS, dump_verdicts(verdicts).encode())
    return verdicts


def write_figures(
    directory: Path, analyses: Mapping[str, Analysis], findings: Sequence[Findings], verdicts: Sequence[Verdict]
) -> None:
    """The pictures of the verdicts and of each analysis; of two with one name the second gets its analysis's too."""
    from expzoo.report import figures
    from expzoo.store import records

    pictures: list[Figure] = [figures.forest(verdicts)] if verdicts else []
    for (name, analysis), own in zip(analyses.items(), findings, strict=True):
        if robustness.is_variant(name):
            continue
        taken = {picture.name for picture in pictures}
        for picture in analysis.draw(records.frame(own.rows), own.arrays):
            pictures.append(replace(picture, name=f"{name}-{picture.name}") if picture.name in taken else picture)
    figures.save_all(pictures, directory / run_directory.FIGURES)


def cut(verdict: Verdict, how: str) -> Verdict:
    """A verdict whose statement says how the published setting was cut, if it was."""
    said = f"{verdict.statement.removesuffix('.')} ({how})."
    return replace(verdict, statement=said) if how else verdict


def abroad(verdict: Verdict, home: Sequence[str], elsewhere: Sequence[str]) -> Verdict:
    """A verdict of an analysis whose home is not here: the same question, without what was published of its home.

    A claim that is called after its home's dataset is called after this one.
    """
    said = f"{verdict.statement.removesuffix('.')} (the same question on {', '.join(elsewhere)})."
    return replace(verdict, statement=said, published="", claim=called_here(verdict.claim, home, elsewhere))


def write_environment(directory: Path, config: dict[str, Any], account: Account) -> None:
    """What the networks were computed with."""
    from expzoo.runs import environment
    from expzoo.system.files import write_atomically

    described = environment.describe(set(account.machines.values()), chosen(config))
    write_atomically(directory / run_directory.ENVIRONMENT, run_directory.json_bytes(described))


def facts(
    config: dict[str, Any], directory: Path, account: Account, seconds: float, told: Sequence[str]
) -> dict[str, Any]:
    """What the manifest says of a run besides its files; `told` are notes of the plan."""
    notes = []
    if config["dataset"].get("draw") == "frozen":
        notes.append("All seeds saw one draw of the data: the verdicts speak about this draw only.")
    notes += [f"{note}." for note in told]
    later = {"rules": raised} if (raised := raised_rules(config)) else {}
    return later | {
        "run": directory.name,
        "experiment": directory.parent.name,
        "title": config["about"]["title"],
        "question": config["about"]["question"],
        "source": config["about"]["source"],
        "id": run_id(config),
        "config": comparable(config),
        "networks": {
            "trained": len(account.trained),
            "cached": len(account.cached - account.trained),
            "diverged": len(account.diverged),
            "seconds": round(account.training_seconds, 1),
            "looking_seconds": round(account.looking_seconds, 1),
        },
        "seconds": round(seconds, 1),
        "notes": notes,
    }


def write_page(directory: Path, about: Mapping[str, object]) -> None:
    """Render the page of a run from its files and what its manifest says or will say."""
    from expzoo.report import page

    page.write(directory, about)


def write_page_again(directory: Path) -> None:
    """Render the page of a finished run anew; BadInput, with every fault, if another file is not as it was written."""
    sealed = run_directory.whole(directory, but=run_directory.REPORT)
    write_page(directory, sealed)
    run_directory.amend(directory, sealed, run_directory.REPORT)


def read_findings(directory: Path, analysis: str) -> Findings:
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
