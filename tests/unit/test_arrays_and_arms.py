"""What plugin authors build on: datasets from arrays, and the comparison of arms."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from expzoo.analysis import arms
from expzoo.analysis.contract import Setting
from expzoo.components.datasets import Arrays
from expzoo.store.records import by_seed, frame
from expzoo.system.randomness import member_seed


def examples(count, *shape, labels=2):
    x = np.arange(count * int(np.prod(shape)), dtype=float).reshape(count, *shape)
    return x, np.arange(count) % labels


def test_arrays_are_splits_that_all_members_share():
    train, test = examples(10, 2, 3, labels=4), examples(3, 2, 3)
    data = Arrays(4, train=train, test=test)
    assert (data.inputs, data.outputs, data.batch_size) == ((2, 3), 4, 4)
    assert data.identity(1) == data.identity(2)
    for name, (x, y) in {"train": train, "test": test}.items():
        split = data.split(name, 5)
        assert (split.x.dtype, split.y.dtype) == (np.float32, np.int64)
        assert np.array_equal(split.x, x)
        assert np.array_equal(split.y, y)
    with pytest.raises(ValueError, match="read-only"):
        data.split("train", 0).x[0] = 1


@pytest.mark.parametrize(
    "given",
    [
        lambda x, y: (torch.tensor(x), torch.tensor(y)),
        lambda x, y: (torch.tensor(x, requires_grad=True) * 1, torch.tensor(y, dtype=torch.uint8)),
        lambda x, y: (torch.tensor(x, dtype=torch.bfloat16), torch.tensor(y, dtype=torch.int32)),
        lambda x, y: (x.tolist(), y.tolist()),
        lambda x, y: [list(x), list(y)],
        lambda x, y: (list(torch.tensor(x)), list(torch.tensor(y))),
        lambda x, y: (x.astype(np.uint8), y.astype(np.int8)),
    ],
    ids=["tensors", "with a gradient", "in bfloat16", "lists", "lists of arrays", "lists of tensors", "bytes"],
)
def test_tensors_and_lists_become_the_same_arrays(given):
    train, test = examples(10, 2, 3, labels=4), examples(4, 2, 3)
    data, plain = Arrays(4, train=given(*train), test=given(*test)), Arrays(4, train=train, test=test)
    for name in ("train", "test"):
        ours, theirs = data.split(name, 0), plain.split(name, 0)
        assert (ours.x.dtype, ours.y.dtype) == (np.float32, np.int64)
        assert np.array_equal(ours.x, theirs.x)
        assert np.array_equal(ours.y, theirs.y)
        assert not ours.x.flags.writeable


@pytest.mark.parametrize("x", [torch.ones(4, 2), -np.ones((4, 2), int)], ids=["floats", "negative"])
def test_tokens_are_whole_numbers_from_0(x):
    whole = torch.ones(4, 2, dtype=torch.int32), torch.tensor([0, 1, 0, 1])
    assert Arrays(2, tokens=True, train=whole, test=whole).split("train", 0).x.dtype == np.int64
    with pytest.raises(ValueError, match=r"test: x of type .* are not tokens, whole numbers from 0"):
        Arrays(2, tokens=True, train=whole, test=(x, whole[1]))


def test_arrays_are_seen_in_shuffled_epochs_of_the_members_own():
    data = Arrays(4, train=examples(10, 1), test=examples(3, 1))
    first = data.indices(1, 0, 5)
    assert sorted(first.ravel()[:10]) == sorted(first.ravel()[10:]) == list(range(10))
    assert not np.array_equal(first, data.indices(2, 0, 5))
    assert np.array_equal(first[2:4], data.indices(1, 2, 4))


@pytest.mark.parametrize(
    ("splits", "why"),
    [
        ({"train": examples(10, 1)}, "a dataset needs a test split"),
        ({"train": examples(10, 1), "test": examples(3, 2)}, "test: x of shape (3, 2)"),
        ({"train": (np.zeros((10, 1)), np.arange(9)), "test": examples(3, 1)}, "train: x of shape (10, 1) and y of"),
        ({"train": (np.zeros(10), np.arange(10)), "test": examples(3, 1)}, "are no examples of one shape"),
        ({"train": (np.zeros((10, 1)), np.zeros(10)), "test": examples(3, 1)}, "type float64 is not one label from 0"),
        ({"train": (np.zeros((10, 1)), np.arange(10) - 1), "test": examples(3, 1)}, "is not one label from 0"),
        ({"train": examples(3, 1), "test": examples(3, 1)}, "batch_size 4 is more than the 3 training examples"),
        ({"train": examples(5, 1), "test": examples(3, 1), "tset": examples(3, 1)}, "did you mean test?"),
        ({"train": np.zeros((10, 1)), "test": examples(3, 1)}, "train is of type ndarray, not (x, y)"),
        ({"train": examples(5, 1), "test": None}, "test is of type NoneType, not (x, y)"),
        (
            {"train": ([[0.0], [1.0, 2.0]], [0, 1]), "test": examples(3, 1)},
            "x is a list that NumPy makes no array of",
        ),
        ({"train": (["a", "b"], [0, 1]), "test": examples(3, 1)}, "train: x is a list of type <U1, not numbers"),
        ({"train": (torch.ones(5, 1), ["a"] * 5), "test": examples(3, 1)}, "train: y is a list of type <U1"),
        ({"train": (torch.ones(5, 1), torch.ones(5)), "test": examples(3, 1)}, "type float32 is not one label from 0"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(splits, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        Arrays(4, **splits)


def test_arms_are_the_base_with_changes_one_network_a_seed(base, open_lab):
    base = base.replace(stop={"steps": 5})
    setting = Setting(base, (member_seed(0, 0), member_seed(0, 1)), "smoke")
    lab = open_lab()
    [found] = lab.run_together([arms.measure(setting, {"wide": {"model": {"width": 30}}, "as it is": {}})])
    table = frame(found.rows)
    for arm, spec in {"wide": base.replace(model={"width": 30}), "as it is": base}.items():
        expected = {n.spec.seed: n.value() for n in lab.train([spec.replace(seed=seed) for seed in setting.seeds])}
        assert by_seed(table, arm=arm) == expected
    figure = arms.bars(table, "Widths")
    assert figure.title == "Widths"
    assert {line.get_label() for line in figure.figure.axes[0].lines} >= {"wide", "as it is"}
