"""The same claims under other schedules and rates: asked of the lab together, shown beside each verdict, kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import expzoo
from expzoo.analysis.reach import out_of_reach
from expzoo.config.check import resolved
from expzoo.config.homes import HOME
from expzoo.config.registry import build
from expzoo.runs import robustness
from expzoo.science import wording
from expzoo.science.verdicts import dump_verdicts, load_verdicts
from expzoo.store import run_directory

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


def test_fewer_replicates_are_said_and_why_nothing_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "wider.yaml").write_text(CLAIM)
    monkeypatch.chdir(tmp_path)
    few = expzoo.run(expzoo.compose("+experiment=wider", "robustness=[cosine]", "robustness_size=3"))
    [verdict] = few.verdicts
    alone = expzoo.run(expzoo.compose("+experiment=wider", "schedule=cosine", "population.size=3")).verdicts[0]
    assert (verdict.n, alone.n) == (5, 3)
    assert verdict.robustness[0][:3] == ("cosine (n = 3)", alone.verdict, alone.effect)
    page = (few.directory / run_directory.REPORT).read_text()
    assert "Robustness: the verdict stands under" in page
    why = 'about.one_setting="it would take an hour"'
    one = expzoo.run(expzoo.compose("+experiment=wider", why))
    assert "Robustness: not looked at: it would take an hour" in (one.directory / run_directory.REPORT).read_text()


@pytest.mark.parametrize("budget", ["laptop", "paper"])
def test_every_shipped_experiment_is_asked_again_or_says_why_not(budget: str) -> None:
    """With so many replicates that what is in reach of the experiment is in reach of its other settings."""
    for file in sorted((HOME / "conf" / "experiment").glob("*.yaml")):
        config = resolved([f"+experiment={file.stem}", f"budget={budget}"])
        asked, why = bool(config["robustness"]), bool(config["about"]["one_setting"])
        assert asked != why, file.stem
        for name, options in config["analysis"].items():
            analysis, size = (
                build("analysis", name, **{k: v for k, v in options.items() if k != "name"}),
                config["population"]["size"],
            )
            few = config["robustness_size"] or size
            assert out_of_reach(analysis, few) == out_of_reach(analysis, size), file.stem


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
