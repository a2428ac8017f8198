"""The swiss roll in the plane."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from expzoo.plugin import (
    Count,
    Drawn,
    Fraction,
    Natural,
    NonNegative,
    Positive,
    normals,
    permutation,
    register,
    uniforms,
)


@register
class SwissRoll(Drawn):
    """A swiss roll cut across and a second one, turned by half a circle: two arms, r = 1.5 angle, one class each.

    Angles are 600 degrees times the root of a uniform number, so that points are as dense
    everywhere. Huang et al. 2019, arXiv:1906.03291 (github.com/wronnyhuang/gen-viz,
    `swissroll/main.py::twospirals`): 400 examples, noise 0.5. It is the curve of scikit-learn's
    `make_swiss_roll`, which has one arm, a height, and no classes.

    Args:
        turns: circles that an arm makes; 600 degrees are 5 / 3.
        noise: standard deviation of both coordinates.
        train_size: training examples.
        validation_size: validation examples, of a draw of their own.
        test_size: test examples.
        poison: further training examples with the wrong label, which are in no other split.
        seed: of the draw that all members see with draw=frozen.
        draw: whether every member sees the draw of `seed`, or its own.
        label_noise: how likely the label of a training example is replaced by the other.
        batch_size: examples in a batch.
        order: shuffled permutes every epoch, fixed never, full takes all examples at every step.
    """

    CACHE_VERSION = 1
    NOT_IN_KEY = ("test_size",)

    def __init__(
        self,
        *,
        turns: Positive = 1.6666666666666667,
        noise: NonNegative = 0.5,
        train_size: Count = 400,
        validation_size: Natural = 0,
        test_size: Count = 1000,
        poison: Natural = 0,
        seed: Natural = 0,
        draw: Literal["frozen", "member"] = "frozen",
        label_noise: Fraction = 0.0,
        batch_size: Count = 100,
        order: Literal["shuffled", "fixed", "full"] = "shuffled",
    ) -> None:
        self.turns, self.noise = turns, noise
        super().__init__(
            "swiss_roll",
            2,
            2,
            train_size=train_size,
            validation_size=validation_size,
            test_size=test_size,
            poison=poison,
            seed=seed,
            draw=draw,
            label_noise=label_noise,
            batch_size=batch_size,
            order=order,
        )

    def examples(self, identity: int, purpose: str, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Points (size, 2) and the arms (size,) that they lie on, as many on each."""
        arms = (np.arange(size) % 2)[permutation(identity, f"{purpose} labels", 0, size)]
        angle = 2 * math.pi * self.turns * np.sqrt(uniforms(identity, f"{purpose} angles", 0, size))
        radius = np.where(arms == 0, 1.5, -1.5) * angle
        x = radius[:, None] * np.stack([-np.cos(angle), np.sin(angle)], 1)
        return x + self.noise * normals(identity, f"{purpose} noise", 0, 2 * size).reshape(size, 2), arms
