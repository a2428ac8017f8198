"""Bad input of what works after training: one clear line, exit code 2, nothing trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import expzoo
from expzoo.system.errors import BadInput

BAD = {
    "a pool smaller than the ensemble": (
        ("+experiment=deep_ensembles", "population.size=5"),
        "population.size 5: intervals of ensembles of 12 networks need a pool of one more: give population.size=13 or "
        "smaller analysis.deep_ensembles.sizes=[...]",
    ),
    "members with data of their own": (
        ("+experiment=deep_ensembles", "dataset.draw=member"),
        "analysis=deep_ensembles does not fit: it needs networks that see the same data: give dataset.draw=frozen",
    ),
    "a budget that cannot be split": (
        ("+experiment=memory_split", "analysis.memory_split.budgets=[50,100,200,300,400]"),
        "analysis=memory_split does not fit: a budget of 50 parameters is less than 1 x 63, the smallest that it is "
        "spent on with model=mlp: give larger budgets=[...]",
    ),
    "rates the wrong way round": (
        ("+experiment=two_patterns", "analysis.two_patterns.small=0.5"),
        "analysis.two_patterns: small 0.5 is not less than large 0.1",
    ),
    "two patterns without a patch": (
        ("+experiment=two_patterns", "dataset=mnist1d"),
        "analysis=two_patterns does not fit: it needs dataset=two_patterns, not mnist1d",
    ),
    "labels that cannot be random": (
        ("+experiment=random_labels", "dataset=two_patterns"),
        "experiment/random_labels.yaml:45: analysis.contrast: arms.random_labels.dataset.label_noise: dataset has no "
        "label_noise: known: alone_scale, batch_size, common, draw, groups, of, redraw, seed, separation, size, "
        "test_size, train_size\n"
        "experiment/random_labels.yaml:45: analysis.contrast: arms.random_labels.dataset.noise_labels: dataset has no "
        "noise_labels: known: alone_scale, batch_size, common, draw, groups, of, redraw, seed, separation, size, "
        "test_size, train_size",
    ),
    "an image model on signals": (
        ("+experiment=random_labels", "model=resnet"),
        "model: resnet sees images (channels, height, width) of 8 x 8 pixels or more, not inputs (40,)",
    ),
    "a depth that is none": (
        ("dataset=textures", "model=wide_resnet", "model.depth=15"),
        "model: depth 15 must be 6 n + 4 for n blocks a stage: 10, 16, 22, 28, ...",
    ),
    "more validation images than there are": (
        ("dataset=textures", "dataset.train_size=900000", "dataset.validation_size=200000"),
        "dataset: train_size 900000 and validation_size 200000 are more than 1000000",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_it_is_refused(command_line: Any, tmp_path: Path, name: str) -> None:
    words, said = BAD[name]
    ended = command_line.type(*words, "budget=smoke", folder=tmp_path)
    lines = said.splitlines()
    assert (ended.code, ended.err[: len(lines)]) == (2, lines)  # what would fit may follow
    assert not list(tmp_path.rglob("*.safetensors"))


def test_without_the_file_nothing_else_is_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXPZOO_DATA", str(tmp_path))
    (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"<!DOCTYPE html><title>Sign in</title>")
    with pytest.raises(BadInput, match=r"cifar-10-binary\.tar\.gz: it is a page of the web, not data") as refusal:
        expzoo.run(expzoo.compose("dataset=cifar10", "model=resnet"))
    assert len(str(refusal.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]
