"""The same claims under other schedules and rates: asked of the lab together, shown beside each verdict, kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import expzoo
from expzoo.runs import robustness
from expzoo.science import wording
from expzoo.science.verdicts import dump_verdicts, load_verdicts
from expzoo.store import run_directory

if TYPE_CHECKING:
    import pytest

CLAIM = """# @package _global_
defaults: [override /dataset: mnist1d, override /model: mlp, override /analysis: [contrast]]
dataset: {train_size: 200, test_size: 200}
population: {size: 5}
stop: {steps: 10}
analysis:
  contrast:
    arms: {narrow: {model.width: 5}, wide: {model.width: 40}}
    claims: {zoo.wider: {greater: [wide, narrow]}}
"""


def test_each_verdict_says_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "wider.yaml").write_text(CLAIM)
    monkeypatch.chdir(tmp_path)
    settings = "robustness=[cosine,constant,double_rate]"
    result = expzoo.run(expzoo.compose("+experiment=wider", settings))
    [verdict] = result.verdicts
    # The experiment's own schedule is constant: that is no other setting.
    assert [row[0] for row in verdict.robustness] == ["cosine", "double_rate"]
    alone = expzoo.run(expzoo.compose("+experiment=wider", "schedule=cosine")).verdicts[0]
    assert verdict.robustness[0] == ("cosine", alone.verdict, alone.effect, *alone.interval)
    assert replace(verdict, robustness=()) == expzoo.run(expzoo.compose("+experiment=wider")).verdicts[0]
    assert load_verdicts(dump_verdicts([verdict])) == [verdict]
    assert "other settings: cosine" in wording.robustness(verdict)
    assert wording.robustness(verdict) in (result.directory / run_directory.REPORT).read_text().replace("\u2212", "-")
    assert {*result.records["analysis"]} == {"contrast", "contrast@cosine", "contrast@double_rate"}


def test_what_is_another_claim_is_not_beside_it() -> None:
    verdicts = load_verdicts("[]")
    assert robustness.beside(verdicts, {"cosine": []}) == []
    assert robustness.is_variant(robustness.name("contrast", "cosine"))


ARMS = """
analysis:
  contrast:
    arms:
      slow: {optimizer.lr: 0.001, schedule: constant}
      fast: {optimizer.lr: 0.02, schedule: constant}
    claims: {zoo.faster: {greater: [fast, slow]}}
"""


def test_rates_of_arms_are_changed_and_what_changes_nothing_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "faster.yaml").write_text(CLAIM.partition("analysis:\n")[0] + ARMS)
    monkeypatch.chdir(tmp_path)
    result = expzoo.run(expzoo.compose("+experiment=faster", "robustness=[cosine,double_rate]"))
    [verdict] = result.verdicts
    # Both arms say their schedule themselves: under the cosine of the base nothing would be other.
    assert [row[0] for row in verdict.robustness] == ["double_rate"]
    doubled = ["analysis.contrast.arms.slow.optimizer.lr=0.002", "analysis.contrast.arms.fast.optimizer.lr=0.04"]
    alone = expzoo.run(expzoo.compose("+experiment=faster", *doubled)).verdicts[0]
    assert verdict.robustness[0] == ("double_rate", alone.verdict, alone.effect, *alone.interval)
