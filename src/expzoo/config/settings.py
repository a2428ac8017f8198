"""The top-level keys of a config that belong to no plugin.

`about` says what an experiment is: its own file fills it in, except for `experiment`, the name it was chosen by.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from expzoo.config.options import FilePath, Natural, Option, Range

BUDGETS = ("smoke", "laptop", "paper")
"""Seconds, minutes, and as published."""

MOST_NETWORKS = 100_000
"""Of one population: so many are planned in seconds, and trained in days."""

ABOUT = ("experiment", "title", "question", "source", "cost", "cut", "one_setting", "differences")
"""`cut` says how an experiment is smaller than what was published, `one_setting` why robustness asks nothing of it.

`differences` says why its values may lie outside of published ones.
"""

SETTINGS: dict[str, Any] = {
    "seed": Option(Natural, default=0),
    "budget": Option(Literal["smoke", "laptop", "paper"], default="laptop"),
    "population": {"size": Option(Annotated[int, Range(1, MOST_NETWORKS)], default=8)},
    "robustness": Option(tuple[Literal["constant", "cosine", "half_rate", "double_rate"], ...], default=()),
    "robustness_size": Option(Annotated[int, Range(1, MOST_NETWORKS)] | None, default=None),
    "store": Option(FilePath, default="outputs/store"),
    "dry_run": Option(bool, default=False),
    "about": {key: Option(str, default="") for key in ABOUT},
}
