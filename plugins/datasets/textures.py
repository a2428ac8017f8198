"""Textures: images that are drawn, not photographed, so that what is about images runs without a download."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np

from expzoo.plugin import (
    Count,
    Fraction,
    Images,
    Natural,
    NonNegative,
    Range,
    integers,
    normals,
    register,
    stable_hash,
    uniforms,
)

SIDE, CHANNELS = 32, 3
ORIENTATIONS, BANDS = 5, (2.5, 5.0)  # waves across the image, an octave apart
CLASSES = ORIENTATIONS * len(BANDS)
WAVES = 3
SHARE = 1_000_000  # no draw has an end; this bounds what a typing error can ask for
_BLOCK = 256  # images that are drawn together: so many more leave the first ones as they are


@register
class Textures(Images):
    """Ten classes of random colour textures of 3 x 32 x 32, told apart by the direction and the width of their waves.

    A texture is the sum of 3 plane waves whose direction and frequency scatter about those of its
    class, with random phases and colours, in noise: classes overlap, and no pixel by itself says
    anything. Values have mean 0 and deviation 1.

    Args:
        train_size: training images.
        validation_size: images that are drawn after them, for validation.
        test_size: test images.
        spread: how far directions scatter, as a fraction of the distance between two classes; frequencies likewise.
        noise: deviation of the noise in each pixel; that of the waves is 1.
        seed: of the draw that all members see with draw=frozen.
        draw: whether all members see the draw of `seed` (frozen), or each its own (member).
        label_noise: how likely the label of a training image is replaced.
        noise_labels: by a wrong one (other) or by any, which may be the true one.
        augment: whether each training image is cropped from a border of 4 pixels, and mirrored,
            anew at each step; mirrored textures are of another class, so flips are a test of what
            augmentation can break.
        border: of zeros or the image's own reflection.
        batch_size: images in a batch.
        order: shuffled permutes every epoch, fixed never, full takes all images at every step.
        fresh: 0 is the draw itself, k the k-th draw after it.
        view: plain, with left and right exchanged (flipped), or with all pixels in a random order,
            the same in all splits (shuffled).
    """

    CACHE_VERSION = 1
    NOT_IN_KEY = ("test_size",)
    ADDED = ("fresh", "view")

    def __init__(
        self,
        *,
        train_size: Count = 2000,
        validation_size: Natural = 0,
        test_size: Count = 2000,
        spread: NonNegative = 0.35,
        noise: NonNegative = 1.0,
        seed: Natural = 0,
        draw: Literal["frozen", "member"] = "frozen",
        label_noise: Fraction = 0.0,
        noise_labels: Literal["other", "any"] = "other",
        augment: Literal["none", "flip", "crop", "crop_flip"] = "none",
        border: Literal["zeros", "reflect"] = "zeros",
        batch_size: Count = 100,
        order: Literal["shuffled", "fixed", "full"] = "shuffled",
        fresh: Annotated[int, Range(0, 1000)] = 0,
        view: Literal["plain", "shuffled", "flipped"] = "plain",
    ) -> None:
        self.spread = spread
        self.noise = noise
        self.seed = seed
        self.draw = draw
        self.fresh = fresh
        super().__init__(
            shape=(CHANNELS, SIDE, SIDE),
            classes=CLASSES,
            share=train_size + validation_size,
            test_share=SHARE,
            train_size=train_size,
            validation_size=validation_size,
            test_size=test_size,
            label_noise=label_noise,
            noise_labels=noise_labels,
            augment=augment,
            border=border,
            batch_size=batch_size,
            order=order,
            view=view,
        )
        if train_size + validation_size > SHARE:
            raise ValueError(f"train_size {train_size} and validation_size {validation_size} are more than {SHARE}")

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its textures from: equal identities mean equal splits."""
        identity = self.order_identity(seed)
        for _ in range(self.fresh):
            identity = self.next_identity(identity)
        return identity

    def order_identity(self, seed: int) -> int:
        """That of the draw itself: its fresh draws have their pixels in the same order."""
        return stable_hash(self.seed if self.draw == "frozen" else seed, "textures", self.draw)

    def next_identity(self, identity: int) -> int:
        """That of an independent draw."""
        return stable_hash(identity, "next")

    def part(self, name: Literal["train", "test"], start: int, stop: int, identity: int) -> tuple[np.ndarray, Any]:
        """Textures start..stop-1 of a part, and their labels."""
        first, last = start // _BLOCK, -(-stop // _BLOCK)
        drawn = [self._block(identity, name, block) for block in range(first, last)]
        x, y = (
            np.concatenate(values)[start - first * _BLOCK : stop - first * _BLOCK]
            for values in zip(*drawn, strict=True)
        )
        return x, y

    def _block(self, identity: int, part: str, block: int) -> tuple[np.ndarray, np.ndarray]:
        """One block of textures (block, 3, 32, 32) float32 and their labels."""
        labels = integers(identity, f"{part} label", block, _BLOCK, CLASSES)
        shape = (_BLOCK, WAVES)
        angles, bands = normals(identity, f"{part} waves", block, 2 * _BLOCK * WAVES).reshape(2, *shape) * self.spread
        angle = np.pi / ORIENTATIONS * (labels[:, None] % ORIENTATIONS + angles)
        frequency = np.take(BANDS, labels // ORIENTATIONS)[:, None] * 2.0**bands / SIDE
        phase = uniforms(identity, f"{part} phase", block, _BLOCK * WAVES).reshape(shape)
        colours = normals(identity, f"{part} colour", block, _BLOCK * WAVES * CHANNELS).reshape(*shape, CHANNELS)
        waves = _plane_waves(frequency * np.cos(angle), frequency * np.sin(angle), phase)
        x = np.einsum("nwij,nwc->ncij", waves, colours.astype(np.float32) * np.sqrt(2 / WAVES), optimize=True)
        grain = uniforms(identity, f"{part} noise", block, x.size).astype(np.float32).reshape(x.shape) - 0.5
        x += grain * np.float32(np.sqrt(12) * self.noise)
        return (x / np.sqrt(1 + self.noise**2)).astype(np.float32), labels


def _plane_waves(across: np.ndarray, down: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """cos(2 pi (across * column + down * row + phase)), each argument (n, waves): shape (n, waves, rows, columns)."""
    pixels = np.arange(SIDE)
    rows = np.exp(2j * np.pi * (down[..., None] * pixels + phase[..., None]))
    columns = np.exp(2j * np.pi * across[..., None] * pixels)
    return (rows[..., :, None] * columns[..., None, :]).real.astype(np.float32)
