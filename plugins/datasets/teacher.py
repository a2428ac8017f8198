"""What a teacher network says of random inputs."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np

from expzoo.plugin import Count, Drawn, Fraction, Natural, Range, normals, register


@register
class Teacher(Drawn):
    """Normal inputs and the class that a random network of one hidden layer gives them.

    The teacher is V tanh(W x / sqrt(dimensions)) without biases, W and V of normal numbers, and its
    largest output the class: an `mlp` of its width with depth 1 and tanh can be exactly right. It
    is odd, so two classes are equally likely. Teacher and student: Gardner & Derrida 1989; with
    hidden units Saad & Solla 1995, "On-line learning in soft committee machines".

    Args:
        dimensions: of an input.
        width: hidden units of the teacher.
        classes: how many.
        train_size: training examples.
        validation_size: validation examples, of a draw of their own.
        test_size: test examples.
        seed: of the draw that all members see with draw=frozen.
        draw: whether every member sees the draw of `seed`, or its own.
        label_noise: how likely the label of a training example is replaced by a wrong one.
        batch_size: examples in a batch.
        order: shuffled permutes every epoch, fixed never, full takes all examples at every step.
    """

    CACHE_VERSION = 1
    NOT_IN_KEY = ("test_size",)

    def __init__(
        self,
        *,
        dimensions: Annotated[int, Range(1, 10000)] = 20,
        width: Annotated[int, Range(1, 10000)] = 4,
        classes: Annotated[int, Range(2, 100)] = 2,
        train_size: Count = 1000,
        validation_size: Natural = 0,
        test_size: Count = 1000,
        seed: Natural = 0,
        draw: Literal["frozen", "member"] = "frozen",
        label_noise: Fraction = 0.0,
        batch_size: Count = 100,
        order: Literal["shuffled", "fixed", "full"] = "shuffled",
    ) -> None:
        self.width = width
        super().__init__(
            "teacher",
            dimensions,
            classes,
            train_size=train_size,
            validation_size=validation_size,
            test_size=test_size,
            seed=seed,
            draw=draw,
            label_noise=label_noise,
            batch_size=batch_size,
            order=order,
        )

    def weights(self, identity: int) -> tuple[np.ndarray, np.ndarray]:
        """The teacher's own: W (width, dimensions) and V (classes, width)."""
        hidden = normals(identity, "teacher hidden", 0, self.width * self.inputs[0]).reshape(self.width, -1)
        return hidden, normals(identity, "teacher last", 0, self.outputs * self.width).reshape(self.outputs, -1)

    def examples(self, identity: int, purpose: str, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (size, dimensions) and the teacher's classes (size,)."""
        hidden, last = self.weights(identity)
        x = normals(identity, f"{purpose} inputs", 0, size * self.inputs[0]).reshape(size, -1)
        return x, (np.tanh(x @ hidden.T / math.sqrt(self.inputs[0])) @ last.T).argmax(1)
