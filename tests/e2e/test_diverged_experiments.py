"""Experiments on images and ensembles whose networks all diverge: every run ends with its report and says nothing."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import expzoo

TOO_LARGE = "optimizer.lr=1e30"
DIVERGE = {
    "temperature_calibration": (TOO_LARGE,),
    "deep_ensembles": (TOO_LARGE, "analysis.deep_ensembles.widths=[5,10]"),
    "memory_split": (TOO_LARGE,),
    "calibration_and_double_descent": (TOO_LARGE,),
    "random_labels": (TOO_LARGE,),
    "large_learning_rate": (
        "analysis.contrast.arms.large.optimizer.lr=1e30",
        "analysis.contrast.arms.annealed.optimizer.lr=1e30",
    ),
    "two_patterns": ("analysis.two_patterns.large=1e30",),
    "periodic_behaviour": ("optimizer.lr=1e38", "optimizer.weight_decay=10"),
}


@pytest.mark.parametrize("name", DIVERGE)
def test_where_all_networks_diverge_nothing_is_claimed(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = expzoo.run(expzoo.compose(f"+experiment={name}", "budget=smoke", "stop.steps=10", *DIVERGE[name]))
    assert {verdict.verdict for verdict in result.verdicts} <= {"inconclusive", "withheld"}
    if name in ("random_labels", "large_learning_rate"):  # what diverged counts as the worst outcome
        assert all("diverged or never there: 3 of" in verdict.note for verdict in result.verdicts)
    else:
        assert {verdict.n for verdict in result.verdicts} == {0}
    assert result.figures


def test_small_pools_of_several_widths_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool with fewer networks than are wanted of each width."""
    monkeypatch.chdir(tmp_path)
    options = {"sizes": "[1,2,3]", "fit_up_to": 2, "widths": "[5,10]", "width_pool": 8}
    given = [f"analysis.deep_ensembles.{option}={value}" for option, value in options.items()]
    words = "+experiment=deep_ensembles", "budget=smoke", "stop.steps=5", "population.size=3"
    table = expzoo.run(expzoo.compose(*words, *given)).records.filter(pl.col("arm") == "widths")
    shown = table.filter(pl.col("metric") == "nll").select("width", "size").sort("width", "size")
    assert shown.rows() == [(5, 1), (5, 3), (10, 1), (10, 3)]
