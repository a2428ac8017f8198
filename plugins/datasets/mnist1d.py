"""MNIST-1D, the ten-class problem of 40 positions, drawn anew from the code of its authors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from expzoo.analysis.studies.mnist1d import CLASSES, SEEDS, SignalRecipe, generate
from expzoo.plugin import (
    SPLITS,
    Count,
    Fraction,
    Natural,
    NonNegative,
    Recent,
    batches,
    frozen_split,
    memory_faults,
    noisy_labels,
    refuse,
    refuse_unknown,
    register,
    stable_hash,
    training_faults,
    training_sizes,
    view_faults,
    view_positions,
)

if TYPE_CHECKING:
    from expzoo.plugin import Split

_MOST_IDENTITIES = 64
_MOST_BYTES = 2**28


class _Draw(NamedTuple):
    """One draw as members see it, x (n, length) float32, and what further examples of it are made with."""

    x: np.ndarray
    y: np.ndarray
    mean: float
    std: float
    positions: np.ndarray | None


@register
class Mnist1d:
    """MNIST-1D: ten classes of 40 positions, equal in float32 to the package mnist1d at any of its options.

    num_samples to seed are the arguments of `mnist1d.data.make_dataset`, by the same names. The
    templates always have 12 points; `template_len` only sets the length of the padded signal,
    template_len + padding[1], as in the package.

    draw: whether all members see the draw of `seed` (frozen) or each its own (member). fresh: 0 is
    the draw itself, k the k-th independent draw of the same generator; a draw and its fresh draws
    share
        everything that is no example: the view's order and that of `shuffle_seq`.
    view, chunk_size: the positions as they are, in random order, backwards, or with whole chunks in random order; the
        last chunk is shorter if chunk_size does not divide the length. One order for all splits of an identity.
    train_size, test_size: how many examples, null for the package's own share. Fewer are its first ones; more come from
        further blocks of the generator, standardised with the mean and deviation of the draw
        itself, so that neither size changes an example of the other split.
    validation_size: taken from the end of the training share, which then has so many fewer, unless train_size and
        validation_size together exceed the share: then both are extended and do not overlap.
    label_noise, noise_labels: how likely the label of a training example is replaced, by a wrong one (other) or by any,
        which may be the true one; all other splits keep their labels.
    batch_size, order: `shuffled` permutes every epoch, `fixed` never, `full` takes all examples at every step.

    ValueError for combinations that are impossible. Source: Greydanus & Kobak, ICML 2024.
    """

    INPUTS, TARGETS, SCORES = "sequence", "classes", ("accuracy",)
    CACHE_VERSION = 1
    NOT_IN_KEY = ("test_size",)

    def __init__(
        self,
        *,
        num_samples: Count = 5000,
        train_split: Fraction = 0.8,
        template_len: Count = 12,
        padding: tuple[Natural, ...] = (36, 60),
        scale_coeff: NonNegative = 0.4,
        max_translation: Count = 48,
        corr_noise_scale: NonNegative = 0.25,
        iid_noise_scale: NonNegative = 0.02,
        shear_scale: NonNegative = 0.75,
        shuffle_seq: bool = False,
        final_seq_length: Count = 40,
        seed: Natural = 42,
        draw: Literal["frozen", "member"] = "frozen",
        fresh: Natural = 0,
        view: Literal["plain", "shuffled", "flipped", "chunk_shuffled"] = "plain",
        chunk_size: Count = 5,
        train_size: Count | None = None,
        validation_size: Natural = 0,
        test_size: Count | None = None,
        label_noise: Fraction = 0.0,
        noise_labels: Literal["other", "any"] = "other",
        batch_size: Count = 100,
        order: Literal["shuffled", "fixed", "full"] = "shuffled",
    ) -> None:
        self.recipe = SignalRecipe(
            num_samples=num_samples,
            template_len=template_len,
            padding=tuple(padding),
            scale_coeff=scale_coeff,
            max_translation=max_translation,
            corr_noise_scale=corr_noise_scale,
            iid_noise_scale=iid_noise_scale,
            shear_scale=shear_scale,
            shuffle_seq=shuffle_seq,
            final_seq_length=final_seq_length,
        )
        self.inputs, self.outputs = (final_seq_length,), CLASSES
        self.seed, self.draw, self.fresh = seed, draw, fresh
        self.view, self.chunk_size = view, chunk_size
        self.label_noise, self.noise_labels, self.order = label_noise, noise_labels, order
        refuse(self.recipe.faults())
        share = int(self.recipe.size * train_split)
        sizes = training_faults(share, train_size, validation_size, order, batch_size)
        refuse(self._faults(train_split, share, sizes))
        self._set_sizes(share, train_size, validation_size, test_size)
        refuse(self._memory_faults())
        self.batch_size = self.train_size if order == "full" else batch_size

    def _memory_faults(self) -> Iterator[str]:
        recipe = self.recipe
        yield from memory_faults(max(recipe.num_samples, sum(self._sizes.values())), recipe.final_seq_length)
        for fault in memory_faults(recipe.num_samples // CLASSES, recipe.drawn):
            yield f"template_len {recipe.template_len}, padding {list(recipe.padding)}: {fault}"

    def _faults(self, train_split: float, share: int, sizes: Iterator[str]) -> Iterator[str]:
        if self.draw == "frozen" and self.seed >= SEEDS:
            yield f"seed {self.seed} must be below {SEEDS}, as in the package"
        yield from view_faults(self.view, *self.inputs, self.chunk_size)
        if not 0 < share < self.recipe.size:
            yield f"train_split {train_split} leaves no {'test' if share else 'training'} example of {self.recipe.size}"
        else:
            yield from sizes

    def _set_sizes(self, share: int, train_size: int | None, validation_size: int, test_size: int | None) -> None:
        """How many examples each split has, and how many identities are remembered."""
        self.train_size, pool = training_sizes(share, train_size, validation_size)
        self.validation_size = validation_size
        self.test_size = self.recipe.size - share if test_size is None else test_size
        self._own = {"train": slice(0, share), "test": slice(share, None)}
        self._sizes = {"train": pool, "test": self.test_size}
        values = (self.recipe.size + pool + self.test_size) * self.inputs[0]
        limit = max(1, min(_MOST_IDENTITIES, _MOST_BYTES // (4 * values)))
        self._draws: Recent[int, _Draw] = Recent(limit)
        self._parts: Recent[tuple[str, int], Split] = Recent(2 * limit)

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its data from: equal identities mean equal splits."""
        return self._identity(seed, self.fresh)

    def _identity(self, seed: int, fresh: int) -> int:
        if self.draw == "frozen" and fresh == 0:
            return self.seed
        return stable_hash(self.seed if self.draw == "frozen" else seed, "fresh", fresh)

    def split(self, name: str, seed: int) -> Split:
        """The split called train, validation, test or fresh: x (n, final_seq_length) float32, y (n,) int64, read-only.

        `fresh` is the test split of the next fresh draw. ValueError for another name and for validation without a size.
        """
        refuse_unknown("split", name, SPLITS)
        if name in ("test", "fresh"):
            return self._part("test", seed, self.fresh + (name == "fresh"))
        if name == "validation" and not self.validation_size:
            raise ValueError("there is no validation split: give dataset.validation_size=...")
        pool = self._part("train", seed, self.fresh)
        if name == "validation":
            return frozen_split(pool.x[-self.validation_size :], pool.y[-self.validation_size :])
        x, y = pool.x[: self.train_size], pool.y[: self.train_size]
        return frozen_split(x, noisy_labels(y, self.label_noise, CLASSES, self.noise_labels, self.identity(seed)))

    def indices(self, seed: int, start: int, stop: int) -> np.ndarray:
        """Which training examples steps start..stop-1 see: shape (stop - start, batch_size), int64."""
        return batches(self.order, seed, start, stop, self.batch_size, self.train_size)

    def _part(self, part: str, seed: int, fresh: int) -> Split:
        """All test examples, or all that training and validation choose from, of a member's `fresh`-th draw."""
        identity = self._identity(seed, fresh)
        return self._parts.get((part, identity), lambda: self._assembled(part, seed, fresh))

    def _assembled(self, part: str, seed: int, fresh: int) -> Split:
        draw, own, size = self._drawn(seed, fresh), self._own[part], self._sizes[part]
        x, y = [draw.x[own]], [draw.y[own]]
        for block in range(-(-max(0, size - len(y[0])) // self.recipe.size)):
            block_seed = stable_hash(self._identity(seed, fresh), "block", part, block)
            more = generate(self.recipe, block_seed, draw.positions)
            x.append(self._seen((more.x - draw.mean) / draw.std, seed))
            y.append(more.y)
        return frozen_split(np.concatenate(x)[:size], np.concatenate(y)[:size])

    def _drawn(self, seed: int, fresh: int) -> _Draw:
        return self._draws.get(self._identity(seed, fresh), lambda: self._standardised(seed, fresh))

    def _standardised(self, seed: int, fresh: int) -> _Draw:
        inherited = self._drawn(seed, 0).positions if self.recipe.shuffle_seq and fresh else None
        x, y, positions = generate(self.recipe, self._identity(seed, fresh), inherited)
        mean, std = x.mean(), x.std()
        if not 0 < std < np.inf:
            raise ValueError(f"these options make signals of standard deviation {std}: they cannot be standardised")
        return _Draw(self._seen((x - mean) / std, seed), y, mean, std, positions)

    def _seen(self, x: np.ndarray, seed: int) -> np.ndarray:
        """Standardised signals as the member's view shows them: shape (n, length), float32."""
        order = view_positions(self.view, *self.inputs, self.chunk_size, self._identity(seed, 0))
        return x.astype(np.float32)[:, order]
