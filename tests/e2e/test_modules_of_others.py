"""Ordinary modules from ./plugins, of every common layer: from the command line to derivatives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import torch
from tests.places import Place, run_in
from torch import nn

from expzoo.analysis.cohort import Cohort
from expzoo.config.registry import build
from expzoo.lab.lab import Lab
from expzoo.spec.component import Component
from expzoo.spec.spec import Spec
from expzoo.store.store import Store
from expzoo.system.machine import machine_class
from expzoo.system.randomness import member_seed
from expzoo.testing import check_plugin

MIXED = '''"""A module as one writes it, without a thought of populations."""

from torch import nn

from expzoo.plugin import Count, register


@register
class Mixed(nn.Module):
    """Images through a convolution, a recurrent layer over its rows, and attention."""

    def __init__(self, inputs, outputs, *, width: Count = 4) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(inputs[0], width, 3, padding=1, bias=False), nn.BatchNorm2d(width)
        self.pool, self.drop = nn.MaxPool2d(2), nn.Dropout(0.2)
        self.lstm = nn.LSTM(width * inputs[2] // 2, width, 2, dropout=0.1, batch_first=True)
        self.attention, self.after = nn.MultiheadAttention(width, 2, dropout=0.1, batch_first=True), nn.LayerNorm(width)
        self.last = nn.LazyLinear(outputs)

    def forward(self, x):
        x = self.drop(self.pool(self.norm(self.conv(x)).relu()))
        x, _ = self.lstm(x.transpose(1, 2).flatten(2))
        x = self.after(x + self.attention(x, x, x, need_weights=False)[0])
        return self.last(x.mean(1))
'''
WORDS = '''"""Sums of tokens."""

import numpy as np

from expzoo.plugin import Arrays, Count, integers, register


@register
class Sums(Arrays):
    """Three tokens below 7, whose class is their sum modulo 3."""

    def __init__(self, *, batch_size: Count = 25) -> None:
        drawn = integers(0, "sums", 0, 3 * 400, 7).reshape(400, 3)
        drawn = np.unique(drawn, axis=0)
        labels = drawn.sum(1) % 3
        test = np.arange(len(drawn)) % 4 == 0
        splits = {"train": (drawn[~test], labels[~test]), "test": (drawn[test], labels[test])}
        super().__init__(batch_size, tokens=True, **splits)
'''
EMBEDDED = '''"""Tokens."""

from torch import nn

from expzoo.plugin import register


@register
class Embedded(nn.Module):
    """An embedding of each token, and two layers."""

    def __init__(self, inputs, outputs) -> None:
        super().__init__()
        self.embedding = nn.Embedding(7, 4)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(4 * inputs[0], 16), nn.GELU(), nn.Linear(16, outputs))

    def forward(self, tokens):
        return self.layers(self.embedding(tokens))
'''
PRUNED = '''"""Half of a layer."""

from torch import nn
from torch.nn.utils import prune, weight_norm

from expzoo.plugin import register


@register
class Pruned(nn.Module):
    """Two layers, the first of which is not what its parameters are."""

    def __init__(self, inputs, outputs, *, norm: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, outputs))
        if norm:
            weight_norm(self.layers[3])
        else:
            prune.l1_unstructured(self.layers[3], "weight", 0.5)

    def forward(self, x):
        return self.layers(x)
'''
FILES = {"models/pruned": PRUNED, "models/mixed": MIXED, "datasets/sums": WORDS, "models/embedded": EMBEDDED}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A working directory with these plugins, which is the current one."""
    folder = tmp_path_factory.mktemp("working")
    for name, source in FILES.items():
        file = folder / "plugins" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield Place(folder, warm=True)


def specs(dataset: Component, model: str, steps: int) -> list[Spec]:
    parts = {
        "optimizer": Component.of("optimizer", "adam"),
        "schedule": Component.of("schedule", "constant"),
        "loss": Component.of("loss", "cross_entropy"),
        "stop": Component.of("stop", "steps", steps=steps),
    }
    return [
        Spec(seed=member_seed(0, i), dataset=dataset, model=Component.of("model", model), **parts) for i in range(2)
    ]


@pytest.mark.usefixtures("place")
def test_a_module_of_common_layers_keeps_the_contract() -> None:
    base = specs(Component.of("dataset", "digits", train_size=99, batch_size=33), "mixed", 6)[0]
    check_plugin("model", "mixed", base)


@pytest.mark.usefixtures("place")
def test_tokens_and_their_embedding_keep_the_contract() -> None:
    check_plugin("dataset", "sums")
    check_plugin("model", "embedded", specs(Component.of("dataset", "sums"), "embedded", 6)[0])


@pytest.mark.usefixtures("place")
def test_tokens_are_learned_and_differentiated(tmp_path: Path) -> None:
    networks = Lab(Store(tmp_path, machine_class())).train(specs(Component.of("dataset", "sums"), "embedded", 400))
    cohort = Cohort(networks, dtype="float64")
    assert min(cohort.accuracy(split="train")) > 95
    data = build("dataset", "sums").split("train", 0)
    x, y = torch.tensor(data.x), torch.tensor(data.y)
    assert x.dtype == torch.int64
    for network, found, each in zip(networks, cohort.grad(), cohort.per_example_grad(), strict=True):
        module = network.module().double()
        nn.functional.cross_entropy(module(x), y).backward()
        expected = cohort.layout.view(torch.zeros(cohort.layout.size, dtype=torch.float64))
        for name, value in cohort.layout.view(found).items():
            expected[name].copy_(module.get_parameter(name).grad)
            torch.testing.assert_close(value, expected[name], rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(each.mean(0), found, rtol=1e-9, atol=1e-12)
    step, vectors = 1e-6, nn.functional.normalize(cohort.grad())
    ahead, behind = (cohort.grad(cohort.rows + sign * step * vectors) for sign in (1, -1))
    torch.testing.assert_close(cohort.hvp(None, vectors), (ahead - behind) / (2 * step), rtol=1e-5, atol=1e-7)


def test_both_are_trained_from_the_command_line(place: Place) -> None:
    short = ("population.size=3", "stop.steps=20", "budget=smoke")
    for words in (("model=mixed", "dataset=digits", "dataset.train_size=200"), ("model=embedded", "dataset=sums")):
        run = run_in(place, *words, *short)
        accuracies = pl.read_parquet(run.directory / "records.parquet").filter(pl.col("metric") == "accuracy")
        assert accuracies["value"].is_not_nan().all()
        assert len(accuracies) >= 3


@pytest.mark.parametrize(
    ("norm", "instead"), [("false", "parametrisation=masked"), ("true", "parametrizations.weight_")]
)
def test_what_is_no_row_of_parameters_is_refused_in_one_line_before_any_training(
    place: Place, norm: str, instead: str
) -> None:
    ended = place.type("model=pruned", f"model.norm={norm}", "dataset=digits", "budget=smoke")
    [line] = ended.err.splitlines()
    assert ended.code == 2
    assert line.startswith("Pruned ")
    assert instead in line
