"""What a search goes by: one number of a finished run, on validation data unless another one is asked for by name.

The best of many trials is too good on the data that chose it; on test data nothing would be left to say how good it is.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from expzoo.science.verdicts import read_verdicts
from expzoo.store import run_directory
from expzoo.system.console import say
from expzoo.system.errors import BadInput, nearest

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from expzoo.spec.spec import Spec

CHOSEN_ON = "validation"
_HELD_OUT = ("test", "fresh")
_WHERE = "hydra.sweeper.objectives"


@dataclass(frozen=True)
class Objective:
    """A measure by its name, `metric/split`, `arm/metric/split` or that of a claim, and maximize or minimize.

    `asked_for` says whether somebody has named it.
    """

    name: str
    direction: str
    asked_for: bool = True

    @property
    def metric(self) -> str:
        """The metric, empty if it is the effect of a claim."""
        return self.name.split("/")[-2] if "/" in self.name else ""

    @property
    def split(self) -> str:
        """The split it is measured on, empty if it is the effect of a claim."""
        return self.name.rpartition("/")[2] if "/" in self.name else ""


def chosen(names: Sequence[str], directions: Sequence[str], configs: Sequence[DictConfig]) -> list[Objective]:
    """The objectives of a search with jobs such as these; BadInput with every reason why there can be no such search.

    Without names it is the score of the dataset on validation data; without directions, that in
    which the metric is better. Networks are neither built nor trained.
    """
    asked_for, names = bool(names), list(names) or [_default(configs)]
    if directions and len(directions) != len(names):
        raise BadInput(f"hydra.sweeper: {len(names)} objectives need as many directions, not {len(directions)}")
    found = [Objective(name, direction) for name, direction in zip(names, directions or [""] * len(names), strict=True)]
    faults = [fault for one in found if not one.direction and (fault := _open_direction(one))]
    if faults:
        raise BadInput("\n".join(faults))
    return [Objective(one.name, one.direction or _direction(one), asked_for) for one in found]


def require_data(objectives: Sequence[Objective], config: DictConfig) -> None:
    """BadInput, with what to give, if a search goes by validation data and its jobs have none, or do not look at it."""
    on_validation = [one.name for one in objectives if one.split == CHOSEN_ON]
    if not on_validation:
        return
    from expzoo.analysis.needs import unmet

    base = _base(config)
    if reasons := unmet([f"split {CHOSEN_ON}"], base, base.dataset.build()):
        names = ",".join(one.name.replace(f"/{CHOSEN_ON}", "/test") for one in objectives)
        other = f"or name a measure on other data, such as {_WHERE}=[{names}]"
        raise BadInput(f"the search goes by {', '.join(on_validation)}: {'; '.join(reasons)}, {other}")
    absent = {f"{one.metric}/{one.split}" for one in objectives if not one.asked_for} - _measured(config)
    if absent:
        analyses = ",".join([*config["analysis"], "learning_curves"])
        told = f"give analysis=[{analyses}], or name what is measured with {_WHERE}=[...]"
        raise BadInput(f"the search goes by {', '.join(absent)}, which no analysis of it measures: {told}")


def warnings(objectives: Sequence[Objective]) -> list[str]:
    """A line for each objective by which the best trial is no longer tested by what says how good it is."""
    found = []
    for one in objectives:
        if one.split in _HELD_OUT:
            found.append(
                f"the search goes by {one.name}: its best value is chosen on {one.split} data and too good; "
                f"search by {one.name.rpartition('/')[0]}/{CHOSEN_ON}, and test what it finds once"
            )
        elif not one.split:
            found.append(
                f"the search goes by the effect of {one.name}: its verdict on the best trial is no test of the claim; "
                "run what is found again with seeds that the search has not seen"
            )
    return found


def warn(objectives: Sequence[Objective]) -> None:
    """Say the warnings on standard error."""
    for line in warnings(objectives):
        say(line, file=sys.stderr)


def value(directory: Path, name: str) -> float:
    """The mean over seeds of `metric/split` at the end of training, or of `arm/metric/split`; or the effect of a claim.

    NaN if a network diverged. BadInput, with what there is, if the run did not measure it.
    """
    import polars as pl

    from expzoo.store import records

    claims = {verdict.claim: verdict.effect for verdict in read_verdicts(directory / run_directory.VERDICTS)}
    if name in claims:
        return claims[name]
    table = records.read(directory / run_directory.RECORDS)
    ends = table.filter(pl.col("end")) if "end" in table.columns else table
    short, long = pl.format("{}/{}", "metric", "split"), pl.format("{}/{}/{}", "arm", "metric", "split")
    named = ends.with_columns(short.alias("short"), long.alias("long"))
    own = named.filter((pl.col("short") == name) | (pl.col("long") == name))
    if own.is_empty() and name.endswith(f"/{CHOSEN_ON}"):
        earlier = f"if {directory} was made before they did so, move it away: its networks are kept"
        raise BadInput(f"{_WHERE}: the runs measure no {name}, as analysis=[learning_curves] does; {earlier}")
    if own.is_empty():
        known = {*named["short"], *named["long"], *claims}
        raise BadInput(f"{_WHERE}: the runs measure no {name}; {nearest(name, known)}")
    if own["arm"].n_unique() > 1:
        raise BadInput(f"{_WHERE}: {name} is measured of several arms; say arm/{name}")
    return float(own["value"].mean())  # type: ignore[arg-type]


def _base(config: DictConfig) -> Spec:
    from expzoo.config.identity import plain
    from expzoo.spec.spec import Spec

    return Spec.from_config(plain(config))


def _measured(config: DictConfig) -> set[str]:
    """What the analyses of a job ask to be measured at first, as metric/split; nothing is trained."""
    from expzoo.config.identity import plain
    from expzoo.lab import learned
    from expzoo.lab.request import Request
    from expzoo.runs.plan import plan
    from expzoo.store.store import Store

    given = plain(config)
    names = learned.wholes(given, Store(Path(given["store"]).absolute(), ""))
    asked = [next(asking) for asking in plan(learned.resolved(given, names)).begin().values()]
    parts = [part for request in asked if isinstance(request, Request) for part in request.parts()]
    return {f"{measure.metric}/{measure.split}" for part in parts for measure in part.measures}


def _default(configs: Sequence[DictConfig]) -> str:
    """The score of the dataset that all jobs have; BadInput if they have several datasets of different scores."""
    from expzoo.spec.score import nature

    names = {nature(_base(config).dataset).scores[0] for config in configs}
    if len(names) > 1:
        raise BadInput(f"the jobs are scored by {', '.join(sorted(names))}: name the measure with {_WHERE}=[...]")
    return f"{names.pop()}/{CHOSEN_ON}"


def _open_direction(one: Objective) -> str:
    """Why nobody but who asks can say which way this is better, empty if its metric says it."""
    try:
        _direction(one)
    except BadInput as error:
        told = f"{error}; " if one.metric else ""
        return f"{_WHERE}: {told}say hydra.sweeper.directions=[...], maximize or minimize, for {one.name}"
    return ""


def _direction(one: Objective) -> str:
    from expzoo.spec.measure import LOSS
    from expzoo.spec.score import Score

    if one.metric == LOSS:
        return "minimize"
    if not one.metric:
        raise BadInput(f"{one.name} is the effect of a claim")
    return "maximize" if Score.of(one.metric).higher_is_better else "minimize"
