"""The patch experiment: groups, signs that are drawn anew in each epoch, and the examples underneath."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from expzoo.config.registry import build
from expzoo.engine.feed import feed
from expzoo.system.errors import BadInput

SIZE = 400


def made(**options: Any) -> Any:
    sizes = {"size": 5, "train_size": SIZE, "test_size": 300, "batch_size": 100}
    return build("dataset", "two_patterns", of="mnist1d", **sizes, **options)


def epochs(dataset: Any, seed: int, count: int) -> np.ndarray:
    """Every training example as each epoch shows it: (epochs, examples, positions)."""
    batches = feed([dataset], [seed], [dataset.identity(seed)])
    shown = np.empty((count, SIZE, *dataset.inputs), np.float32)
    x, y = torch.empty(2, 100, *dataset.inputs), torch.empty(2, 100, dtype=torch.long)
    for step in range(count * SIZE // 100):
        batches.prepare(step, step + 1)
        batches.load(step, x, y)
        indices = dataset.indices(seed, step, step + 1)[0]
        shown[step * 100 // SIZE, indices] = x[0].numpy()
        np.testing.assert_array_equal(y[0].numpy(), dataset.source(seed).y[indices])
    return shown


def kinds(shown: np.ndarray, clean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each example, whether it has a patch, and whether the patch is alone."""
    outside = np.r_[0:17, 22:40]
    patched = (shown[..., 17:22] != clean[:, 17:22]).any(-1)
    alone = (shown[..., outside] == 0).all(-1)
    assert ((shown[..., outside] == clean[:, outside]).all(-1) | alone).all()
    return patched, alone


@pytest.mark.parametrize(("groups", "share", "fixed"), [("document", 0.2, True), ("code", 0.16, False)])
def test_groups_have_the_shares_that_they_should(groups: str, share: float, fixed: bool) -> None:
    dataset = made(groups=groups)
    patched, alone = kinds(epochs(dataset, 7, 3), dataset.source(7).x)
    assert (patched == patched[0]).all()  # who has a patch is fixed
    assert abs(patched.mean() - 0.8) < 0.06
    assert abs(alone.mean() - share) < 0.06
    assert (alone == alone[0]).all() == fixed
    assert not (alone & ~patched).any()


def test_a_patch_is_common_plus_or_minus_the_pattern_of_its_class() -> None:
    dataset = made()
    clean = dataset.source(7)
    shown = epochs(dataset, 7, 6)
    patched, alone = kinds(shown, clean.x)
    whole = patched[0] & ~alone[0]
    patches = shown[:, whole, 17:22]
    high, low = patches.max(0), patches.min(0)
    common = (high + low) / 2
    turned = ~np.isclose(high, low).all(-1)  # both signs came up
    assert turned.mean() > 0.9
    np.testing.assert_allclose(common[turned], np.broadcast_to(common[turned][0], common[turned].shape), atol=1e-5)
    half = np.abs(high - low)[turned] / 2
    labels = clean.y[whole][turned]
    for k in range(10):
        own = half[labels == k]
        np.testing.assert_allclose(own, np.broadcast_to(own[0], own.shape), atol=1e-5)
        assert own.max() <= 0.1 + 1e-6


def test_signs_are_drawn_anew_unless_they_are_not_to_be() -> None:
    again, once = (epochs(made(redraw=redraw), 7, 2) for redraw in (True, False))
    assert not np.array_equal(again[0], again[1])
    np.testing.assert_array_equal(once[0], once[1])


def test_the_training_split_is_the_first_epoch_and_the_others_are_clean_and_patches_alone() -> None:
    dataset = made()
    np.testing.assert_array_equal(dataset.split("train", 7).x, epochs(dataset, 7, 1)[0])
    underneath = build("dataset", "mnist1d", seed=2, train_size=SIZE, test_size=300)
    np.testing.assert_array_equal(dataset.split("test", 7).x, underneath.split("test", 7).x)
    patches = dataset.split("patch", 7)
    assert (patches.x[:, np.r_[0:17, 22:40]] == 0).all()
    np.testing.assert_array_equal(patches.y, dataset.split("test", 7).y)
    with pytest.raises(ValueError, match="there is no split 'patches': did you mean patch"):
        dataset.split("patches", 7)


def test_images_have_a_square_patch_in_all_channels() -> None:
    dataset = build("dataset", "two_patterns", of="textures", train_size=50, test_size=30, batch_size=10)
    patches = dataset.split("patch", 0).x
    inside = np.zeros((32, 32), bool)
    inside[12:19, 12:19] = True
    assert (patches[..., ~inside] == 0).all()
    assert (patches[..., inside] != 0).all()
    with pytest.raises(ValueError, match="does not fit"):
        build("dataset", "two_patterns", size=41)


def test_a_fault_of_the_dataset_underneath_is_said_once() -> None:
    with pytest.raises(BadInput, match="more than") as refusal:
        build("dataset", "two_patterns", of="textures", train_size=2_000_000)
    assert str(refusal.value).count("dataset:") == 1
