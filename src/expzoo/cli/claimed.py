"""What an experiment claims, and what no budget of it can decide, told before anything runs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from expzoo.config.registry import build_node
from expzoo.config.settings import BUDGETS

LINE = 120  # characters


def rules(config: dict[str, Any]) -> Iterator[str]:
    """The claims that an experiment makes in words, each with the rule that decides it at budget=laptop."""
    for name, own in config["analysis"].items():
        if name != "contrast" or not own["claims"]:
            continue
        from expzoo.analysis.studies.contrast.contrasted import read
        from expzoo.analysis.studies.contrast.contrasted import rules as told

        yield "claims (at budget=laptop):"
        for claim, rule in told(read(own), config["population"]["size"]):
            yield f"  {claim}"
            yield from textwrap.wrap(rule, LINE - 4, initial_indent="    ", subsequent_indent="    ")


def out_of_reach(composed: list[dict[str, Any]]) -> Iterator[str]:
    """The claims that a budget cannot decide, whatever is found."""
    from expzoo.analysis.reach import out_of_reach as missed

    for budget, config in zip(BUDGETS, composed, strict=True):
        seeds = config["population"]["size"]
        analyses = (build_node("analysis", {**own, "name": name}) for name, own in config["analysis"].items())
        if claims := [claim for analysis in analyses for claim in missed(analysis, seeds)]:
            words = f"not even a perfect result at budget={budget} would support {', '.join(claims)}"
            yield from textwrap.wrap(words, LINE, subsequent_indent="    ")
