"""What an experiment claims, and what no budget of it can decide, told before anything runs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from expzoo.config.settings import BUDGETS

LINE = 120  # the longest line of the help


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
    """The claims in words that a budget cannot decide, whatever is found; and how the others are told.

    Those of analyses in Python are known once these are built, which takes torch: `dry_run=true` says them.
    """
    from expzoo.analysis.studies.contrast.contrasted import in_reach, read

    for budget, config in zip(BUDGETS, composed, strict=True):
        seeds, own = config["population"]["size"], config["analysis"].get("contrast")
        claims = read(own).claims if own else {}
        if missed := [name for name, claim in claims.items() if not in_reach(claim, seeds)]:
            told = f"not even a perfect result at budget={budget} would support {', '.join(missed)}"
            yield from textwrap.wrap(told, LINE, subsequent_indent="    ")
    if any(name != "contrast" for config in composed for name in config["analysis"]):
        yield "dry_run=true says which claims no result of so few seeds could support"
