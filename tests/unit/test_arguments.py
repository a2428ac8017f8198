"""The words of a command line: where a verb may stand, what the tab key knows of it, and which loss is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from expzoo.cli import completion
from expzoo.cli.arguments import Words
from expzoo.config.check import resolved


@pytest.mark.parametrize("typed", ["--config-dir {0} show wide", "-cd={0} show wide", "show wide --config-dir {0}"])
def test_flags_of_all_verbs_may_stand_before_one(tmp_path: Path, typed: str) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "wide.yaml").write_text("about: {title: x}\n")
    words = Words.of(typed.format(tmp_path).split())
    assert (words.verb, words.rest, words.config_dir, words.faults) == ("show", ["wide"], tmp_path, [])


def test_what_is_no_flag_of_all_verbs_stands_behind_one() -> None:
    assert Words.of(["--help", "show"]).verb == "show"
    assert not Words.of(["--multirun", "show"]).verb
    assert not Words.of(["--config-dir", "show"]).verb
    assert Words.of(["seed=1", "list"]).faults == ["list has to be the first word"]


def test_the_tab_key_knows_a_verb_behind_flags() -> None:
    assert completion.answer("expzoo --help sho")[0] == ["show"]
    assert completion.answer("expzoo --help show lottery_t")[0] == ["lottery_ticket"]
    assert completion.answer("expzoo seed=1 sho")[0] == []


@pytest.mark.parametrize(
    ("words", "loss"),
    [
        ("dataset=textures model=cnn2d", "cross_entropy"),
        ("dataset=life model=cnn2d", "bce"),
        ("dataset=life_boards model=life_smooth", "bce_of_probabilities"),
        ("dataset=life model=life_net loss=mse", "mse"),
        ("loss=cross_entropy dataset=life model=life_net", "cross_entropy"),
        ("+experiment=lottery_ticket dataset=life model=life_net", "bce_of_probabilities"),
        ("+experiment=lottery_ticket", "cross_entropy"),
    ],
)
def test_a_loss_that_is_not_named_is_that_of_the_model_or_the_data(words: str, loss: str) -> None:
    assert resolved([*words.split(), "budget=smoke"])["loss"]["name"] == loss
