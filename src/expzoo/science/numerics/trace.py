"""The trace of a symmetric matrix from products with it alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from expzoo.system.randomness import words


class TraceEstimate(NamedTuple):
    """A random estimate and its standard error."""

    value: float
    standard_error: float


def hutchinson_trace(
    matvec: Callable[[Tensor], Tensor],
    size: int,
    samples: int = 100,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> TraceEstimate:
    """The trace of a symmetric matrix, estimated as the mean of v' A v over random signs v.

    Hutchinson 1990, "A stochastic estimator of the trace of the influence matrix": unbiased, since
    E[v v'] = I, with variance 2 sum over i != j of A_ij**2 for each sample, so exact for a diagonal
    matrix. One product a sample.

    Args:
        matvec: v (size,) -> A v (size,) for a symmetric A.
        size: the length of v.
        samples: how many vectors, at least 2.
        seed: of the signs. The first samples of a longer estimate are the same.
        dtype: what `matvec` takes and gives.

    Returns:
        The estimate and its standard error over the samples.

    Raises:
        ValueError: fewer than 2 samples.

    >>> diagonal = torch.arange(5, dtype=torch.float64)
    >>> hutchinson_trace(lambda v: diagonal * v, 5, 3)
    TraceEstimate(value=10.0, standard_error=0.0)
    """
    if samples < 2:
        raise ValueError(f"{samples} samples give no standard error: it takes at least 2")
    forms = np.empty(samples)
    for sample in range(samples):
        signs = (words(seed, "hutchinson", sample, size) >> np.uint64(63)).astype(np.float64) * 2 - 1
        vector = torch.from_numpy(signs).to(dtype)
        forms[sample] = float(vector.double() @ matvec(vector).double())
    return TraceEstimate(float(forms.mean()), float(forms.std(ddof=1) / np.sqrt(samples)))
