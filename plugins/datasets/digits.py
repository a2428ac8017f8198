"""Optical recognition of handwritten digits, the 8 x 8 images that come with scikit-learn."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from expzoo.plugin import (
    SPLITS,
    Count,
    Fraction,
    Natural,
    Recent,
    batches,
    frozen_split,
    noisy_labels,
    permutation,
    pixel_positions,
    refuse,
    refuse_unknown,
    register,
    stable_hash,
    training_faults,
    training_sizes,
)

if TYPE_CHECKING:
    from expzoo.plugin import Split

IMAGES, SIDE, CLASSES = 1797, 8, 10
SHARE = 1297  # training and validation; the other 500 are for testing
_LEVELS = 16  # grey levels above 0


@register
class Digits:
    """1797 handwritten digits of 8 x 8 pixels in ten classes, as (1, 8, 8) with values in [-1, 1].

    Alpaydin & Kaynak 1998, UCI repository, test set, as shipped with scikit-learn (`load_digits`):
    nothing is downloaded. A draw is a random division into 1297 images for training and validation
    and 500 for testing.

    Args:
        seed: of the division that all members see with draw=frozen.
        draw: whether every member sees the division of `seed`, or its own.
        fresh: 0 is the draw itself, k the k-th independent division.
        view: plain, with left and right exchanged (flipped), or with the 64 pixels in a random order,
            the same in all splits (shuffled).
        train_size: use only so many of the training images.
        validation_size: how many are taken from the end of the training share.
        test_size: how many of the 500 test images are used.
        label_noise: how likely the label of a training image is replaced.
        noise_labels: by a wrong one (other) or by any, which may be the true one.
        batch_size: images in a batch.
        order: shuffled permutes every epoch, fixed never, full takes all images at every step.
    """

    INPUTS, TARGETS, SCORES = "image", "classes", ("accuracy",)
    CACHE_VERSION = 1
    NOT_IN_KEY = ("test_size",)

    def __init__(
        self,
        *,
        seed: Natural = 0,
        draw: Literal["frozen", "member"] = "frozen",
        fresh: Natural = 0,
        view: Literal["plain", "shuffled", "flipped"] = "plain",
        train_size: Count | None = None,
        validation_size: Natural = 0,
        test_size: Count = 500,
        label_noise: Fraction = 0.0,
        noise_labels: Literal["other", "any"] = "other",
        batch_size: Count = 100,
        order: Literal["shuffled", "fixed", "full"] = "shuffled",
    ) -> None:
        self.inputs, self.outputs = (1, SIDE, SIDE), CLASSES
        self.seed = seed
        self.draw = draw
        self.fresh = fresh
        self.view = view
        self.order = order
        self.label_noise, self.noise_labels = label_noise, noise_labels
        refuse(self._faults(train_size, validation_size, test_size))
        refuse(training_faults(SHARE, train_size, validation_size, order, batch_size))
        self.train_size, _ = training_sizes(SHARE, train_size, validation_size)
        self.validation_size, self.test_size = validation_size, test_size
        self.batch_size = self.train_size if order == "full" else batch_size
        self._splits: Recent[tuple[str, int], Split] = Recent(64)

    def _faults(self, train_size: int | None, validation_size: int, test_size: int) -> list[str]:
        faults = []
        if (train_size or 1) + validation_size > SHARE:
            asked = f"train_size {train_size} and validation_size {validation_size}"
            faults.append(f"{asked} are more than the {SHARE} training images")
        if test_size > IMAGES - SHARE:
            faults.append(f"test_size {test_size} is more than the {IMAGES - SHARE} test images")
        return faults

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its division from: equal identities mean equal splits."""
        return stable_hash(self.seed if self.draw == "frozen" else seed, "digits", self.draw, self.fresh)

    def split(self, name: str, seed: int) -> Split:
        """The split called train, validation, test or fresh: x (n, 1, 8, 8) float32, y (n,) int64, read-only.

        There are no more images than 1797, so `fresh` is the test split of the next division: some
        of its images may have been trained on.
        """
        refuse_unknown("split", name, SPLITS)
        identity = self.identity(seed)
        if name == "fresh":
            identity = stable_hash(identity, "next")
        return self._splits.get((name, identity), lambda: self._made(name, identity))

    def _made(self, name: str, identity: int) -> Split:
        x, y = self._images
        order = permutation(identity, "division", 0, IMAGES)
        if name in ("test", "fresh"):
            chosen = order[SHARE : SHARE + self.test_size]
        elif name == "train":
            chosen = order[: self.train_size]
        elif self.validation_size:
            chosen = order[SHARE - self.validation_size : SHARE]
        else:
            raise ValueError("there is no validation split: give dataset.validation_size=...")
        labels = y[chosen]
        if name == "train":
            labels = noisy_labels(labels, self.label_noise, CLASSES, self.noise_labels, identity)
        pixels = pixel_positions(self.view, SIDE, SIDE, self.seed)
        return frozen_split(x[chosen].reshape(-1, SIDE * SIDE)[:, pixels].reshape(-1, 1, SIDE, SIDE), labels)

    @cached_property
    def _images(self) -> tuple[np.ndarray, np.ndarray]:
        from sklearn.datasets import load_digits

        loaded: Any = load_digits(return_X_y=True)
        x, y = loaded
        return (x / (_LEVELS / 2) - 1).astype(np.float32), y.astype(np.int64)

    def indices(self, seed: int, start: int, stop: int) -> np.ndarray:
        """Which training images steps start..stop-1 see: shape (stop - start, batch_size), int64."""
        return batches(self.order, seed, start, stop, self.batch_size, self.train_size)
