"""The loss on planes through a network: along its trajectory, and in random directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch

from expzoo.analysis.cohort import Cohort
from expzoo.report import figures
from expzoo.report.figures.figure import Figure
from expzoo.science.numerics.planes import filter_normalised, principal_plane
from expzoo.system.errors import Unfit
from expzoo.system.randomness import normals

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from expzoo.lab.trained import Trained

MARGIN = 0.25  # of the trajectory's extent that is seen around it
LEVELS = 14
TRAJECTORY, RANDOM = "trajectory", "random"


@dataclass(frozen=True)
class Surface:
    """Losses (y, x) at places along two directions from a network; where it went; the share of variance of each."""

    x: np.ndarray
    y: np.ndarray
    loss: np.ndarray
    path: np.ndarray
    shares: tuple[float, float] = (float("nan"), float("nan"))


def checkpoints(network: Trained, wanted: tuple[int, ...]) -> Float[Tensor, "n size"]:
    """The rows that were kept of those wanted, the last one at the end; Unfit if they are fewer than three."""
    steps = sorted({step for step in (*wanted, network.step) if network.has_row(step)})
    if len(steps) < 3:
        raise Unfit(f"network {network.key[:12]} has {len(steps)} checkpoints, and a plane needs at least 3")
    return torch.stack([torch.from_numpy(network.row(step)) for step in steps])


def spaced(total: int, count: int) -> tuple[int, ...]:
    """At most so many steps at equal distances, start and end included."""
    return tuple(sorted({round(step) for step in np.linspace(0, total, count)}))


def along_trajectory(network: Trained, rows: Float[Tensor, "n size"], points: int, split: str = "train") -> Surface:
    """The plane in which the checkpoints vary most, through the final weights."""
    cohort, plane = Cohort([network]), principal_plane(rows)
    directions, end = plane.directions.to(rows.dtype), cohort.rows[0]
    path = ((rows.double() - end.double()) @ plane.directions.T).numpy()
    x, y = (_around(path[:, axis], points) for axis in (0, 1))
    return Surface(x, y, _losses(cohort, end, directions, x, y, split), path, plane.shares)


def at_random(network: Trained, points: int, reach: float = 1.0, draw: int = 0, split: str = "train") -> Surface:
    """Two random directions, each filter of which is as long as the network's own, from -reach to reach."""
    cohort = Cohort([network])
    end, layout = cohort.rows[0], cohort.layout
    directions = torch.zeros(2, layout.size, dtype=end.dtype)
    for index, row in enumerate(directions):
        drawn = torch.from_numpy(normals(draw, "surface", index, layout.size)).to(end.dtype)
        for name, value in filter_normalised(layout.view(drawn), layout.view(end)).items():
            layout.view(row)[name].copy_(value)
    x = np.linspace(-reach, reach, points)
    return Surface(x, x, _losses(cohort, end, directions, x, x, split), np.zeros((1, 2)))


def _around(values: np.ndarray, points: int) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    room = MARGIN * max(high - low, 1e-6)
    return np.linspace(low - room, high + room, points)


def _losses(
    cohort: Cohort, end: Tensor, directions: Float[Tensor, "2 size"], x: np.ndarray, y: np.ndarray, split: str
) -> np.ndarray:
    places = torch.tensor([(a, b) for b in y for a in x], dtype=end.dtype)
    rows = end + places @ directions
    return cohort.loss(rows, split).numpy().reshape(len(y), len(x))


def picture(surface: Surface, kind: str, title: str, split: str = "train") -> Figure:
    """Contours of the logarithm of the loss, and the trajectory on them."""
    canvas, (axes,) = figures.canvas(width=5.6, height=4.6)
    shown = np.log10(np.maximum(np.nan_to_num(surface.loss, nan=np.inf, posinf=1e30), 1e-12))
    ends = np.quantile(shown, [0, 0.95])
    levels = np.linspace(ends[0], max(ends[1], ends[0] + 1e-3), LEVELS)
    filled = axes.contourf(surface.x, surface.y, shown, levels=levels, cmap="viridis", extend="both")
    axes.contour(surface.x, surface.y, shown, levels=levels, colors="white", linewidths=0.4, alpha=0.6)
    canvas.colorbar(filled, ax=axes, label=f"log10 of the loss on {split} data")
    if kind == TRAJECTORY:
        axes.plot(*surface.path.T, color="white", linewidth=2.4)
        axes.plot(*surface.path.T, color="#c2410c", linewidth=1.2, marker="o", markersize=2.5)
        axes.plot(*surface.path[0], "s", color="white", markeredgecolor="#c2410c", markersize=6)
        names = [f"component {i + 1}: {100 * share:.0f} % of the variance" for i, share in enumerate(surface.shares)]
        both = 100 * sum(surface.shares)
        caption = (
            f"The loss on the plane of the first two principal components of {len(surface.path)} checkpoints, "
            f"which hold {both:.0f} % of their variance, through the final weights (cross). The square is the start. "
            "The two of a long random walk in many dimensions hold 76 %."
        )
    else:
        names = ["first random direction", "second random direction"]
        caption = (
            "The loss around the final weights (cross) in two random directions, each filter of which is as long "
            "as the network's own, biases left alone (Li et al. 2018)."
        )
    axes.plot(0, 0, "x", color="white", markersize=8, markeredgewidth=2)
    axes.set(xlabel=names[0], ylabel=names[1])
    axes.grid(visible=False)
    x, y = np.meshgrid(surface.x, surface.y)
    data = pl.DataFrame({"x": x.ravel(), "y": y.ravel(), "loss": surface.loss.ravel()})
    return Figure(kind, title, caption, canvas, data)
