"""What cannot be trained is refused in one line each, before anything is trained and before memory is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

SMALL = ("population.size=2", "dataset.num_samples=200")
BUILDER = """
from expzoo.study import Measure, Request, register

@register
class Given:
    def __init__(self, *, metric: str = "accuracy", split: str = "test") -> None:
        self.metric, self.split = metric, split
    def measure(self, setting):
        yield Request(tuple(setting.specs()), (Measure(self.metric, self.split),))
"""
LINES = {
    "model.width=100000000": "model: the training of one network takes ",
    "dataset.test_size=1000000000000": "dataset: 1,000,000,000,160 examples of 40 numbers take 149,012 GiB, ",
    "dataset.num_samples=1000000000000": "dataset: 1,000,000,000,000 examples of 40 numbers take 149,012 GiB, ",
    "dataset.num_samples=100000000": "dataset: 100,000,000 examples are more than are made of one kind: at most 1,000,",
    "dataset.test_size=100000000": "dataset: 100,000,160 examples are more than are made of one kind: at most 1,000,",
    "dataset.padding=[1,100000000]": "dataset: template_len 12, padding [1, 100000000]: 20 examples of 400000048 ",
    "model.depth=1000000": "model: it makes more than 20,000 tensors, the most that a network can be of",
    "dataset.batch_size=1000": "dataset: batch_size 1000 is more than the 160 training examples",
    "analysis=[iterative_pruning] analysis.iterative_pruning.sparsities=[0.5,1]": (
        "analysis.iterative_pruning: sparsity 1.0 must be more than 0 and less than 1: at 1 no weight is left"
    ),
    "parametrisation=curve": "parametrisation=curve needs 2 rows of other networks, which only an analysis can give",
    "stop=early": "dataset=mnist1d: there is no validation split: give dataset.validation_size=...",
    "analysis=[given] analysis.given.metric=acuracy": (
        "there is no metric or probe called acuracy: did you mean accuracy?"
    ),
    "analysis=[given] analysis.given.split=tset": "dataset=mnist1d: there is no split 'tset': did you mean test?",
    "analysis=[given] analysis.given.metric=norm": "norm sees the weights alone: its split is '', not 'test'",
}
"""Words -> how the only line of the answer begins."""


@pytest.mark.parametrize("words", LINES)
def test_it_is_refused(command_line: Any, tmp_path: Path, words: str) -> None:
    home = tmp_path / "home"
    (home / "analyses").mkdir(parents=True)
    (home / "analyses" / "given.py").write_text(BUILDER)
    ended = command_line.type(*SMALL, *words.split(), folder=tmp_path, plugins=home)
    assert ended.code == 2, ended.err
    [line] = ended.err
    assert line.startswith(LINES[words])
    assert not (tmp_path / "outputs").exists()
