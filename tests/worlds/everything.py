"""All worlds, all claims of the package and of its files, and what every experiment buys at every budget."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from tests.worlds import arms, curves, descent, jammed, landscape, life, metalearning, reproducibility, trajectories
from tests.worlds.contrasts import ContrastWorld

from expzoo.analysis.studies import jamming
from expzoo.analysis.studies.life import claims as life_claims
from expzoo.config import registry
from expzoo.config.check import composed
from expzoo.config.homes import HOME
from expzoo.config.identity import plain
from expzoo.science.claims import Claim

if TYPE_CHECKING:
    from types import ModuleType

    from omegaconf import DictConfig

EXPERIMENTS = HOME / "conf" / "experiment"
WORLDS = [
    *arms.WORLDS,
    *life.WORLDS,
    *curves.WORLDS,
    *metalearning.WORLDS,
    *descent.WORLDS,
    *jammed.WORLDS,
    *landscape.WORLDS,
    *reproducibility.WORLDS,
    *trajectories.WORLDS,
]


def claims() -> set[str]:
    """The names of all claims that analyses of the package hold, found in their modules."""
    analyses = [importlib.import_module(f"expzoo.plugins.analyses.{name}") for name in registry.available("analysis")]
    made = {claim.name for claim in curves.THRESHOLDS}  # by a function, one for each loss and criterion
    made |= {claim.name for claim in jamming.CLAIMS}
    return made | {claim.name for module in (*analyses, life_claims, jamming) for claim in _of(module)}


def _of(module: ModuleType) -> Iterator[Claim]:
    return (value for value in vars(module).values() if isinstance(value, Claim))


@cache
def bought(budget: str, *, analysis: str = "") -> list[tuple[str, int, dict[str, dict[str, Any]]]]:
    """Experiment, number of seeds, and the options of each analysis; of all experiments, or those with one analysis."""
    found = []
    for experiment in sorted(path.stem for path in EXPERIMENTS.glob("*.yaml")):
        if not analysis or analysis in _analyses(experiment):
            node = _composed(experiment)
            node.budget = budget
            config = plain(node)
            analyses = {
                name: {k: v for k, v in node.items() if k != "name"} for name, node in config["analysis"].items()
            }
            found.append((experiment, config["population"]["size"], analyses))
    return found


@cache
def _composed(experiment: str) -> DictConfig:
    """The config of an experiment, whose budget may be set: what depends on it is found when it is read."""
    return composed([f"+experiment={experiment}"])


def _analyses(experiment: str) -> list[str]:
    """What a file, or the one that it builds upon, chooses by `override /analysis`; much faster than to compose it."""
    chosen: list[str] = []
    for item in yaml.safe_load((EXPERIMENTS / f"{experiment}.yaml").read_text(encoding="utf-8"))["defaults"]:
        if isinstance(item, str) and item != "_self_":
            chosen = _analyses(item)
        elif "override /analysis" in item:
            chosen = item["override /analysis"]
    return chosen


@cache
def in_files(budget: str) -> list[ContrastWorld]:
    """The worlds of all claims that files say; one for experiments that say the same with as many seeds."""
    worlds: dict[tuple[str, int], ContrastWorld] = {}
    for experiment, seeds, analyses in bought(budget, analysis="contrast"):
        options = analyses["contrast"]
        for name, claim in options["claims"].items():
            alone = options | {"claims": {name: claim}}
            same = repr((alone["claims"], alone.get("cross"), alone.get("sweep"))), seeds
            among = worlds[same].experiments if same in worlds else ()
            worlds[same] = ContrastWorld((*among, experiment), name, alone, seeds)
    return [*worlds.values()]


def named_in_files() -> set[str]:
    """The names of all claims that stand in files, read from their text."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in EXPERIMENTS.glob("*.yaml")]
    said = [(file.get("analysis") or {}).get("contrast") or {} for file in files]
    return {name for contrast in said for name in contrast.get("claims") or {}}
