"""Destabilisations are counted as passages, and the network must be scale-invariant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from expzoo.plugins.analyses.periodic_behaviour import crossings

import expzoo
from expzoo.system.errors import BadInput


def test_a_passage_from_fitted_to_far_from_it_counts_once() -> None:
    falls, rises = [3.0, 0.05, 0.005], [0.5, 2.0]
    assert crossings(np.array([*falls, *rises, *falls, *rises, 0.05]), 0.01, 0.1) == [3, 8]
    assert crossings(np.array([3.0, 0.02, 2.0]), 0.01, 0.1) == []  # never fitted
    assert crossings(np.array([*falls, 0.05, 0.09, 0.005]), 0.01, 0.1) == []  # did not rise far
    assert crossings(np.array([*falls, 0.05, 0.09, 0.2]), 0.01, 0.1) == [5]  # in several steps
    assert crossings(np.array([]), 0.01, 0.1) == []


def run(place: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> expzoo.Result:
    monkeypatch.chdir(place)
    return expzoo.run(expzoo.compose("+experiment=periodic_behaviour", "budget=smoke", *words))


def test_a_network_that_is_scale_invariant_is_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [verdict] = run(tmp_path, monkeypatch).verdicts
    assert verdict.verdict == "inconclusive"
    assert verdict.effect == 0


def test_one_that_is_not_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last layer is trained as well, so that larger weights give larger outputs."""
    [verdict] = run(tmp_path, monkeypatch, "parametrisation=plain").verdicts
    assert verdict.verdict == "withheld"
    assert "doubled" in verdict.self_test


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("optimizer.weight_decay=0",), "set optimizer.weight_decay above 0"),
        (("optimizer=rmsprop",), "it needs weight decay"),
        (("schedule=cosine",), "it needs schedule=constant, not cosine"),
        (("analysis.periodic_behaviour.factor=1",), "not above 1"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        run(tmp_path, monkeypatch, *words)
