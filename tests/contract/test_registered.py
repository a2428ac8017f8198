"""Every registered plugin keeps the contract of its kind: a new one is tested without a new test."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.image_archives import DOWNLOADED, stand_in

from expzoo.registry import declared
from expzoo.testing import check_plugin, plugin_cases

SMALL = {
    "levels": 3,
    "decide_at": 0.45,
    "every": 3,
    "width": 8,
    "hidden": 4,
    "channels": 5,
    "sizes": (1, 2),
    "resamples": 9,
}
"""Options that make little work, for the analyses and models that have them."""


@pytest.mark.parametrize(("kind", "name"), plugin_cases())
def test_a_registered_plugin_keeps_the_contract(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = declared(kind, name).options if kind in ("model", "analysis") else ()
    options = {option: value for option, value in SMALL.items() if option in known}
    if kind == "dataset" and name in DOWNLOADED:
        stand_in(name, tmp_path, monkeypatch)
        options = {"batch_size": 7}
    check_plugin(kind, name, **options)
