"""All worlds, all registered claims, and what every experiment buys at every budget."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tests.worlds import arms, curves, life, metalearning

from expzoo.analysis.studies.life import claims as life_claims
from expzoo.config import registry
from expzoo.config.check import resolved
from expzoo.config.homes import HOME
from expzoo.config.settings import BUDGETS
from expzoo.science.claims import Claim

if TYPE_CHECKING:
    from types import ModuleType

WORLDS = [*arms.WORLDS, *life.WORLDS, *curves.WORLDS, *metalearning.WORLDS]


def claims() -> set[str]:
    """The names of all claims that analyses of the package hold, found in their modules."""
    analyses = [importlib.import_module(f"expzoo.plugins.analyses.{name}") for name in registry.available("analysis")]
    made = {claim.name for claim in curves.THRESHOLDS}  # by a function, one for each loss and criterion
    return made | {claim.name for module in (*analyses, life_claims) for claim in _of(module)}


def _of(module: ModuleType) -> Iterator[Claim]:
    return (value for value in vars(module).values() if isinstance(value, Claim))


def contrasts() -> Iterator[tuple[str, Any]]:
    """Experiment and its contrast, of all experiments at laptop that have one."""
    for experiment in sorted(path.stem for path in (HOME / "conf" / "experiment").glob("*.yaml")):
        node = resolved([f"+experiment={experiment}", "budget=laptop"])["analysis"].get("contrast")
        if node:
            yield experiment, registry.build_node("analysis", node)


def bought() -> Iterator[tuple[str, str, int, dict[str, Any]]]:
    """Experiment, budget, number of seeds, and each analysis with its options."""
    for experiment in sorted(path.stem for path in (HOME / "conf" / "experiment").glob("*.yaml")):
        for budget in BUDGETS:
            config = resolved([f"+experiment={experiment}", f"budget={budget}"])
            analyses = {name: registry.build_node("analysis", node) for name, node in config["analysis"].items()}
            yield experiment, budget, config["population"]["size"], analyses
