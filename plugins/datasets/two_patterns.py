"""Images or signals with a second pattern, easy to memorise: a patch that names the class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from expzoo.plugin import (
    Count,
    Natural,
    NonNegative,
    Recent,
    batches,
    build,
    frozen_split,
    integers,
    normals,
    refuse_unknown,
    register,
    stable_hash,
    uniforms,
)

if TYPE_CHECKING:
    from torch import Tensor

    from expzoo.plugin import Split

SPLITS = ("train", "test", "patch", "fresh")
CLEAN_SHARE = 0.2
PATCH_SHARE = 0.2  # of all examples in the document, of those with a patch in the code


class _Draw(NamedTuple):
    """What an epoch draws for each example: whether the patch is alone, its amplitude with its sign."""

    alone: np.ndarray
    amplitude: np.ndarray


@register
class TwoPatterns:
    """Examples of another dataset, most of which carry a patch of low amplitude that depends on their class.

    Li, Wei & Ma 2019, "Towards explaining the regularization effect of initial large learning rate
    in training neural networks", section 5.1, and their code (github.com/cwein3/large-lr-code,
    `data_util.py`). In the middle of an example, a patch z + s zeta_y replaces what was there: z is
    common to all, zeta_y the pattern of class y, and the sign s is drawn anew in each epoch, so
    that no linear map reads the class off the patch. Where the patch is alone, everything else is
    zero and the pattern is scaled by a random factor. A fifth of the examples never has a patch.

    The split `test` is clean; `patch` has the labels of `test`, and patches alone, as the code
    validates: of full amplitude with probability 0.8, else scaled. `train` is the first epoch's
    mixture. There is no validation split.

    Args:
        of: the dataset underneath, with its own defaults for everything that is not said here.
        groups: document, 20 % clean, 20 % patch alone, 60 % both, each example in one group; code,
            20 % clean, and of the others a fifth, drawn anew in each epoch, with the patch alone:
            20 %, 16 %, 64 %.
        redraw: whether signs, and with groups=code who is alone, are drawn anew in each epoch, or once.
        size: of the patch: pixels along each side of an image, positions of a signal; 7 is the paper's.
        common: deviation of z; 1.25 is the code's.
        separation: the patterns are uniform between minus and plus this; 0.1 is the code's.
        alone_scale: the factor where the patch is alone is uniform from 0 to this; 1.75 is the code's.
        train_size: training examples, null for the dataset's own.
        test_size: test examples, null for the dataset's own.
        seed: of the draw that all members see with draw=frozen, patterns included; 2 is the code's.
        draw: whether all members see one draw of data and patterns (frozen), or each its own (member).
        batch_size: examples in a batch.
    """

    CACHE_VERSION = 1
    NOT_IN_KEY = ("test_size",)

    def __init__(
        self,
        *,
        of: Literal["mnist1d", "textures", "cifar10"] = "mnist1d",
        groups: Literal["document", "code"] = "document",
        redraw: bool = True,
        size: Count = 7,
        common: NonNegative = 1.25,
        separation: NonNegative = 0.1,
        alone_scale: NonNegative = 1.75,
        train_size: Count | None = None,
        test_size: Count | None = None,
        seed: Natural = 2,
        draw: Literal["frozen", "member"] = "frozen",
        batch_size: Count = 128,
    ) -> None:
        sizes = {name: value for name, value in (("train_size", train_size), ("test_size", test_size)) if value}
        drawn: dict[str, Any] = {"draw": draw} | ({} if of == "cifar10" else {"seed": seed})
        if of == "cifar10" and draw == "member":
            raise ValueError("cifar10 has one draw of images: give draw=frozen")
        self._base = build("dataset", of, batch_size=batch_size, **drawn, **sizes)
        self.INPUTS, self.TARGETS, self.SCORES = self._base.INPUTS, self._base.TARGETS, self._base.SCORES
        self.inputs, self.outputs, self.batch_size = self._base.inputs, self._base.outputs, batch_size
        if size > min(self.inputs[-2:] if len(self.inputs) > 1 else self.inputs):
            raise ValueError(f"a patch of size {size} does not fit into examples of shape {self.inputs}")
        self.groups = groups
        self.redraw = redraw
        self.seed = seed
        self.draw = draw
        self.common, self.separation, self.alone_scale = common, separation, alone_scale
        self.redraws = True
        starts = [int(length / 2 - size / 2) for length in self.inputs if length > 3]
        self._window = (..., *(slice(start, start + size) for start in starts))
        self._patch_shape = np.empty(self.inputs)[self._window].shape
        self._draws: Recent[tuple[int, int], _Draw] = Recent(256)
        self._splits: Recent[tuple[str, int], Split] = Recent(16)

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its data and patterns from: equal identities mean equal splits."""
        return stable_hash(self._base.identity(seed), "patterns", self.seed if self.draw == "frozen" else seed)

    def split(self, name: str, seed: int) -> Split:
        """The split called train, test, patch or fresh: x (n, *inputs) float32, y (n,) int64, read-only."""
        refuse_unknown("split", name, SPLITS)
        return self._splits.get((name, self.identity(seed)), lambda: self._made(name, seed))

    def _made(self, name: str, seed: int) -> Split:
        if name in ("test", "fresh"):
            return self._base.split(name, seed)
        if name == "train":
            clean, drawn = self.source(seed), self._drawn(seed, 0)
            return frozen_split(self._patched(clean.x, clean.y, drawn, seed), clean.y)
        labels = self._base.split("test", seed).y
        identity, count = self.identity(seed), len(labels)
        scaled = uniforms(identity, "patch split", 0, count) < PATCH_SHARE
        amplitude = self._signs(identity, "patch split", 0, count) * np.where(
            scaled, self.alone_scale * uniforms(identity, "patch split scale", 0, count), 1.0
        )
        drawn = _Draw(np.ones(count, bool), amplitude)
        return frozen_split(self._patched(np.zeros((count, *self.inputs), np.float32), labels, drawn, seed), labels)

    def source(self, seed: int) -> Split:
        """The training examples without patches."""
        return self._base.split("train", seed)

    def indices(self, seed: int, start: int, stop: int) -> np.ndarray:
        """Which training examples steps start..stop-1 see: shape (stop - start, batch_size), int64."""
        return batches("shuffled", seed, start, stop, self.batch_size, len(self.source(seed)))

    def redrawn(self, x: Tensor, indices: np.ndarray, seed: int, step: int) -> Tensor:
        """The examples x (batch, *inputs) of a step with the patches of its epoch."""
        import torch

        positions = step * self.batch_size + np.arange(self.batch_size)
        epochs = positions // len(self.source(seed)) if self.redraw else np.zeros_like(positions)
        parts = [
            (drawn.alone[indices[epochs == epoch]], drawn.amplitude[indices[epochs == epoch]])
            for epoch in np.unique(epochs)
            for drawn in [self._drawn(seed, int(epoch))]
        ]
        alone, amplitude = (np.concatenate(values) for values in zip(*parts, strict=True))
        patches = torch.from_numpy(self._patches(self.source(seed).y[indices], amplitude, seed)).to(x)
        has = torch.from_numpy(amplitude != 0).to(x.device)
        shape = (-1, *(1,) * len(self.inputs))
        x = torch.where(torch.from_numpy(alone).to(x.device).view(shape), torch.zeros_like(x), x)
        centre = x[self._window]
        x[self._window] = torch.where(has.view(shape), patches, centre)
        return x

    def _patched(self, x: np.ndarray, y: np.ndarray, drawn: _Draw, seed: int) -> np.ndarray:
        """The examples with these patches, a copy; an amplitude of 0 means that there is none."""
        x, has = x.copy(), drawn.amplitude != 0
        x[drawn.alone] = 0
        x[has] = _set(x[has], self._window, self._patches(y[has], drawn.amplitude[has], seed))
        return x

    def _patches(self, labels: np.ndarray, amplitude: np.ndarray, seed: int) -> np.ndarray:
        """The patches z + amplitude * zeta of the class: (n, *patch) float32."""
        identity, count = self.identity(seed), int(np.prod(self._patch_shape))
        z = self.common * normals(identity, "common patch", 0, count).reshape(self._patch_shape)
        drawn = uniforms(identity, "class patches", 0, self.outputs * count).reshape(-1, *self._patch_shape)
        zeta = self.separation * (2 * drawn - 1)
        shape = (-1, *(1,) * len(self._patch_shape))
        return (z + amplitude.reshape(shape) * zeta[labels]).astype(np.float32)

    def _drawn(self, seed: int, epoch: int) -> _Draw:
        return self._draws.get((seed, epoch), lambda: self._drawn_now(seed, epoch))

    def _drawn_now(self, seed: int, epoch: int) -> _Draw:
        """Of all training examples; the groups are those of the data, what is drawn anew is the member's own."""
        identity, count = self.identity(seed), len(self.source(seed))
        group = uniforms(identity, "group", 0, count)
        has = group >= CLEAN_SHARE
        again = self.redraw
        own = stable_hash(seed if again else identity, "epochs")
        if self.groups == "document":
            alone = has & (group < CLEAN_SHARE + PATCH_SHARE)
        else:
            alone = has & (uniforms(own, "alone", epoch, count) < PATCH_SHARE)
        scale = np.where(alone, self.alone_scale * uniforms(own, "scale", epoch, count), 1.0)
        return _Draw(alone, np.where(has, self._signs(own, "sign", epoch, count) * scale, 0.0))

    def _signs(self, identity: int, purpose: str, epoch: int, count: int) -> np.ndarray:
        return 1.0 - 2.0 * integers(identity, f"{purpose} sign", epoch, count, 2)


def _set(x: np.ndarray, index: tuple[Any, ...], values: np.ndarray) -> np.ndarray:
    x[index] = values
    return x
