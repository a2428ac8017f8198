"""What every metric and probe keeps, how they are named, and each shipped one against a second implementation."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from scipy.special import log_softmax, softmax
from torch import Tensor

from expzoo.analysis.cohort import Cohort
from expzoo.config import registry
from expzoo.config.presets import groups
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure, component, full_name, probe
from expzoo.spec.spec import Spec
from expzoo.spec.when import every
from expzoo.system.errors import BadInput, PluginError

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab
    from expzoo.spec.spec import Spec

METRICS, PROBES = registry.available("metric"), registry.available("probe")
OF_CELLS = {"board_accuracy", "board_success", "cell_accuracy", "living_cells"}  # of targets of 0 and 1: test_life.py
OF_VALUES = {"squared_error"}
OF_LABELS = [name for name in METRICS if name not in OF_CELLS | OF_VALUES]


def outputs_and_targets(n: int = 50, classes: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return 3 * torch.randn(n, classes, generator=generator), torch.randint(classes, (n,), generator=generator)


# What all keep.


def test_no_two_share_a_name() -> None:
    names = [*METRICS, *PROBES, "loss"]
    assert len(names) == len(set(names)) >= 12


@pytest.mark.parametrize("name", [name for name in METRICS if name not in OF_VALUES])
def test_a_metric_is_a_number_that_does_not_depend_on_the_order_of_examples(name: str) -> None:
    metric = registry.build("metric", name)
    outputs, targets = outputs_and_targets()
    kept = outputs.clone(), targets.clone()
    value = metric(outputs, targets)
    assert isinstance(value, float)
    assert math.isfinite(value)
    assert torch.equal(outputs, kept[0])
    assert torch.equal(targets, kept[1])
    order = torch.randperm(50)
    assert metric(outputs[order], targets[order]) == pytest.approx(value, rel=1e-6)
    assert metric(outputs.double(), targets) == pytest.approx(value, rel=1e-5)
    assert math.isfinite(metric(outputs[:1], targets[:1]))


@pytest.mark.parametrize("name", OF_LABELS)
def test_one_output_is_the_logit_of_class_1(name: str) -> None:
    metric = registry.build("metric", name)
    outputs, targets = outputs_and_targets(classes=2)
    one = outputs[:, 1:] - outputs[:, :1]
    assert metric(one, targets) == pytest.approx(metric(outputs, targets), rel=1e-5)


@pytest.mark.parametrize("name", OF_LABELS)
@pytest.mark.parametrize(
    ("targets", "why"),
    [
        (torch.rand(50), "are not class labels"),
        (torch.zeros(50, 4), "are not class labels"),
        (torch.full((50,), 4), "targets from 4 to 4 are not labels of 4 classes"),
        (torch.full((50,), -1), "targets from -1 to -1 are not labels of 4 classes"),
    ],
)
def test_a_metric_of_labels_refuses_other_targets(name: str, targets: Tensor, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        registry.build("metric", name)(outputs_and_targets()[0], targets)


@pytest.mark.parametrize("name", [name for name in METRICS if name not in OF_VALUES])
def test_outputs_that_are_sure_overflow_nothing(name: str) -> None:
    _, targets = outputs_and_targets()
    outputs = 1e30 * torch.nn.functional.one_hot(targets, 4).float()
    assert math.isfinite(registry.build("metric", name)(outputs, targets))


# Each against a second implementation.


def calibration(p: np.ndarray, y: np.ndarray, bins: int) -> float:
    confidence, right = p.max(1), p.argmax(1) == y
    total = 0.0
    for low in np.arange(bins) / bins:
        inside = (confidence > low) & (confidence <= low + 1 / bins)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return 100 * total


ORACLES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda f, y: 100 * np.mean(f.argmax(1) == y),
    "error": lambda f, y: 100 * np.mean(f.argmax(1) != y),
    "nll": lambda f, y: -np.mean([log_softmax(row)[label] for row, label in zip(f, y, strict=True)]),
    "brier": lambda f, y: np.mean(((softmax(f, 1) - np.eye(f.shape[1])[y]) ** 2).sum(1)),
    "margin": lambda f, y: min(row[label] - max(np.delete(row, label)) for row, label in zip(f, y, strict=True)),
    "violations": lambda f, y: (
        100 * np.mean([row[label] - max(np.delete(row, label)) < 1 for row, label in zip(f, y, strict=True)])
    ),
    "entropy": lambda f, y: -np.mean((softmax(f, 1) * log_softmax(f, 1)).sum(1)),
    "calibration_error": lambda f, y: calibration(softmax(f, 1), y, 15),
    "calibration_error(bins=4)": lambda f, y: calibration(softmax(f, 1), y, 4),
}


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("seed", range(3))
def test_metrics_are_what_they_say(name: str, seed: int) -> None:
    outputs, targets = outputs_and_targets(seed=seed)
    expected = ORACLES[name](outputs.double().numpy(), targets.numpy())
    assert component(name).build()(outputs.double(), targets) == pytest.approx(expected, rel=1e-9)


def test_an_error_of_values_is_what_it_says_and_what_a_constant_gets() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs, targets = (torch.randn(20, 3, dtype=torch.float64, generator=generator) for _ in range(2))
    metric = component("squared_error").build()
    expected = sum((o - t) ** 2 for o, t in zip(outputs.flatten().tolist(), targets.flatten().tolist(), strict=True))
    assert metric(outputs, targets) == pytest.approx(expected / 60, rel=1e-12)
    assert metric(outputs[:, :1], targets[:, 0]) == pytest.approx(metric(outputs[:, :1], targets[:, :1]), rel=1e-12)
    constant = targets.mean(0).expand(20, 3)
    assert metric.chance(targets.numpy(), 3) == pytest.approx(metric(constant, targets), rel=1e-12)


def test_a_confidence_on_the_edge_belongs_to_the_lower_bin() -> None:
    outputs = torch.tensor([[0.0, 0.0]] * 4 + [[0.0, 9.0]] * 4)
    sure = torch.sigmoid(torch.tensor(9.0)).item()
    error = registry.build("metric", "calibration_error", bins=2)(outputs, torch.zeros(8, dtype=torch.long))
    assert error == pytest.approx(100 * (4 * 0.5 + 4 * sure) / 8)


def test_every_shipped_metric_has_such_a_test() -> None:
    assert {component(name).name for name in ORACLES} >= set(OF_LABELS)


def test_known_values() -> None:
    nothing, targets = torch.zeros(8, 4), torch.tensor([0, 1, 2, 3] * 2)
    values = {name: registry.build("metric", name)(nothing, targets) for name in METRICS if name not in OF_VALUES}
    assert values["accuracy"] == 25.0
    assert values["error"] == 75.0
    assert values["nll"] == values["entropy"] == pytest.approx(math.log(4))
    assert values["brier"] == pytest.approx(0.75)
    assert values["margin"] == 0.0
    assert values["violations"] == 100.0
    assert values["calibration_error"] == pytest.approx(0.0)


# Names.


def test_a_name_and_its_options() -> None:
    assert full_name(component("accuracy")) == "accuracy"
    same = ("calibration_error", "calibration_error()", "calibration_error(bins=15)", "calibration_error( bins = 15 )")
    assert {full_name(component(name)) for name in same} == {"calibration_error(bins=15)"}
    assert full_name(component("calibration_error(bins=3)")) == "calibration_error(bins=3)"
    assert probe("sharpness", "train", every(5), examples=10) == Measure("sharpness(examples=10)", "train", every(5))


@pytest.mark.parametrize(
    ("metric", "split", "why"),
    [
        ("acuracy", "test", "there is no metric or probe called acuracy: did you mean accuracy?"),
        ("los", "test", "there is no metric or probe called los: did you mean loss?"),
        ("sharpnes", "train", "there is no metric or probe called sharpnes: did you mean sharpness?"),
        ("calibration_error(bin=3)", "test", "calibration_error has no bin: did you mean bins?"),
        ("calibration_error(bins=0)", "test", "calibration_error.bins must be a whole number from 1 to 10000, not 0"),
        ("accuracy(3)", "test", "'accuracy(3)' is no name of a metric or probe"),
        ("accuracy test", "test", "'accuracy test' is no name"),
        ("calibration_error(bins=open('x'))", "test", "is no name of a metric or probe"),
        ("x.y(z=1)", "test", "'x.y(z=1)' is no name"),
        ("", "test", "'' is no name"),
        ("(" * 500, "test", "is no name"),
        ("accuracy", "", "accuracy is measured on a split: name one"),
        ("loss", "", "loss is measured on a split: name one"),
        ("sharpness", "", "sharpness is measured on a split: name one"),
        ("norm", "test", "norm sees the weights alone: its split is '', not 'test'"),
    ],
)
def test_what_cannot_be_measured_is_refused_when_it_is_asked_for(metric: str, split: str, why: str) -> None:
    with pytest.raises(BadInput, match=re.escape(why)):
        Measure(metric, split)


def test_labels_name_what_the_numbers_mean(base: Spec) -> None:
    label = Measure().label(base)
    assert label.startswith("accuracy/test/")
    assert Measure("accuracy", "test", every(3)).label(base) == label
    assert Measure("calibration_error").label(base) == Measure("calibration_error(bins=15)").label(base)
    looked = base.replace(dataset={"test_size": 7})
    different = (Measure("error"), Measure(split="train"), Measure("loss"), probe("norm"), Measure("calibration_error"))
    assert len({label, Measure().label(looked), *(measure.label(base) for measure in different)}) == 7


PLUGIN = """
from expzoo.plugin import register

@register
class Mine:
    CACHE_VERSION = 2
    on_split = False

    def __call__(self, *seen):
        BODY
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, str], Path]:
    """Puts a plugin of this test's own into a home."""
    monkeypatch.setenv("EXPZOO_PLUGINS", str(tmp_path))

    def write(folder: str, name: str, body: str) -> Path:
        file = tmp_path / folder / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(PLUGIN.replace("BODY", body))
        registry._index.cache_clear()
        return file

    return write


def test_a_plugin_of_ones_own(mine: Callable[..., Path], base: Spec, open_lab: Callable[..., Lab]) -> None:
    mine("metrics", "mean_output", "return seen[0].mean()")
    mine("probes", "largest", "return seen[0].row.abs().max()")
    assert Measure("mean_output").label(base).startswith("mean_output:v2/test/")
    [network] = open_lab().train(Request((base,), (Measure("mean_output"), probe("largest"))))
    assert network.value("largest", "") == np.abs(network.row()).max()
    assert network.value("mean_output") == pytest.approx(Cohort([network]).predict().mean().item())


def test_a_plugin_that_raises(mine: Callable[..., Path], base: Spec, open_lab: Callable[..., Lab]) -> None:
    mine("metrics", "refusing", "raise ValueError('too few examples')")
    file = mine("metrics", "broken", "return seen[9]")
    [network] = open_lab().train([base])
    with pytest.raises(BadInput, match="refusing on test: too few examples"):
        Cohort([network]).measure("refusing")
    with pytest.raises(PluginError, match=r"metric=broken .* raised while it was measured") as caught:
        Cohort([network]).measure("broken")
    assert caught.value.file == file
    assert isinstance(caught.value.__cause__, IndexError)


def test_a_metric_and_a_probe_of_one_name(mine: Callable[..., Path]) -> None:
    files = mine("metrics", "both", "return 0"), mine("probes", "both", "return 0")
    with pytest.raises(BadInput, match=f"a metric and a probe are called both: {files[0]} and {files[1]}"):
        Measure("both")


def test_the_training_loss_keeps_its_name_and_its_number(base: Spec, open_lab: Callable[..., Lab]) -> None:
    smooth = base.replace(loss=Component.of("loss", "cross_entropy", label_smoothing=0.1))
    [plain, smoothed] = open_lab().train(Request((base, smooth), (Measure("loss"), Measure("nll"))))
    assert plain.value("nll") == pytest.approx(plain.value("loss"), rel=1e-5)
    assert smoothed.value("loss") > smoothed.value("nll") + 0.01


def test_they_are_listed_and_shown_and_are_no_part_of_a_config(capsys: pytest.CaptureFixture[str]) -> None:
    from expzoo.cli import catalogue

    assert catalogue.main("list", []) == 0
    listed = capsys.readouterr().out
    for name in (*METRICS, *PROBES):
        assert f"\n  {name:<20} " in listed
    assert catalogue.main("list", ["probes"]) == 0
    assert capsys.readouterr().out.startswith("probes:")
    assert catalogue.main("show", ["calibration_error"]) == 0
    assert "  calibration_error.bins=15 " in capsys.readouterr().out
    assert not {"metric", "probe"} & set(groups())
