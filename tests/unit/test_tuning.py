"""Each arm at its best settings: seeds of its own, no test data, the best by brute force, said in the verdict."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from expzoo.analysis import tuning
from expzoo.analysis.contract import Setting
from expzoo.config.registry import build
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.score import Score
from expzoo.spec.spec import Magnitude, Spec
from expzoo.spec.when import at
from expzoo.store import records
from expzoo.system.errors import Unfit

SEEDS = (11, 12, 13, 14, 15)
GRID: dict[str, list[Any]] = {"optimizer.lr": [0.0001, 0.01, 1e30], "schedule": ["constant", "cosine"]}
ARMS: dict[str, Any] = {
    "dense": {},
    "narrow": {"model.width": 3},
    "ticket": {"mask": {"magnitude": {"of": "dense", "sparsity": 0.5}}},
}
CLAIMS: dict[str, Any] = {"zoo.claim": {"greater": ["ticket", "narrow"]}}


@pytest.fixture
def setting(base: Spec) -> Setting:
    small = base.replace(dataset={"validation_size": 100, "num_samples": 600}, stop={"steps": 40})
    return Setting(small, SEEDS, "smoke")


def at_point(spec: Spec, point: dict[str, Any]) -> Spec:
    schedule = Component.of("schedule", point["schedule"])
    return spec.replace(optimizer={"lr": point["optimizer.lr"]}, schedule=schedule)


def test_a_contrast_is_tuned_by_brute_force_with_seeds_of_its_own(
    setting: Setting, open_lab: Callable[..., Any]
) -> None:
    analysis = build("analysis", "contrast", arms=ARMS, tune=GRID, claims=CLAIMS)
    findings = open_lab().run_together([analysis.measure(setting)])[0]
    tried = [row for row in findings.rows if row["measure"] == "tuning"]
    judged = [row for row in findings.rows if row["measure"] != "tuning"]
    points = [dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())]
    seeds = {row["seed"] for row in tried}
    assert len(seeds) == tuning.SEEDS
    assert not seeds & {*SEEDS}
    assert len(tried) == 2 * len(points) * tuning.SEEDS  # a ticket is not tuned by itself
    assert {row["split"] for row in tried} == {"validation"}

    late = Measure("accuracy", "validation", at(36, 37, 38, 39, 40))
    chosen = {}
    for name, width in (("dense", 20), ("narrow", 3)):
        means = []
        for point in points:
            specs = tuple(at_point(setting.base.replace(seed=s, model={"width": width}), point) for s in sorted(seeds))
            networks = open_lab("brute").train(Request(specs, (late,)))
            scores = [
                10.0 if one.diverged else np.mean([v for s, v in one.curve("accuracy", "validation").items() if s > 35])
                for one in networks
            ]
            means.append(np.mean(scores))
        chosen[name] = points[int(np.argmax(means))]
    assert {point["optimizer.lr"] for point in chosen.values()} == {0.01}  # not the one at which all diverge
    chosen["ticket"] = chosen["dense"]
    expected = {
        (name, seed): at_point(setting.base.replace(seed=seed, model={"width": 3 if name == "narrow" else 20}), point)
        for name, point in chosen.items()
        for seed in SEEDS
    }
    keys = {(row["arm"], row["seed"]): row["key"] for row in judged if not row["again"]}
    for (name, seed), spec in expected.items():
        ticket = spec.replace(mask=Magnitude(spec, 0.5)) if name == "ticket" else spec
        assert keys[name, seed] == ticket.key

    [verdict] = analysis.judge(records.frame(findings.rows), findings.arrays)
    best = ", ".join(f"{key} {value}" for key, value in chosen["dense"].items())
    assert f"tuned on validation data: dense: {best}; narrow: " in verdict.note
    assert len([*analysis.draw(records.frame(findings.rows), findings.arrays)]) == 1


def test_by_the_training_loss_the_rate_is_that_with_the_least_of_it(
    setting: Setting, open_lab: Callable[..., Any]
) -> None:
    """On a handful of examples validation accuracy has another opinion; no validation data are needed or read."""
    bare = Setting(setting.base.replace(dataset={"validation_size": 0}), SEEDS, "smoke")
    rates = [0.0001, 0.003, 0.01, 1e30]
    tune = {"optimizer.lr": rates, "by": "loss/train"}
    analysis = build("analysis", "contrast", arms={"dense": {}, "narrow": {"model.width": 3}}, tune=tune, claims=OWN)
    assert "split validation" not in analysis.NEEDS
    lab = open_lab()
    findings = lab.run_together([analysis.measure(bare)])[0]
    tried = [row for row in findings.rows if row["measure"] == "tuning"]
    assert {(row["metric"], row["split"]) for row in tried} == {("loss", "train")}
    late = Measure("loss", "train", at(36, 37, 38, 39, 40))
    for name, width in (("dense", 20), ("narrow", 3)):
        means = []
        for rate in rates:
            seeds = sorted({row["seed"] for row in tried})
            specs = [bare.base.replace(seed=s, model={"width": width}, optimizer={"lr": rate}) for s in seeds]
            curves = [one.curve("loss", "train") for one in lab.train(Request(tuple(specs), (late,)))]
            ends = [
                np.mean([v for s, v in curve.items() if s >= 36]) if len(curve) >= 5 else math.inf for curve in curves
            ]
            means.append(np.mean(ends))
        best = rates[int(np.argmin(means))]
        assert {row["best"] for row in tried if row["arm"] == name} == {
            f"optimizer.lr {best}" + " (the edge of the grid)" * (best == min(rates))
        }
    [verdict] = analysis.judge(records.frame(findings.rows), findings.arrays)
    assert "tuned by the loss on training data: dense: optimizer.lr" in verdict.note


OWN: dict[str, Any] = {"zoo.claim": {"less": ["dense", "narrow"], "of": "loss/train at end"}}


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ({"optimizer.lr": [0.1], "by": "loss/test"}, "tune.by: loss/test cannot choose settings: write loss/train or"),
        ({"by": "loss/train"}, "tune: names no setting to try"),
    ],
    ids=str,
)
def test_test_data_choose_no_setting(tune: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match="tune") as refused:
        build("analysis", "contrast", arms={"dense": {}}, tune=tune)
    assert said in str(refused.value)


def tuned(setting: Setting, lab: Any, over: dict[str, list[Any]]) -> tuple[Any, list[Any]]:
    make = lambda spec, point: spec.replace(optimizer={"lr": point["optimizer.lr"]})  # noqa: E731
    return lab.run_together([tuning.tune(setting, {"arm": make}, over)])[0]


def test_test_data_are_never_read(
    setting: Setting, open_lab: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Any = type(setting.base.dataset.build())
    split, read = made.split, []

    def watched(self: Any, name: str, seed: int) -> Any:
        read.append(name)
        assert name != "test", "test data were read"
        return split(self, name, seed)

    monkeypatch.setattr(made, "split", watched)
    choices, _ = tuned(setting, open_lab(), {"optimizer.lr": [0.001, 0.01]})
    assert "validation" in read
    assert choices["arm"].settings == {"optimizer.lr": 0.01}


def test_looks_of_others_do_not_change_the_choice(setting: Setting, open_lab: Callable[..., Any]) -> None:
    lab = open_lab()
    choices, rows = tuned(setting, open_lab("alone"), {"optimizer.lr": [0.001, 0.01]})
    seen = Measure("accuracy", "validation", at(*range(41)))
    specs = [setting.base.replace(seed=row["seed"], optimizer={"lr": 0.01}) for row in rows]
    lab.train(Request(tuple(specs), (seen,)))
    again, same = tuned(setting, lab, {"optimizer.lr": [0.001, 0.01]})
    assert (again, same) == (choices, rows)


@pytest.mark.parametrize("chance", [10.0, math.nan])
def test_a_setting_that_diverges_is_never_better(
    setting: Setting, open_lab: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, chance: float
) -> None:
    monkeypatch.setattr(Score, "chance", lambda *_: chance)
    for rates in ([1e30, 0.01], [0.01, 1e30]):
        choices, _ = tuned(setting, open_lab(), {"optimizer.lr": rates})
        assert choices["arm"].settings == {"optimizer.lr": 0.01}


def test_the_edge_of_the_grid_is_said() -> None:
    over = {"optimizer.lr": [0.1, 0.2, 0.3], "schedule": ["constant", "cosine"], "model.width": [8]}
    for value, said in ((0.1, True), (0.2, False), (0.3, True)):
        point = {"optimizer.lr": value, "schedule": "cosine", "model.width": 8}
        assert tuning._at_edge(point, over) == said


def test_without_validation_data_it_does_not_fit(setting: Setting, open_lab: Callable[..., Any]) -> None:
    bare = Setting(setting.base.replace(dataset={"validation_size": 0}), SEEDS, "smoke")
    with pytest.raises(Unfit, match="tuned on validation data, and dataset=mnist1d: there is no validation split"):
        tuned(bare, open_lab(), {"optimizer.lr": [0.1, 0.2]})
    assert "split validation" in build("analysis", "contrast", tune=GRID).NEEDS


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ({"optimizer.lrr": [0.1]}, "tune.optimizer.lrr: optimizer has no lrr: did you mean lr?"),
        ({"dataset.batch_size": [10, 10000]}, "tune: dense with {'dataset.batch_size': 10000}: dataset: batch_size"),
        ({"schedule": ["cosin"]}, "tune.schedule: there is no schedule=cosin: did you mean cosine?"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_tried_are_said(setting: Setting, tune: dict[str, Any], said: str) -> None:
    analysis = build("analysis", "contrast", arms={"dense": {}}, tune=tune)
    with pytest.raises(Unfit) as refused:
        next(analysis.measure(setting))
    assert str(refused.value).startswith(f"analysis.contrast: {said}")


def test_analyses_change_a_spec_to_what_is_best_for_each_arm(setting: Setting, open_lab: Callable[..., Any]) -> None:
    arms: dict[str, Any] = {"wide": lambda spec: spec, "narrow": lambda spec: spec.replace(model={"width": 3})}
    asked = tuning.Tuning((0.0001, 0.01), ("cosine", "constant")).of(setting, arms)
    settled, rows = open_lab().run_together([asked])[0]
    assert len(rows) == 2 * 4 * tuning.SEEDS
    found = settled["wide"](setting.base)
    assert found.optimizer["lr"] == 0.01
    assert found.replace(optimizer=setting.base.optimizer, schedule=setting.base.schedule) == setting.base
    words = tuning.told(records.frame(rows))
    assert words.startswith("tuned on validation data: wide: rate 0.01, schedule ")
    assert "narrow: rate 0.01" in words


def test_where_nothing_is_tuned_nothing_is_trained(setting: Setting) -> None:
    asked = tuning.Tuning().of(setting, {"arm": lambda spec: spec})
    with pytest.raises(StopIteration) as ended:
        next(asked)
    settled, rows = ended.value.value
    assert (settled["arm"](setting.base), rows) == (setting.base, [])
    assert tuning.Tuning().needs == ()
    assert tuning.Tuning((0.1,)).needs == ("split validation", "optimizer.lr")


def test_robustness_changes_what_was_tuned(setting: Setting, open_lab: Callable[..., Any]) -> None:
    from expzoo.runs.robustness import varied

    lab, grid = open_lab(), tuning.Tuning((0.001, 0.01), ("constant", "cosine"))
    arms: dict[str, Any] = {"arm": lambda spec: spec}
    found = {
        word: lab.run_together([grid.of(again, arms)])[0][0]["arm"](again.base)
        for word, again in varied(setting, ["half_rate", "cosine", "constant"]).items()
    }
    plain = lab.run_together([grid.of(setting, arms)])[0][0]["arm"](setting.base)
    assert found["half_rate"].optimizer["lr"] == plain.optimizer.option("lr", float) / 2
    assert {word: spec.schedule.name for word, spec in found.items() if word != "half_rate"} == {
        "cosine": "cosine",
        "constant": "constant",
    }
