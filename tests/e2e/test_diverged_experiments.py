"""Experiments on images and ensembles whose networks diverge: every run ends with its report and supports nothing."""

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
    "instability": (TOO_LARGE,),
    "loss_surface": (TOO_LARGE,),
    "mode_connectivity": (TOO_LARGE, "analysis.no_crossing.epochs=2"),
    "two_patterns": ("analysis.two_patterns.large=1e30",),
    "periodic_behaviour": ("optimizer.lr=1e38", "optimizer.weight_decay=10"),
}


@pytest.mark.parametrize("name", DIVERGE)
@pytest.mark.check("R17")
def test_where_all_networks_diverge_nothing_is_supported(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = expzoo.run(expzoo.compose(f"+experiment={name}", "budget=smoke", "stop.steps=10", *DIVERGE[name]))
    assert "supported" not in {verdict.verdict for verdict in result.verdicts}
    for verdict in result.verdicts:
        assert "diverged" in verdict.note or "left out: missing" in verdict.note
    assert result.figures


def test_a_rate_at_which_networks_diverge_is_behind_by_what_they_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted as chance, not left out: every annealed network is lost, so the small rate is ahead at the end."""
    monkeypatch.chdir(tmp_path)
    words = "+experiment=large_learning_rate", "budget=smoke", "population.size=6", "stop.steps=60"
    result = expzoo.run(expzoo.compose(*words, *DIVERGE["large_learning_rate"]))
    table = result.records
    lost = table.filter((pl.col("arm") == "annealed") & pl.col("end"))
    assert lost["value"].is_nan().all()
    assert lost["diverged"].all()
    crosses, _ = result.verdicts
    assert crosses.n == 6
    assert "18 of 24 networks diverged: each counts as one that knows nothing" in crosses.note


def test_small_pools_of_several_widths_are_kept_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool with fewer networks than are wanted of each width."""
    monkeypatch.chdir(tmp_path)
    options = {"sizes": "[1,2,3]", "fit_up_to": 2, "widths": "[5,10]", "width_pool": 8}
    given = [f"analysis.deep_ensembles.{option}={value}" for option, value in options.items()]
    words = "+experiment=deep_ensembles", "budget=smoke", "stop.steps=5", "population.size=4"
    table = expzoo.run(expzoo.compose(*words, *given)).records.filter(pl.col("arm") == "widths")
    shown = table.filter(pl.col("metric") == "nll").select("width", "size").sort("width", "size")
    assert shown.rows() == [(5, 1), (5, 4), (10, 1), (10, 4)]
