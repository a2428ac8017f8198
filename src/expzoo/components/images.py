"""What datasets of images share: splits, order, label noise, and random crops and flips of each batch from counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from expzoo.components.datasets import (
    SPLITS,
    batches,
    frozen_split,
    noisy_labels,
    pixel_positions,
    refuse,
    refuse_unknown,
    training_faults,
    training_sizes,
)
from expzoo.system.cache import Recent
from expzoo.system.randomness import integers, stable_hash

if TYPE_CHECKING:
    from torch import Tensor

    from expzoo.components.image_files import Source
    from expzoo.spec.contracts import Split

MARGIN = 4  # pixels on each side before cropping: He et al. 2015, "Deep residual learning", section 4.2
SCALES = 256


class Images:
    """A base for datasets of images (channels, height, width) in float32, whose training part is a pool of `share`.

    Training takes the first images of the pool and validation its last `validation_size`. A
    subclass gives the pool and the test images by `part(name, seed)` and says by `identity(seed)`
    which members share them.
    """

    INPUTS, TARGETS, SCORES = "image", "classes", ("accuracy",)

    def __init__(
        self,
        *,
        shape: tuple[int, int, int],
        classes: int,
        share: int,
        test_share: int,
        train_size: int | None,
        validation_size: int,
        test_size: int | None,
        label_noise: float,
        noise_labels: Literal["other", "any"],
        augment: Literal["none", "flip", "crop", "crop_flip"],
        border: Literal["zeros", "reflect"],
        batch_size: int,
        order: Literal["shuffled", "fixed", "full"],
        view: Literal["plain", "shuffled", "flipped"] = "plain",
    ) -> None:
        """ValueError if the sizes do not fit together, or if what is augmented has no neighbouring pixels."""
        self.inputs, self.outputs = shape, classes
        self.label_noise, self.noise_labels = label_noise, noise_labels
        self.augment, self.border, self.order = augment, border, order
        refuse(_size_faults(share, test_share, train_size, validation_size, test_size))
        refuse(training_faults(share, train_size, validation_size, order, batch_size))
        if view == "shuffled" and augment != "none":
            raise ValueError(
                f"augment {augment} moves pixels of images, and those of view shuffled are in random order"
            )
        self.view = view
        self.train_size, _ = training_sizes(share, train_size, validation_size)
        self.share, self.validation_size = share, validation_size
        self.test_size = test_share if test_size is None else test_size
        self.batch_size = self.train_size if order == "full" else batch_size
        self.redraws = augment != "none"
        self._splits: Recent[tuple[str, int], Split] = Recent(8)

    def part(self, name: Literal["train", "test"], start: int, stop: int, identity: int) -> tuple[np.ndarray, Any]:
        """Images start..stop-1 of the pool or of the test images, (n, *inputs) float32, and their labels (n,)."""
        raise NotImplementedError

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its images from: equal identities mean equal splits."""
        raise NotImplementedError

    def order_identity(self, seed: int) -> int:
        """What the order of shuffled pixels is drawn from, the same for all splits."""
        return self.identity(seed)

    def split(self, name: str, seed: int) -> Split:
        """The split called train, validation or test: x (n, *inputs) float32, y (n,) int64, read-only.

        Training images are as they are, not augmented. ValueError for another name and for validation without a size.
        """
        refuse_unknown("split", name, SPLITS)
        if name == "validation" and not self.validation_size:
            raise ValueError("there is no validation split: give dataset.validation_size=...")
        identity = self.identity(seed)
        if name == "fresh":
            identity, name = self.next_identity(identity), "test"
        return self._splits.get((name, identity), lambda: self._seen(self._made(name, identity), seed))

    def next_identity(self, identity: int) -> int:
        """The identity of the next draw; ValueError if there is only one."""
        raise ValueError("there is no fresh split: these images are all there are")

    def _seen(self, plain: Split, seed: int) -> Split:
        """A split as the view shows its images."""
        if self.view == "plain":
            return plain
        positions = pixel_positions(self.view, *self.inputs[1:], self.order_identity(seed))
        return frozen_split(plain.x.reshape(*plain.x.shape[:2], -1)[..., positions].reshape(plain.x.shape), plain.y)

    def _made(self, name: str, identity: int) -> Split:
        if name == "test":
            return frozen_split(*self.part("test", 0, self.test_size, identity))
        if name == "validation":
            return frozen_split(*self.part("train", self.share - self.validation_size, self.share, identity))
        x, y = self.part("train", 0, self.train_size, identity)
        return frozen_split(x, noisy_labels(y, self.label_noise, self.outputs, self.noise_labels, identity))

    def indices(self, seed: int, start: int, stop: int) -> np.ndarray:
        """Which training images steps start..stop-1 see: shape (stop - start, batch_size), int64."""
        return batches(self.order, seed, start, stop, self.batch_size, self.train_size)

    def source(self, seed: int) -> Split:
        """What batches are taken from before they are redrawn: the training split."""
        return self.split("train", seed)

    def redrawn(self, x: Tensor, indices: np.ndarray, seed: int, step: int) -> Tensor:
        """The images x (batch, *inputs) of a step as its member sees them: cropped and flipped by counters."""
        import torch

        count = len(x)
        reach = 2 * MARGIN + 1 if "crop" in self.augment else 1
        sides = 2 if "flip" in self.augment else 1
        drawn = [integers(seed, f"augment {what}", step, count, n) for what, n in (("top", reach), ("left", reach))]
        flipped = integers(seed, "augment flip", step, count, sides) == 1
        top, left, flip = (torch.from_numpy(values).to(x.device) for values in (*drawn, flipped))
        return crop_and_flip(x, top, left, flip, MARGIN if "crop" in self.augment else 0, self.border)


def _size_faults(
    share: int, test_share: int, train_size: int | None, validation_size: int, test_size: int | None
) -> list[str]:
    faults = []
    if (train_size or 1) + validation_size > share:
        asked = f"train_size {train_size} and validation_size {validation_size}"
        faults.append(f"{asked} are more than the {share} training images")
    if (test_size or 0) > test_share:
        faults.append(f"test_size {test_size} is more than the {test_share} test images")
    return faults


def crop_and_flip(x: Tensor, top: Tensor, left: Tensor, flip: Tensor, margin: int, border: str) -> Tensor:
    """Each image of x (n, channels, height, width) moved and mirrored by itself, one gather for all of them.

    It is set into a border of `margin` pixels, zeros or its own reflection, and cut out again `top`
    and `left` (n,) pixels from the corner; where `flip` (n,) of bool is true, left and right are
    exchanged.
    """
    import torch
    from torch.nn import functional

    height, width = x.shape[2:]
    if margin:
        x = functional.pad(x, (margin,) * 4, mode="constant" if border == "zeros" else "reflect")
    columns = torch.arange(width, device=x.device)
    rows = top[:, None] + torch.arange(height, device=x.device)
    columns = left[:, None] + torch.where(flip[:, None], columns.flip(0), columns)
    images = torch.arange(len(x), device=x.device)[:, None, None]
    return x.movedim(1, -1)[images, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


class StoredImages(Images):
    """Images of a source of files, standardised channel by channel: there is one draw of them, and no fresh one."""

    DOWNLOADS = True

    def __init__(
        self, source: Source, mean: tuple[float, ...], std: tuple[float, ...], label: int = 0, **options: Any
    ) -> None:
        """`label` says which of the label bytes is the class; BadInput if the files cannot be had."""
        from expzoo.components.image_files import open_records

        self._source, self._label = source, label
        levels = np.arange(SCALES, dtype=np.float64) / (SCALES - 1)
        self._levels = [((levels - m) / s).astype(np.float32) for m, s in zip(mean, std, strict=True)]
        super().__init__(
            shape=source.shape,
            classes=source.classes[label],
            share=source.num_train,
            test_share=source.num_test,
            **options,
        )
        self._records = open_records(source)

    def identity(self, seed: int) -> int:
        """The same for all: the images are what they are."""
        return stable_hash("images", self._source.name)

    def part(self, name: Literal["train", "test"], start: int, stop: int, identity: int) -> tuple[np.ndarray, Any]:
        """Images start..stop-1 of a part, and their labels."""
        offset = 0 if name == "train" else self._source.num_train
        records = self._records[offset + start : offset + stop]
        pixels = records[:, self._source.label_bytes :].reshape(-1, *self.inputs)
        x = np.empty(pixels.shape, np.float32)
        for channel, levels in enumerate(self._levels):
            np.take(levels, pixels[:, channel], out=x[:, channel])
        return x, records[:, self._label].astype(np.int64)
