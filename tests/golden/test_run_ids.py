"""The run id of every experiment at every budget: users find finished runs in `outputs/` by it.

An id of `run_ids.json` may change only together with what it stands for, that is when a value of
the experiment, the CACHE_VERSION of a plugin, ENGINE_VERSION or RESULTS_FORMAT changes. Moving a
value to another file changes none.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from expzoo.config.check import resolved
from expzoo.config.homes import HOME
from expzoo.config.identity import run_id
from expzoo.config.settings import BUDGETS

IDS = json.loads(Path(__file__).with_suffix("").with_name("run_ids.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("experiment", IDS)
@pytest.mark.check("R19")
def test_ids_that_outputs_hold(experiment: str) -> None:
    found = {budget: run_id(resolved([f"+experiment={experiment}", f"budget={budget}"])) for budget in BUDGETS}
    assert found == IDS[experiment]


def test_every_experiment_has_its_ids_here() -> None:
    assert sorted(path.stem for path in (HOME / "conf" / "experiment").glob("*.yaml")) == sorted(IDS)
