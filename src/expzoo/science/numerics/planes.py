"""Planes through weights: the one in which a trajectory lies most, and random ones on the scale of the filters."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class Plane(NamedTuple):
    """Two orthonormal directions, and the share of the variance of the rows that lies in each."""

    directions: Float[Tensor, "2 size"]
    shares: tuple[float, float]

    @property
    def share(self) -> float:
        """Of both together."""
        return sum(self.shares)


def principal_plane(rows: Float[Tensor, "n size"]) -> Plane:
    """The two directions in which rows vary most, by principal components about their mean, in float64.

    Li, Xu, Taylor, Studer & Goldstein 2018, "Visualizing the loss landscape of neural nets",
    section 7.2. ValueError for fewer than three rows, or rows that do not vary.
    """
    if len(rows) < 3:
        raise ValueError(f"{len(rows)} rows span no plane: give at least 3")
    centred = rows.double() - rows.double().mean(0)
    _, lengths, directions = torch.linalg.svd(centred, full_matrices=False)
    variances = lengths.square() / lengths.square().sum()
    if not torch.isfinite(variances).all() or lengths[0] == 0:
        raise ValueError("rows that do not vary span no plane")
    return Plane(directions[:2], (float(variances[0]), float(variances[1])))


def filter_normalised(direction: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A direction whose every filter is as long as that of the weights; 0 for biases and gains of normalisation.

    Li et al. 2018, section 4. A filter is what leads to one unit: an entry of the first axis.
    """
    found = {}
    for name, value in direction.items():
        reference = weights[name]
        if reference.dim() < 2:
            found[name] = torch.zeros_like(value)
            continue
        flat, like = value.reshape(len(value), -1), reference.reshape(len(value), -1)
        lengths = flat.norm(dim=1, keepdim=True).clamp(min=torch.finfo(value.dtype).tiny)
        found[name] = (flat * (like.norm(dim=1, keepdim=True) / lengths)).view_as(value)
    return found


def random_walk_share(steps: int) -> float:
    """The share of variance that the first two principal components of a random walk hold, in very many dimensions.

    The variance of component k of a walk of n independent steps of one length, of which none meets
    another, is proportional to 1 / (4 sin(pi k / 2 (n + 1)) ** 2): Antognini & Sohl-Dickstein 2018,
    "PCA of high dimensional random walks with comparison to neural network training", section 2.2.
    For long walks it is (1 + 1/4) 6 / pi ** 2, 76 %.
    """
    points = steps + 1
    variances = [1 / (4 * math.sin(math.pi * k / (2 * points)) ** 2) for k in range(1, points)]
    return sum(variances[:2]) / sum(variances)
