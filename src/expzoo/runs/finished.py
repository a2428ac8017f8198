"""A finished run is recognised from its own manifest; its verdicts are shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.config.identity import OF_NO_EFFECT, run_id
from expzoo.store import run_directory
from expzoo.system.console import say
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.science.verdicts import Verdict


def is_finished(directory: Path, config: dict[str, Any]) -> bool:
    """Whether `directory` holds the whole result of this config; a damaged file is said and means that it does not."""
    sealed = run_directory.manifest(directory)
    if sealed is None or sealed.get("id") != run_id(config):
        return False
    faults = run_directory.damaged(directory, sealed)
    if not faults:
        try:
            verdicts(directory)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        say(*faults, "the run is made again from its networks", sep="\n", file=sys.stderr)
    return not faults


def comparable(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a config that decides the results; see `identity.run_id`."""
    return {key: value for key, value in config.items() if key not in OF_NO_EFFECT}


def show(directory: Path) -> None:
    """Print the verdicts of a run, or its final scores if it judges no claim, and where its report is."""
    from expzoo.report.terminal import print_verdicts

    judged = verdicts(directory)
    print_verdicts(judged, directory, scores=() if judged else final_scores(directory))


def final_scores(directory: Path) -> list[str]:
    """What a run measured at the end: a line for each arm, setting and measure, a mean with its 95 % interval."""
    import polars as pl

    from expzoo.science.statistics import mean_interval
    from expzoo.science.wording import measured
    from expzoo.spec.score import Score
    from expzoo.store import records

    try:
        table = records.read(directory / run_directory.RECORDS)
    except ValueError as error:
        raise BadInput(f"a file there is not what a run writes: {error}") from error
    ends = table.filter(pl.col("end")) if "end" in table.columns else table
    varied = [name for name in ends.columns if name not in {*records.COLUMNS, "analysis", "end", records.DIVERGED}]
    lines = []
    for group, own in ends.group_by(["metric", "split", "arm", *varied], maintain_order=True):
        metric, split, arm, *settings = group
        name = ", ".join([str(arm), *(f"{k}={v}" for k, v in zip(varied, settings, strict=True) if v is not None)])
        unit = "%" if Score.bounds(str(metric)) else ""
        values = own.filter(pl.col("value").is_finite())["value"].to_numpy()
        mean, *ends = map(float, mean_interval(values, bounds=Score.bounds(str(metric))))
        lines.append(f"{metric}/{split} of {name}: {measured(mean, (ends[0], ends[1]), len(values), unit)}")
    return lines


def verdicts(directory: Path) -> list[Verdict]:
    """The verdicts of a run; ValueError, naming the file, if they are none."""
    from expzoo.science.verdicts import read_verdicts

    return read_verdicts(directory / run_directory.VERDICTS)
