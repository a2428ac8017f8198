"""The density of all eigenvalues of symmetric matrices from products with them alone: stochastic Lanczos quadrature."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from expzoo.system.randomness import normals

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Products = Callable[[Tensor], Tensor]

_NOTHING = 1e-10  # a direction that is so much shorter than the largest product is rounding


class Quadrature(NamedTuple):
    """Nodes theta and weights w of each matrix: the mean of f over its eigenvalues is about the sum of w f(theta)."""

    nodes: Float[np.ndarray, "k nodes"]
    weights: Float[np.ndarray, "k nodes"]

    def share(self, low: float, high: float) -> Float[np.ndarray, " k"]:
        """How many of the eigenvalues lie from low to high, as a share."""
        return np.where((self.nodes >= low) & (self.nodes <= high), self.weights, 0.0).sum(1)

    def density(self, grid: Float[np.ndarray, " points"], width: float) -> Float[np.ndarray, "k points"]:
        """The density on a grid, every node a Gaussian of this standard deviation."""
        apart = (grid - self.nodes[..., None]) / width
        return np.einsum("kn,knp->kp", self.weights, np.exp(-(apart**2) / 2)) / (width * np.sqrt(2 * np.pi))


def lanczos(
    products: Products, start: Float[Tensor, "k size"], steps: int
) -> tuple[Float[Tensor, "k steps"], Float[Tensor, "k steps-1"]]:
    """The diagonals and off-diagonals of the tridiagonal forms of k symmetric matrices, all at once.

    Lanczos 1950, with every vector made orthogonal to all before it twice (Parlett 1998, "The
    symmetric eigenvalue problem", section 6.9), so that no eigenvalue is found again by rounding;
    memory is k * steps vectors. A matrix whose directions are used up gets zeros.

    Args:
        products: v (k, size) -> each matrix times its vector, (k, size).
        start: one vector for each matrix, of any length but zero.
        steps: how many, at most the size.

    >>> diagonal = torch.tensor([[1.0, 2.0, 3.0]], dtype=torch.float64)
    >>> on, off = lanczos(lambda v: diagonal * v, torch.ones(1, 3, dtype=torch.float64), 3)
    >>> matrix = torch.diag(on[0]) + torch.diag(off[0], 1) + torch.diag(off[0], -1)
    >>> torch.linalg.eigvalsh(matrix).round(decimals=9)
    tensor([1., 2., 3.], dtype=torch.float64)
    """
    vector = start / start.norm(dim=1, keepdim=True)
    basis = vector.new_zeros(len(start), steps, start.shape[1])
    on, off, largest = vector.new_zeros(len(start), steps), vector.new_zeros(len(start), steps), vector.new_zeros(())
    for step in range(steps):
        basis[:, step] = vector
        product = products(vector)
        largest = torch.maximum(largest, product.norm(dim=1).max())
        on[:, step] = (vector * product).sum(1)
        known = basis[:, : step + 1]
        for _ in range(2):
            product = product - torch.einsum("kb,kbs->ks", torch.einsum("kbs,ks->kb", known, product), known)
        length = product.norm(dim=1)
        off[:, step] = torch.where(length > _NOTHING * largest, length, 0.0)
        vector = torch.where(off[:, step : step + 1] > 0, product / length.clamp_min(1e-300).unsqueeze(1), 0.0)
    return on, off[:, :-1]


def quadrature(
    products: Products,
    count: int,
    size: int,
    places: Int[Tensor, " parameters"] | None = None,
    *,
    steps: int = 80,
    samples: int = 1,
    seed: int = 0,
) -> Quadrature:
    """Nodes and weights of the eigenvalue densities of `count` matrices, by `samples` runs of Lanczos for each.

    Golub & Welsch 1969, "Calculation of Gauss quadrature rules"; Lin, Saad & Yang 2016,
    "Approximating spectral densities of large matrices"; for Hessians Ghorbani, Krishnan & Xiao
    2019. A run is exact for polynomials of degree 2 * steps - 1 of one random vector; outliers are
    found by it to rounding, the bulk is smoothed. Products are in float64.

    Args:
        products: v (count, size) -> each matrix times its vector.
        count: how many matrices.
        size: the length of a vector.
        places: the entries that belong to the matrices; all if None. The others are padding.
        steps: products of one run; fewer where there are fewer places.
        samples: random vectors, the same for all matrices.
        seed: of the vectors.
    """
    places = torch.arange(size) if places is None else places
    steps = min(steps, len(places))
    nodes, weights = [], []
    for sample in range(samples):
        start = torch.zeros(size, dtype=torch.float64)
        start[places] = torch.from_numpy(normals(seed, "spectral density", sample, len(places)))
        on, off = lanczos(products, start.expand(count, size).clone(), steps)
        values, vectors = torch.linalg.eigh(on.diag_embed() + off.diag_embed(1) + off.diag_embed(-1))
        nodes.append(values.numpy())
        weights.append(vectors[:, 0].square().numpy() / samples)
    return Quadrature(np.concatenate(nodes, 1), np.concatenate(weights, 1))
