"""What a contrast measures: how it is written, and what it is of a trained network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch.nn.functional import cross_entropy

from expzoo.analysis.contract import Setting
from expzoo.analysis.studies.contrast.asking import predicted
from expzoo.analysis.studies.contrast.looks import Look
from expzoo.config.registry import build
from expzoo.lab.request import Request
from expzoo.spec.measure import Measure
from expzoo.spec.score import Score
from expzoo.spec.spec import Fresh, Spec
from expzoo.spec.when import every
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.lab.trained import Trained

SCORE = Score("accuracy", "%", higher_is_better=True)
TOTAL = 60

FORMS: dict[str, dict[str, Any]] = {
    "score/test": {"metric": "score", "split": "test", "when": "late"},
    "loss/train": {"metric": "loss", "split": "train", "when": "late"},
    "norm": {"metric": "norm", "split": "", "when": "late"},
    "norm at start": {"metric": "norm", "when": "start"},
    "sharpness(examples=50)/train at end": {"metric": "sharpness(examples=50)", "split": "train", "when": "end"},
    "loss/train at step 100": {"when": "step", "place": 100.0},
    "loss/train at 30 %": {"when": "percent", "place": 30.0},
    "loss/train at 2.5%": {"when": "percent", "place": 2.5},
    "score/test at best score/validation": {"when": "best", "chooses": ("score", "validation")},
    "error/test at best loss/train": {"when": "best", "chooses": ("loss", "train")},
    "score/test at first loss/train <= 0.1": {"when": "first", "chooses": ("loss", "train"), "below": True},
    "score/test at first score/validation>=90": {"when": "first", "place": 90.0, "below": False},
    "steps to loss/train <= 0.1": {"when": "steps", "place": 0.1, "below": True, "metric": "loss"},
    "steps to score/validation>=90": {"when": "steps", "place": 90.0, "below": False},
    "steps to loss/train <= 1e-3": {"when": "steps", "place": 0.001},
    "error/test at peak": {"when": "peak", "metric": "error", "split": "test"},
    "loss/train at valley": {"when": "valley", "extreme": ""},
    "steps to peak calibration_error(bins=30)/test": {
        "when": "steps",
        "extreme": "peak",
        "metric": "calibration_error(bins=30)",
        "split": "test",
    },
    "steps to best loss/validation": {"when": "steps", "extreme": "best", "metric": "loss", "split": "validation"},
    "score/test of ensemble(8)": {"members": 8, "when": "late"},
    "score/test at end of ensemble(8)": {"members": 8, "when": "end"},
    "calibrated nll/test": {"calibrated": True, "metric": "nll", "members": 1},
    "calibrated calibration_error(bins=30)/test of ensemble(3)": {"calibrated": True, "members": 3},
    "  score/test  ": {"metric": "score"},
}


@pytest.mark.parametrize("text", FORMS)
def test_every_form_is_read(text: str) -> None:
    look = Look.parse(text)
    assert {name: getattr(look, name) for name in FORMS[text]} == FORMS[text]


REFUSED = {
    "": "'' is no measure",
    "accuracy": "accuracy is measured on a split: name one",
    "score": "'score' is measured on a split: name one, such as score/test",
    "scor/test": "there is no metric or probe called scor: did you mean score?",
    "acuracy/test": "there is no metric or probe called acuracy: did you mean accuracy?",
    "accuracy(x=1)/test": "accuracy has no x",
    "norm/train": "norm sees the weights alone: its split is '', not 'train'",
    "sharpness": "sharpness is measured on a split: name one",
    "score/test at best score/test": "test data may not choose a step: take validation",
    "score/test at best acuracy/validation": "there is no metric or probe called acuracy",
    "score/test at": "is no measure",
    "score/test at first loss/train": "is no measure",
    "score/test at first score/test >= 9": "test data may not choose a step: take validation",
    "score/test at step": "is no measure",
    "score/test at step -1": "is no measure",
    "score/test at step 1.5": "is no measure",
    "score/test at 101 %": "lies beyond the end of the training",
    "score/test at 30 % of ensemble(3)": "an ensemble or a temperature is of metrics at the end of the training",
    "calibrated score/test at start": "an ensemble or a temperature is of metrics at the end",
    "calibrated sharpness/train": "an ensemble or a temperature is of metrics at the end",
    "calibrated loss/test": "an ensemble or a temperature is of metrics at the end",
    "score/test of ensemble(0)": "an ensemble has from 1 to 100 members",
    "score/test of ensemble(1000000000)": "an ensemble has from 1 to 100 members",
    "steps to loss/train < 0.1": "is no measure",
    "steps to peak error": "is no measure",
    "steps to best error": "is no measure",
    "steps to peak acuracy/test": "there is no metric or probe called acuracy",
    "error/test at peak of ensemble(3)": "an ensemble or a temperature is of metrics at the end of the training",
    "steps to loss/train <= 1e999": "is no measure",
    "steps to loss/train <= nan": "is no measure",
    "steps to acuracy/train >= 1": "there is no metric or probe called acuracy",
    "score/test\nat end": "is no measure",
    "__import__('os').system('x')/test": "is no measure",
    "exec(a=1)/test": "there is no metric or probe called exec",
    "äccuracy/test": "is no measure",
    "(" * 5000: "is no measure",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40])
def test_what_cannot_be_measured_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        Look.parse(text)
    assert REFUSED[text] in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.fixture
def validated(base: Spec) -> Spec:
    return base.replace(dataset={"validation_size": 100, "num_samples": 600})


@pytest.fixture
def trained(validated: Spec, open_lab: Callable[..., Any]) -> tuple[Trained, dict[Measure, dict[int, float]]]:
    """A network that was looked at after every step, and what was seen."""
    looked = [("accuracy", "test"), ("accuracy", "validation"), ("loss", "train"), ("norm", "")]
    measures = tuple(Measure(metric, split, every(1)) for metric, split in looked)
    [network] = open_lab().train(Request((validated,), measures))
    return network, {measure: network.curve(measure.metric, measure.split) for measure in measures}


def test_values_are_those_of_the_curve(trained: Any) -> None:
    network, curves = trained
    test, validation, loss, norm = curves.values()
    late = [54, 56, 57, 58, 60]  # 54, 55.5, 57, 58.5, 60, rounded to even
    best = max(range(TOTAL + 1), key=lambda step: (validation[step], -step))
    least = min(range(TOTAL + 1), key=lambda step: (loss[step], step))
    reached = next(step for step in range(TOTAL + 1) if loss[step] <= 2.0)
    rises = [(test[b] - test[a], b, a) for b in range(TOTAL + 1) for a in range(b + 1)]
    highest = max(rise for rise, _, _ in rises)
    peak, valley = next((b, a) for rise, b, a in sorted(rises, key=lambda one: one[1:]) if rise == highest)
    expected = {
        "score/test at peak": test[peak],
        "score/test at valley": test[valley],
        "steps to peak score/test": peak,
        "steps to best score/validation": best,
        "steps to best loss/train": least,
        "norm at start": norm[0],
        "score/test": np.mean([test[step] for step in late]),
        "score/test at start": test[0],
        "score/test at end": test[TOTAL],
        "norm at step 7": norm[7],
        "norm at 30 %": norm[18],
        "norm at 0 %": norm[0],
        "score/test at best score/validation": test[best],
        "score/test at best loss/train": test[least],
        "score/test at first loss/train <= 2.0": test[reached],
        "norm at first score/validation >= 0": norm[0],
        "score/test at first loss/train <= -1": math.inf,
        "steps to loss/train <= 2.0": reached,
        "steps to loss/train <= -1": math.inf,
        "steps to score/validation >= 0": 0,
    }
    assert {text: Look.parse(text).on(SCORE).value(network) for text in expected} == pytest.approx(expected)


def test_what_others_looked_at_changes_nothing(trained: Any, validated: Spec, open_lab: Callable[..., Any]) -> None:
    """A store that has more looks of the same network, and other measures of the same metric."""
    texts = ["score/test", "steps to loss/train <= 2.0", "loss/train at best score/validation", "score/validation"]
    longer = validated.replace(stop={"steps": 130})  # every third step is looked at, and the late ones are no multiples
    looks = [Look.parse(text).on(SCORE) for text in texts]
    alone = []
    for index, look in enumerate(looks):
        [network] = open_lab(f"alone{index}").train(Request((longer,), look.measures(130)))
        alone.append(look.value(network))
    others = tuple(Measure(*what, every(1)) for what in [("accuracy", "test"), ("loss", "train")])
    measures = tuple(measure for look in looks for measure in look.measures(130))
    [network] = open_lab("full").train(Request((longer,), (*others, *measures)))
    assert [look.value(network) for look in looks] == alone


def test_a_network_that_diverged_has_no_value(validated: Spec, open_lab: Callable[..., Any]) -> None:
    texts = ["score/test", "score/test at end", "score/test at best score/validation", "steps to loss/train <= 0.01"]
    texts += ["error/test at peak", "error/test at valley", "steps to peak error/test", "steps to best loss/train"]
    looks = [Look.parse(text).on(SCORE) for text in texts]
    wild = validated.replace(optimizer={"lr": 1e30})
    [network] = open_lab().train(Request((wild,), tuple(m for look in looks for m in look.measures(TOTAL))))
    assert network.diverged
    assert all(math.isnan(look.value(network)) for look in looks)


def logits(network: Trained, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    data = network.spec.dataset.build().split(split, network.spec.seed)
    with torch.no_grad():
        return network.module()(torch.tensor(data.x)).double(), torch.tensor(data.y)


def test_ensembles_and_temperatures_are_of_averaged_probabilities(
    validated: Spec, open_lab: Callable[..., Any]
) -> None:
    members = open_lab().train([validated, *(validated.replace(init=Fresh(draw=100 * i)) for i in (1, 2))])
    outputs = [logits(member, "test") for member in members]
    labels = outputs[0][1]
    mean = torch.stack([out.softmax(1) for out, _ in outputs]).mean(0)
    accuracy = 100 * (mean.argmax(1) == labels).double().mean()
    found = predicted(Look.parse("score/test of ensemble(3)").on(SCORE), members)
    assert found == pytest.approx(accuracy.item())

    def temperature(logits_: torch.Tensor, targets: torch.Tensor) -> float:
        loss = lambda log_t: cross_entropy(logits_ / math.exp(log_t), targets).item()  # noqa: E731
        return math.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-8}).x)

    for text, some in (("calibrated nll/test", members[:1]), ("calibrated nll/test of ensemble(3)", members)):
        held = torch.stack([logits(member, "validation")[0].softmax(1) for member in some]).mean(0).log()
        t = temperature(held, logits(members[0], "validation")[1])
        tested = torch.stack([out.softmax(1) for out, _ in outputs[: len(some)]]).mean(0).log()
        assert predicted(Look.parse(text), some) == pytest.approx(cross_entropy(tested / t, labels).item(), rel=1e-5)


def test_members_differ_in_their_start_and_are_told_from_others(validated: Spec, open_lab: Callable[..., Any]) -> None:
    options = {"measure": {"one": "score/test", "three": "score/test of ensemble(3)"}}
    findings = open_lab().run_together(
        [build("analysis", "contrast", **options).measure(Setting(validated, (1, 2), "smoke"))]
    )[0]
    by_seed = {(row["measure"], row["seed"]): row["value"] for row in findings.rows}
    assert len(by_seed) == 4
    for seed in (1, 2):
        specs = [validated.replace(seed=seed, init=Fresh(draw=100 * draw)) for draw in range(3)]
        assert by_seed["three", seed] == predicted(
            Look.parse("score/test of ensemble(3)").on(SCORE), open_lab().train(specs)
        )


def test_a_row_for_each_cell_seed_and_measure(validated: Spec, open_lab: Callable[..., Any]) -> None:
    options: dict[str, Any] = {
        "arms": {"a": {}, "b": {"stop.steps": 20}},
        "measure": {"score": "score/test", "wait": "steps to loss/train <= 0", "norm": "norm at end"},
        "claims": {"zoo.claim": {"greater": ["b", "a"], "of": "loss/train at end"}},
        "every": 10,
    }
    analysis = build("analysis", "contrast", **options)
    findings = open_lab().run_together([analysis.measure(Setting(validated, (1, 2), "smoke"))])[0]
    rows = [row for row in findings.rows if row["measure"] != "curve"]
    assert len(rows) == 3 * 2 * 4  # cells, of which one is a again; seeds; measures
    curve = {row["step"] for row in findings.rows if (row["measure"], row["arm"]) == ("curve", "b")}
    assert curve == {0, 10, 20}
    assert findings.arrays["worst/wait"].tolist() == [60, 20, 60]
    assert findings.arrays["chance/score"].tolist() == [10, 10, 10]
    assert np.isnan(findings.arrays["chance/norm"]).all()
