"""The signals of MNIST-1D: what `mnist1d.data.make_dataset` draws, bit for bit, for all examples at once.

Greydanus & Kobak, "Scaling down deep learning with MNIST-1D" (ICML 2024), package mnist1d 0.0.2.
The package draws one example after another from NumPy's legacy generator (MT19937 with the polar
method). Here the numbers are drawn in the same order, and the arithmetic is done on whole classes
with the same roundings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

if TYPE_CHECKING:
    from jaxtyping import Float, Int

CLASSES = 10
SEEDS = 2**32
"""The legacy generator takes seeds below this."""

_EPS = 1e-8  # keeps a template's own zeros apart from the padding, which alone gets correlated noise
_SMOOTHING = 2  # standard deviation of the filter of the correlated noise, in positions

# One row a digit, each a 12-point drawing of it; they are centred, scaled and started at 0 before use.
_DRAWINGS = (
    (5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5),
    (5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5),
    (5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5),
    (5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5),
    (5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5),
    (5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5),
    (5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5),
    (5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5),
    (5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5),
)


@dataclass(frozen=True, kw_only=True)
class SignalRecipe:
    """The package's arguments, by its names, except for the seed and the split."""

    num_samples: int
    template_len: int
    padding: tuple[int, ...]
    scale_coeff: float
    max_translation: int
    corr_noise_scale: float
    iid_noise_scale: float
    shear_scale: float
    shuffle_seq: bool
    final_seq_length: int

    @property
    def size(self) -> int:
        """The number of examples that are drawn: num_samples rounded down to a multiple of the classes."""
        return self.num_samples // CLASSES * CLASSES

    @property
    def dilated_length(self) -> int:
        """The positions of a signal before it is sampled down to final_seq_length."""
        return self.template_len + self.padding[-1]

    @property
    def drawn(self) -> int:
        """How many numbers of 4 bytes an example takes while it is drawn: two normal ones of 8 at each position."""
        return 4 * self.dilated_length

    def faults(self) -> Iterator[str]:
        """What makes these arguments impossible, one line each."""
        if self.num_samples < CLASSES:
            yield f"num_samples {self.num_samples} must be at least {CLASSES}, one for each class"
        if self.final_seq_length < 2:
            yield f"final_seq_length {self.final_seq_length} must be at least 2: one position is no sequence"
        if len(self.padding) != 2 or self.padding[0] > self.padding[1]:
            yield f"padding {list(self.padding)} must be two numbers [low, high] with low at most high"
        elif self.dilated_length < 2:
            yield f"template_len {self.template_len} and padding {list(self.padding)} leave one position"
        elif self.max_translation > self.dilated_length:
            rule = f"the padded length, template_len + padding[1] = {self.dilated_length}"
            yield f"max_translation {self.max_translation} is beyond {rule}"


class Signals(NamedTuple):
    """Examples x in float64, labels y in int64 and the order that x's positions were put in, None if in none."""

    x: Float[np.ndarray, "n positions"]
    y: Int[np.ndarray, " n"]
    positions: Int[np.ndarray, " positions"] | None


def templates() -> Float[np.ndarray, "10 12"]:
    """The ten digits as the package uses them, float64."""
    x = np.array(_DRAWINGS)
    x -= x.mean(1, keepdims=True)
    x /= x.std(1, keepdims=True)
    x -= x[:, :1]
    return x / 6.0


def generate(recipe: SignalRecipe, seed: int, positions: Int[np.ndarray, " positions"] | None = None) -> Signals:
    """The examples of `seed` (modulo 2**32) in the package's order, before they are standardised.

    With `shuffle_seq` the positions have the order given, or else one of this seed's own.
    """
    stream = np.random.RandomState(seed % SEEDS)
    count = recipe.num_samples // CLASSES
    x = np.concatenate([_examples(recipe, template, count, stream) for template in templates()])
    y = np.repeat(np.arange(CLASSES), count)
    order = stream.permutation(len(y))
    x, y = x[order], y[order]
    if not recipe.shuffle_seq:
        return Signals(x, y, None)
    positions = stream.permutation(recipe.final_seq_length) if positions is None else positions
    # The memory layout that this leaves is the package's, and with it the rounding of the mean of all values.
    return Signals(x[..., positions], y, positions)


def _examples(
    recipe: SignalRecipe, template: Float[np.ndarray, " 12"], count: int, stream: np.random.RandomState
) -> Float[np.ndarray, "count positions"]:
    """`count` examples of one class, the next ones of the stream."""
    length = recipe.dilated_length
    draws, shift, noise = _numbers(recipe, count, stream)
    low, high = recipe.padding
    padding = low + (draws[:, 0] * (high - low + 1)).astype(np.int64)
    x = _dilated(template, padding, length) * (1 + recipe.scale_coeff * (draws[:, 1:2] - 0.5))
    x = np.take_along_axis(x, (np.arange(length) - shift[:, None]) % length, axis=1)
    correlated = gaussian_filter1d(recipe.corr_noise_scale * noise[:, 0], _SMOOTHING, axis=1)
    x = np.where(x != 0, x, correlated) + recipe.iid_noise_scale * noise[:, 1]
    x -= recipe.shear_scale * (draws[:, 2:3] - 0.5) * np.linspace(-0.5, 0.5, length)
    return _sampled(x, recipe.final_seq_length)


def _numbers(
    recipe: SignalRecipe, count: int, stream: np.random.RandomState
) -> tuple[Float[np.ndarray, "count 3"], Int[np.ndarray, " count"], Float[np.ndarray, "count 2 length"]]:
    """The random numbers of `count` examples, in the package's order within each.

    Uniform numbers for padding, scale and shear; translations; normal numbers for the correlated
    and the independent noise at each position of the dilated signal.
    """
    length = recipe.dilated_length
    draws, shift = np.empty((count, 3)), np.empty(count, np.int64)
    noise = np.empty((count, 2, length))
    for example in range(count):
        draws[example, :2] = stream.random_sample(2)
        shift[example] = stream.randint(0, recipe.max_translation)
        noise[example] = stream.standard_normal((2, length))
        draws[example, 2] = stream.random_sample()
    return draws, shift, noise


def _dilated(
    template: Float[np.ndarray, " 12"], padding: Int[np.ndarray, " n"], length: int
) -> Float[np.ndarray, "n length"]:
    """The template with so many zeros after it, stretched to `length` positions."""
    # Whether a value is exactly 0 decides about its noise, so this step leaves the rounding to
    # np.interp, as does the package; there are only as many different signals as amounts of
    # padding.
    amounts, which = np.unique(padding, return_inverse=True)
    grid = np.linspace(0, 1, length)
    signals = [
        np.interp(grid, np.linspace(0, 1, len(template) + amount), np.append(template + _EPS, np.zeros(amount)))
        for amount in amounts
    ]
    return np.stack(signals)[which]


def _sampled(x: Float[np.ndarray, "n positions"], length: int) -> Float[np.ndarray, "n length"]:
    """Each row of x linearly interpolated at `length` even positions, with the roundings of np.interp."""
    have, want = np.linspace(0, 1, x.shape[1]), np.linspace(0, 1, length)
    index = np.searchsorted(have, want, side="right") - 1
    left = np.minimum(index, len(have) - 2)
    x_left = x[:, left]
    slope = (x[:, left + 1] - x_left) / (have[left + 1] - have[left])
    sampled = slope * (want - have[left]) + x_left
    exact = have[index] == want
    sampled[:, exact] = x[:, index[exact]]
    return sampled
