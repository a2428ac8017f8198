"""Lessons as data: their keys, who goes together, and that the experiments that share one mean the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import expzoo
from expzoo.analysis.contract import Findings, Setting
from expzoo.analysis.studies.metalearning.learning_rate import LearnLearningRate
from expzoo.config.identity import plain
from expzoo.config.registry import build
from expzoo.lab.lesson import Lessons, crowds
from expzoo.lab.request import Request
from expzoo.runs.dry_run import show_plan
from expzoo.spec.component import Component
from expzoo.spec.spec import Spec
from expzoo.system.randomness import member_seed

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab


def rates(base: Spec) -> list[LearnLearningRate]:
    inner = base.replace(optimizer=Component.of("optimizer", "sgd", momentum=0.0), stop={"steps": 3})
    return [
        LearnLearningRate(inner=inner.replace(seed=seed), outer_steps=2, outer_lr=0.1, start=start)
        for seed in (1, 2)
        for start in (0.5, 0.1)
    ]


def test_what_changes_the_result_changes_the_key_and_memory_does_not(base: Spec) -> None:
    lesson = rates(base)[0]
    others = [replace(lesson, **change) for change in ({"start": 0.6}, {"outer_steps": 3}, {"outer_lr": 0.2})]
    others.append(replace(lesson, inner=lesson.inner.replace(model={"width": 21})))
    assert len({lesson.key, *(other.key for other in others)}) == 5
    assert replace(lesson, checkpoint_every=7).key == lesson.key
    assert lesson.alias() == lesson.key[:8]


def test_seeds_and_starts_go_together_and_nothing_else(base: Spec) -> None:
    lessons = rates(base)
    longer = [replace(lesson, outer_steps=5) for lesson in lessons]
    assert [len(crowd) for crowd in crowds(lessons + longer)] == [4, 4]


@pytest.mark.parametrize("budget", ["smoke", "laptop", "paper"])
def test_both_experiments_of_an_activation_learn_the_same(budget: str) -> None:
    asked = {}
    for name in ("metalearn_activation", "activation_transfer"):
        config = plain(expzoo.compose(f"+experiment={name}", f"budget={budget}"))
        options = {k: v for k, v in config["analysis"][name].items() if k != "name"}
        if name == "activation_transfer":
            options["datasets"] = ["digits"]
        setting = Setting(Spec.from_config(config), (member_seed(0, 0),), budget)
        request = next(build("analysis", name, **options).measure(setting))
        assert isinstance(request, Lessons)
        asked[name] = [lesson.key for lesson in request.lessons]
    assert asked["metalearn_activation"] == asked["activation_transfer"]


def test_lessons_and_networks_are_asked_for_side_by_side(base: Spec, open_lab: Callable[..., Lab]) -> None:
    def learns() -> object:
        learned = yield Lessons(tuple(rates(base)))
        networks = yield Request((base.replace(stop={"steps": 2}),), ())
        return [len(learned), networks[0].step]

    def trains() -> object:
        networks = yield Request((base.replace(stop={"steps": 4}),), ())
        return networks[0].step

    assert open_lab().run_together([learns(), trains()]) == [[4, 2], 4]  # type: ignore[list-item]


def test_the_plan_names_lessons(base: Spec, open_lab: Callable[..., Lab], capsys: pytest.CaptureFixture[str]) -> None:
    def asks() -> object:
        yield Lessons(tuple(rates(base)))
        return Findings()

    lab = open_lab()
    show_plan(lab, [asks()])  # type: ignore[list-item]
    assert "lessons   4, to be learned 4: about" in capsys.readouterr().out
    assert lab.account.trained == set()
