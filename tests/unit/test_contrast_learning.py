"""Arms whose activation is learned first: what is learned, from what, and who gets it."""

from __future__ import annotations

import re
from typing import Any

import pytest

import expzoo
from expzoo.analysis.contract import Setting
from expzoo.analysis.studies.contrast import learning
from expzoo.analysis.studies.contrast.arms import Cell
from expzoo.analysis.studies.contrast.building import Builder
from expzoo.config.registry import build
from expzoo.spec.spec import Spec
from expzoo.system.errors import BadInput

WORDS = ("stop.steps=60", "budget=smoke")


@pytest.fixture(scope="module")
def start() -> Spec:
    return Spec.from_config(expzoo.compose(*WORDS))


def test_an_activation_is_learned_where_its_words_say_and_used_seed_by_seed(start: Spec) -> None:
    on = {"dataset": "digits", "optimizer": "rmsprop", "model.depth": 1}
    learn = {"activation": {"from": on, "outer_steps": 3, "inner_networks": 2, "last_losses": 5, "hidden": 4}}
    analysis = build("analysis", "contrast", arms={"relu": {}, "a": {"model.width": 9, "learn": learn}})
    builder = Builder(analysis.words.arms, {}, "smoke")
    setting = Setting(start, (3, 4), "smoke")
    asked = learning.lessons(analysis.words.arms, builder, setting)
    assert [*asked] == [("a", 3), ("a", 4)]
    typed = Spec.from_config(expzoo.compose(*WORDS, "dataset=digits", "optimizer=rmsprop", "model.depth=1"))
    for lesson in asked.values():
        assert lesson.inner == typed.replace(seed=lesson.seed)
        assert (lesson.outer_steps, lesson.inner_networks, lesson.last_losses, lesson.hidden) == (3, 2, 5, 4)
    assert len({lesson.seed for lesson in asked.values()} | {3, 4}) == 4
    plain = builder.spec(start.replace(seed=3), Cell("a"))
    assert plain.model["activation"] == "relu"
    builder.learned({("a", 3): "learned:aaaaaaaa:x", ("a", 4): "learned:bbbbbbbb:x"})
    used = [builder.spec(start.replace(seed=seed), Cell("a")).model["activation"] for seed in (3, 4, 11)]
    assert used == ["learned:aaaaaaaa:x", "learned:bbbbbbbb:x", "learned:bbbbbbbb:x"]
    assert builder.spec(start.replace(seed=3), Cell("relu")) == start.replace(seed=3)


UNLEARNABLE: dict[str, tuple[dict[str, Any], str]] = {
    "no rmsprop": ({"dataset": "digits"}, "trained by rmsprop"),
    "no such option": ({"optimizer": "rmsprop", "model.widht": 3}, "learn.activation.from.model.widht"),
    "too short": ({"optimizer": "rmsprop", "stop.steps": 2}, "last_losses 5 must be from 1 to the 2 inner steps"),
    "other data": ({"optimizer": "rmsprop", "dataset": "digits", "model": "cnn1d"}, "learn.activation.from: "),
}


@pytest.mark.parametrize("name", UNLEARNABLE)
def test_what_cannot_be_learned_is_said_before_anything_is(start: Spec, name: str) -> None:
    settings, said = UNLEARNABLE[name]
    learn = {"activation": {"from": settings, "last_losses": 5, "noise": 0}}
    analysis = build("analysis", "contrast", arms={"a": {"learn": learn}})
    with pytest.raises(BadInput, match=re.escape(said)):
        next(analysis.measure(Setting(start, (0,), "smoke")))
