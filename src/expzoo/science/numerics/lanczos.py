"""The largest eigenvalues of a symmetric matrix from products with it alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from torch import Tensor

from expzoo.system.randomness import uniforms

if TYPE_CHECKING:
    from jaxtyping import Float

Product = Callable[[Tensor], Tensor]

DENSE = 20  # up to here ARPACK needs as many products as the whole matrix has columns


def top_eigenvalues(
    matvec: Product,
    size: int,
    k: int = 1,
    *,
    iterations: int = 1000,
    tolerance: float = 1e-6,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Float[Tensor, " k"]:
    """The k algebraically largest eigenvalues of a symmetric matrix, largest first. See `top_eigenpairs`.

    >>> diagonal = torch.arange(100, dtype=torch.float64)
    >>> top_eigenvalues(lambda v: diagonal * v, 100, 3).round(decimals=6)
    tensor([99., 98., 97.], dtype=torch.float64)
    """
    return top_eigenpairs(matvec, size, k, iterations=iterations, tolerance=tolerance, seed=seed, dtype=dtype)[0]


def top_eigenpairs(
    matvec: Product,
    size: int,
    k: int = 1,
    *,
    iterations: int = 1000,
    tolerance: float = 1e-6,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> tuple[Float[Tensor, " k"], Float[Tensor, "k size"]]:
    """The k algebraically largest eigenvalues, largest first, and their eigenvectors of unit length.

    Implicitly restarted Lanczos of ARPACK (Lehoucq, Sorensen & Yang 1998, "ARPACK Users' Guide",
    chapter 4), through `scipy.sparse.linalg.eigsh`: typically 20 to 60 products for the outliers of
    a Hessian, and max(2 k + 1, 20) vectors of memory. A Ritz value never exceeds the largest
    eigenvalue, so an early end biases it downwards, by about the square of the residual.

    Args:
        matvec: v (size,) -> A v (size,) for a symmetric A.
        size: the length of v.
        k: how many.
        iterations: restarts at most; each is about 20 products.
        tolerance: relative accuracy of the eigenvalues. With float32 products less than 1e-5 is not to be had.
        seed: of the starting vector.
        dtype: what `matvec` takes and gives.

    Returns:
        Eigenvalues and eigenvectors, in `dtype`.

    Raises:
        ValueError: k is not from 1 to size.
        ArithmeticError: a product is not finite, or the iterations did not suffice.
    """
    if not 1 <= k <= size:
        raise ValueError(f"k {k} must be from 1 to {size}, the size of the matrix")
    start = torch.from_numpy(uniforms(seed, "lanczos", 0, size) - 0.5).to(dtype).numpy()
    product = _on_arrays(matvec, dtype)
    if size <= max(DENSE, 2 * k + 1):
        values, vectors = np.linalg.eigh(np.stack([product(unit) for unit in np.eye(size, dtype=start.dtype)]))
    elif not product(start).any():  # ARPACK refuses the zero matrix
        values, vectors = np.zeros(k, start.dtype), np.eye(size, k, dtype=start.dtype)
    else:
        values, vectors = _arpack(product, k, start, iterations, tolerance)
    order = np.argsort(-values, kind="stable")[:k]
    return torch.from_numpy(values[order]), torch.from_numpy(vectors.T[order])


def _on_arrays(matvec: Product, dtype: torch.dtype) -> Callable[[np.ndarray], np.ndarray]:
    def product(vector: np.ndarray) -> np.ndarray:
        result = matvec(torch.from_numpy(vector.reshape(-1)).to(dtype)).numpy(force=True)
        if not np.isfinite(result).all():
            raise ArithmeticError("a product with the matrix is not finite")
        return result

    return product


def _arpack(
    product: Callable[[np.ndarray], np.ndarray],
    k: int,
    start: Float[np.ndarray, " size"],
    iterations: int,
    tolerance: float,
) -> tuple[Float[np.ndarray, " k"], Float[np.ndarray, "size k"]]:
    """The k largest eigenvalues and their eigenvectors, in no order."""
    shape = len(start), len(start)
    operator = LinearOperator(shape, matvec=product, dtype=start.dtype)  # type: ignore[call-arg]
    try:
        return eigsh(operator, k, which="LA", v0=start, maxiter=iterations, tol=tolerance)
    except ArpackNoConvergence as error:
        found = len(error.eigenvalues)
        raise ArithmeticError(f"{found} of {k} eigenvalues converged in {iterations} iterations") from None
