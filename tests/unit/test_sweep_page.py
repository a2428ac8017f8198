"""The page of a sweep: a summary of each claim first, then claims in rows and settings beside each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from expzoo.report import sweep_page
from expzoo.report.sweep_model import Comparison, Run
from expzoo.science.verdicts import Outcome, Verdict


def verdict(claim: str, effect: float, outcome: Outcome) -> Verdict:
    ends = (effect - 1, effect + 1)
    return Verdict(claim, "", effect, "pp", ends, 0.95, 5, outcome, "", "a paper", 1.0, "greater", "paired t")


def comparison(widths: range) -> Comparison:
    runs = [
        Run(
            Path(f"run{width}"),
            {"model.width": width},
            (
                verdict("a.wide", float(width), "supported" if width > 2 else "inconclusive"),
                verdict("b", 1.0, "withheld"),
            ),
        )
        for width in widths
    ]
    return Comparison(tuple(runs), ("model.width",))


def test_the_summary_has_a_row_for_each_claim() -> None:
    table = sweep_page.summary(comparison(range(2, 5)))
    assert table.columns == ["claim", "verdicts", "effects"]
    assert table.rows == [
        ["a.wide", "2 supported, 1 inconclusive", "+2.0 pp to +4.0 pp"],
        ["b", "3 withheld", "+1.0 pp"],
    ]


def test_claims_are_rows_and_settings_columns_until_these_are_many() -> None:
    table = sweep_page.claims(comparison(range(2, 4)))
    assert table.columns == ["claim", "model.width=2", "model.width=3"]
    assert table.rows[0] == ["a.wide", "inconclusive +2.0 pp [+1.0, +3.0]", "supported +3.0 pp [+2.0, +4.0]"]
    table = sweep_page.claims(comparison(range(1, 21)))
    assert table.columns == ["claim", "setting", "verdict"]
    assert len(table.rows) == 40
    assert table.rows[19][:2] == ["a.wide", "model.width=20"]


@pytest.mark.parametrize("swept", [range(2, 4)])
def test_runs_stand_last_with_their_places(swept: range) -> None:
    table = sweep_page._jobs(comparison(swept))
    assert table.columns == ["model.width", "run"]
    assert [row[1].endswith(f"run{row[0]}") for row in table.rows] == [True, True]
