"""Activations against each other: rates by validation data of other seeds; robustness learns no function anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

import expzoo
from expzoo.analysis import tuning
from expzoo.analysis.contract import Setting
from expzoo.config.identity import plain
from expzoo.config.registry import build
from expzoo.runs.robustness import varied
from expzoo.spec.spec import Spec
from expzoo.store import records

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab

RATES = (1e-6, 0.01)
BASELINES = {"metalearn_activation": ("relu", "tanh"), "activation_transfer": ("relu", "elu", "tanh")}
LESSON = {"outer_steps": 1, "inner_networks": 2, "hidden": 4, "last_losses": 20}
INNER = {"inner_width": 16, "inner_steps": 30, "inner_samples": 1000}


@pytest.mark.parametrize("name", [*BASELINES])
def test_each_activation_has_the_rate_that_is_best_for_it_on_validation_data(
    name: str, open_lab: Callable[..., Lab]
) -> None:
    config = plain(expzoo.compose(f"+experiment={name}", "budget=smoke", "stop.steps=30"))
    setting = Setting(Spec.from_config(config), (5, 6), "smoke")
    own = LESSON | (INNER if name == "activation_transfer" else {})
    analysis = build("analysis", name, baselines=BASELINES[name], rates=RATES, evaluation_seeds=1, **own)
    half = varied(setting, ["half_rate"])["half_rate"]
    lab = open_lab()
    found, again = lab.run_together([analysis.measure(setting), analysis.measure(half)])
    tables = records.frame(found.rows), records.frame(again.rows)

    tried = records.select(tables[0], arm=tuning.ARM)
    judged = tables[0].filter((tables[0]["arm"] != tuning.ARM) & tables[0]["end"])
    assert {*tried["split"]} == {"validation"}
    assert tried["seed"].n_unique() == tuning.SEEDS
    assert not {*tried["seed"]} & {*judged["seed"], *setting.seeds}
    assert len(tried) == (len(BASELINES[name]) + 2) * len(RATES) * tuning.SEEDS
    for (arm,), rows in tried.group_by("tuned"):
        means = [float(np.mean([*rows.filter(rows["tried"] == f"optimizer.lr={rate}")["value"]])) for rate in RATES]
        assert f"optimizer.lr {RATES[int(np.argmax(means))]}" in rows["best"][0], arm
    assert {*judged["lr"].drop_nulls()} == {0.01}
    where = " on digits" if name == "activation_transfer" else ""
    for verdict in analysis.judge(tables[0], found.arrays):
        assert "tuned on validation data: " in verdict.note
        assert f"relu{where}: rate 0.01 (the edge of the grid)" in verdict.note

    assert {*tables[1].filter(tables[1]["arm"] != tuning.ARM)["lr"].drop_nulls()} == {0.005}
    learned = [{*records.select(table, arm="learned", metric="outer_loss")["key"]} for table in tables]
    assert learned[0] == learned[1]
