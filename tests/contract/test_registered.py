"""Every registered plugin keeps the contract of its kind: a new one is tested without a new test."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.image_archives import DOWNLOADED, stand_in

from expzoo.registry import declared
from expzoo.spec import Component
from expzoo.testing import check_plugin, plugin_cases
from expzoo.testing.checks import small_base

SMALL = {
    "levels": 3,
    "decide_at": 0.45,
    "every": 3,
    "width": 8,
    "hidden": 4,
    "channels": 5,
    "sizes": (1, 2),
    "resamples": 9,
    "budgets": (200, 300, 400, 500, 600),
    "parts": (1, 2),
    "widths": (4, 8),
}
"""Options that make little work, for the analyses and models that have them."""
PATCHED = Component.of("dataset", "two_patterns", train_size=80, test_size=40, batch_size=25)


SLOW = {("model", "resnet"), ("model", "wide_resnet")}
"""Of many layers, each of which is traced."""
CASES = [pytest.param(*case, marks=[pytest.mark.slow] if case in SLOW else []) for case in plugin_cases()]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_registered_plugin_keeps_the_contract(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = declared(kind, name).options if kind in ("model", "analysis") else ()
    options = {option: value for option, value in SMALL.items() if option in known}
    if kind == "dataset" and name in DOWNLOADED:
        stand_in(name, tmp_path, monkeypatch)
        options = {"batch_size": 7}
    base = small_base().replace(dataset=PATCHED) if (kind, name) == ("analysis", "two_patterns") else None
    check_plugin(kind, name, base, **options)
