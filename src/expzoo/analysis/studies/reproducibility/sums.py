"""The order of additions: the program of the document, and sums of one list of numbers in many orders."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from expzoo.system.randomness import normals, permutation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Float

SMALL, ONE = 0.00000005, 1.0
EXPECTED = (1.00000012, 1.0, 1.00000012, 1.0)
"""What IEEE 754 makes of x + y + z, z + x + y, (x + y) + z and x + (y + z) in single precision, to 9 digits."""

UNCHANGED, BOTH = 2e-8, 8e-8
"""A smaller and a larger x = y: below 2.98e-8 neither order changes 1, above 5.96e-8 each does."""

PROGRAM = r"""
#include <stdio.h>

float add(float a, float b) {
    return a + b;
}

int main(void) {
    float x = 0.00000005f;
    float y = 0.00000005f;
    float z = 1.0f;

    float result0 = x + y + z;
    float result1 = z + x + y;

    printf("%.9g\n", result0);
    printf("%.9g\n", result1);

    float result2 = add(add(x, y), z);
    float result3 = add(x, add(y, z));

    printf("%.9g\n", result2);
    printf("%.9g\n", result3);
}
"""
"""Warden (2022), with the two braces that the page has lost."""


def by_numpy(x: float = SMALL, z: float = ONE) -> tuple[float, ...]:
    """The four sums by NumPy's single precision."""
    a, b, c = (np.float32(value) for value in (x, x, z))
    return tuple(float(value) for value in (a + b + c, c + a + b, (a + b) + c, a + (b + c)))


def by_torch(x: float = SMALL, z: float = ONE) -> tuple[float, ...]:
    """The four sums by torch's single precision."""
    import torch

    a, b, c = (torch.tensor(value, dtype=torch.float32) for value in (x, x, z))
    return tuple(value.item() for value in (a + b + c, c + a + b, (a + b) + c, a + (b + c)))


def by_c() -> tuple[float, ...] | None:
    """The four sums that the document's program prints, None where there is no C compiler or it does not work."""
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "sums.c"), Path(folder, "sums")
        source.write_text(PROGRAM)
        try:
            subprocess.run([compiler, "-o", program, source], check=True, capture_output=True, timeout=60)
            ended = subprocess.run([program], check=False, capture_output=True, text=True, timeout=60)
            return tuple(float(line) for line in ended.stdout.split())
        except (OSError, subprocess.SubprocessError, ValueError):
            return None


def terms(seed: int, length: int) -> Float[np.ndarray, " length"]:
    """The products of a dot product of two normal vectors, in double precision."""
    pair = normals(seed, "summands", length, 2 * length).reshape(2, length)
    return pair[0] * pair[1]


def whole(seed: int, length: int) -> Float[np.ndarray, " length"]:
    """Whole numbers from -8 to 8, of which every sum is exact in single precision, whatever the order."""
    return np.clip(np.rint(4 * normals(seed, "whole summands", length, length)), -8, 8)


def in_orders(values: Float[np.ndarray, " length"], seed: int, orders: int) -> Iterator[tuple[float, float]]:
    """The sum in single and in double precision, one number after the other: as they stand, then in random orders.

    Single precision adds the numbers as it has them: numbers of 24 bits would be added in 53 without any error.
    """
    single = values.astype(np.float32)
    for number in range(orders + 1):
        order = permutation(seed, "order of summands", number, len(values)) if number else np.arange(len(values))
        yield float(np.cumsum(single[order])[-1]), float(np.cumsum(values[order])[-1])
