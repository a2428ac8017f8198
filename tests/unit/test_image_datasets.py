"""Datasets of images: what is parsed is what was written, and augmentation is a function of counters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.image_archives import DOWNLOADED, RECORDS, plugin, stand_in

from expzoo.components.images import MARGIN, crop_and_flip
from expzoo.config.registry import build
from expzoo.engine.feed import feed

each_downloaded = pytest.mark.parametrize("name", DOWNLOADED)


@each_downloaded
def test_images_and_labels_are_those_of_the_file(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = stand_in(name, tmp_path, monkeypatch)
    dataset = build("dataset", name, batch_size=7)
    module = plugin(name)
    source = module.SOURCE
    for split, rows in (("train", table[: source.num_train]), ("test", table[source.num_train :])):
        found = dataset.split(split, 3)
        pixels = rows[:, source.label_bytes :].reshape(-1, *source.shape) / 255.0
        mean, std = (np.reshape(values, (-1, 1, 1)) for values in (module.MEAN, module.STD))
        np.testing.assert_allclose(found.x, (pixels - mean) / std, rtol=1e-6, atol=1e-6)
        assert found.x.dtype == np.float32
        np.testing.assert_array_equal(found.y, rows[:, source.label_bytes - 1])
    assert (dataset.inputs, dataset.outputs) == (source.shape, source.classes[-1])


def test_cifar100_has_coarse_labels_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = stand_in("cifar100", tmp_path, monkeypatch)
    dataset = build("dataset", "cifar100", labels="coarse", batch_size=7)
    assert dataset.outputs == 20
    np.testing.assert_array_equal(dataset.split("train", 0).y, table[:RECORDS, 0])


def test_validation_is_the_end_of_the_training_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in("mnist", tmp_path, monkeypatch)
    whole = build("dataset", "mnist", batch_size=5).split("train", 0)
    part = build("dataset", "mnist", batch_size=5, validation_size=8)
    np.testing.assert_array_equal(part.split("train", 0).x, whole.x[:-8])
    np.testing.assert_array_equal(part.split("validation", 0).x, whole.x[-8:])
    with pytest.raises(ValueError, match="all there are"):
        part.split("fresh", 0)
    with pytest.raises(ValueError, match=r"dataset\.validation_size="):
        build("dataset", "mnist", batch_size=5).split("validation", 0)


def test_files_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in("cifar10", tmp_path, monkeypatch)
    first = build("dataset", "cifar10", batch_size=5).split("train", 0)
    [cache] = tmp_path.glob("*.records")
    monkeypatch.setattr(type(plugin("cifar10").SOURCE), "decode", lambda _: pytest.fail("decoded again"))
    again = build("dataset", "cifar10", batch_size=5).split("train", 0)
    np.testing.assert_array_equal(first.x, again.x)
    assert cache.exists()


@pytest.mark.parametrize("damage", ["cut short", "a byte changed", "grown", "a link"])
def test_a_damaged_cache_is_made_again(damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in("mnist", tmp_path, monkeypatch)
    first = build("dataset", "mnist", batch_size=5).split("train", 0)
    [cache] = tmp_path.glob("*.records")
    content = cache.read_bytes()
    if damage == "a link":
        cache.rename(tmp_path / "elsewhere")
        cache.symlink_to(tmp_path / "elsewhere")
    else:
        changed = bytes([content[0] ^ 1]) + content[1:]
        cache.write_bytes({"cut short": content[:-1], "a byte changed": changed, "grown": content + b"0"}[damage])
    again = build("dataset", "mnist", batch_size=5).split("train", 0)
    np.testing.assert_array_equal(first.x, again.x)
    assert cache.read_bytes() == content
    assert not cache.is_symlink()


def slow_crop_and_flip(x: np.ndarray, top: Any, left: Any, flip: Any, margin: int, border: str) -> np.ndarray:
    """One image after the other."""
    sides = ((0, 0), (margin, margin), (margin, margin))
    height, width = x.shape[2:]
    images = []
    for image, row, column, mirrored in zip(x, top, left, flip, strict=True):
        wide = np.pad(image, sides, mode="constant" if border == "zeros" else "reflect")
        cut = wide[:, row : row + height, column : column + width]
        images.append(cut[:, :, ::-1] if mirrored else cut)
    return np.stack(images)


@pytest.mark.parametrize("border", ["zeros", "reflect"])
def test_crops_and_flips_are_those_of_one_image_after_the_other(border: str) -> None:
    x = np.arange(6 * 2 * 9 * 11, dtype=np.float32).reshape(6, 2, 9, 11)
    top, left, flip = np.array([0, 8, 3, 4, 7, 1]), np.array([8, 0, 2, 4, 5, 1]), np.arange(6) % 2 == 0
    expected = slow_crop_and_flip(x, top, left, flip, MARGIN, border)
    tensors = [torch.from_numpy(values) for values in (x, top, left, flip)]
    np.testing.assert_array_equal(crop_and_flip(*tensors, MARGIN, border).numpy(), expected)


def loaded(seeds: list[int], step: int, prepared: tuple[int, int], rows: int, **options: Any) -> np.ndarray:
    """The batch of a step, of members with these seeds."""
    datasets = [build("dataset", "textures", train_size=40, batch_size=8, **options) for _ in seeds]
    batches = feed(datasets, seeds, [d.identity(s) for d, s in zip(datasets, seeds, strict=True)])
    batches.prepare(*prepared)
    x, y = torch.empty(rows, 8, 3, 32, 32), torch.empty(rows, 8, dtype=torch.long)
    batches.load(step, x, y)
    return x.numpy()


def test_augmentation_depends_on_the_member_and_the_step_alone() -> None:
    options = {"augment": "crop_flip", "draw": "member"}
    together = loaded([5, 6, 7], 13, (10, 20), 3, **options)
    alone = loaded([6], 13, (13, 14), 2, **options)
    np.testing.assert_array_equal(together[1], alone[0])
    np.testing.assert_array_equal(alone[0], alone[1])
    assert not np.array_equal(alone[0], loaded([6], 13, (13, 14), 2, draw="member")[0])
    later = loaded([6], 18, (13, 20), 2, augment="crop_flip", draw="member", order="fixed")  # the same images
    earlier = loaded([6], 13, (13, 20), 2, augment="crop_flip", draw="member", order="fixed")
    assert not np.array_equal(later, earlier)


def test_textures_of_a_class_are_alike_and_larger_sets_keep_the_smaller() -> None:
    few, many = (build("dataset", "textures", train_size=size, noise=0.0).split("train", 0) for size in (300, 900))
    np.testing.assert_array_equal(few.x, many.x[:300])
    spectra = np.abs(np.fft.fft2(many.x)).sum(1)[:, :16].reshape(900, -1)
    spectra /= np.linalg.norm(spectra, axis=1, keepdims=True)
    means = np.stack([spectra[:600][many.y[:600] == k].mean(0) for k in range(10)])
    right = (spectra[600:] @ means.T).argmax(1) == many.y[600:]
    assert right.mean() > 0.7  # the nearest mean spectrum; chance is 0.1
    means = np.stack([many.x[many.y == k].mean(0) for k in range(10)])
    assert np.abs(means).max() < 6 / np.sqrt(np.bincount(many.y).min())  # no pixel by itself says anything
