"""What does the loss look like around a network and along its way?"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch

from expzoo.analysis.studies import paths, surfaces
from expzoo.study import (
    Claim,
    Findings,
    Fresh,
    Positive,
    Range,
    Request,
    SelfTest,
    complete,
    decide,
    mean_t,
    no_difference,
    normals,
    paired,
    planes,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl
    from torch import Tensor

    from expzoo.study import Figure, Setting, Trained, Verdict

TRAINED, AGAIN, WALK = "trained", "trained_again", "random_walk"
SHARE = ("share", "")
_CLAIM: dict[str, Any] = {"unit": "% of the variance", "smallest_effect": 0.0, "direction": "greater"}
FLAT = Claim(
    name="li.trajectory_in_two_directions",
    statement="Two directions hold more than 40 % of the variance of the checkpoints of a training.",
    source="Li, Xu, Taylor, Studer & Goldstein, Visualizing the loss landscape of neural nets (2018), section 7.2",
    published="40 to 90 %",
    rule="one-sample t",
    reference=40.0,
    **_CLAIM,
)
FLATTER = Claim(
    name="antognini.trajectory_is_no_random_walk",
    statement="They hold more than those of a random walk with as many steps of the same lengths.",
    source="Antognini & Sohl-Dickstein, PCA of high dimensional random walks with comparison to neural network "
    "training (2018)",
    published="76 % for a long random walk, about as much as of a network",
    rule="paired t",
    note="the control that such pictures lack: a random walk in many dimensions looks as flat",
    **_CLAIM,
)


@register
class LossSurface:
    """The two pictures: the plane of a trajectory, by principal components, and a random plane.

    Li et al. 2018. The pictures are of the first network; the share of variance of the
    plane is said of all. The random walk is isotropic in as many dimensions as there are parameters.

    Args:
        checkpoints: how many, at equal distances of steps, start and end included.
        points: places along each direction of a picture.
        reach: of the random directions, in units of the weights.
    """

    NEEDS = ("finite",)
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(
        self,
        *,
        checkpoints: Annotated[int, Range(3, 1000)] = 41,
        points: Annotated[int, Range(3, 201)] = 25,
        reach: Positive = 1.0,
    ) -> None:
        self.checkpoints, self.points, self.reach = checkpoints, points, reach

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Every seed's network and one from another start, at all checkpoints."""
        steps = surfaces.spaced(setting.base.stop.shared.at_most, self.checkpoints)
        plan = [*setting.specs(), *setting.specs(init=Fresh(draw=1))]
        networks = yield Request(tuple(plan), (), steps=steps)
        findings, count = Findings(), len(setting.seeds)
        for index, network in enumerate(networks):
            seed, arm = setting.seeds[index % count], TRAINED if index < count else AGAIN
            rows = None if network.diverged else surfaces.checkpoints(network, steps)
            findings.rows += paths.rows_of([network], seed, arm, {SHARE: _share(rows)})
            if index < count:
                walk = None if rows is None else _walk(network, rows, seed)
                findings.rows += paths.rows_of([network], seed, WALK, {SHARE: _share(walk)})
        whole = [network for network in networks if not network.diverged]
        if not whole:
            return findings
        slices = {
            surfaces.TRAJECTORY: surfaces.along_trajectory(
                whole[0], surfaces.checkpoints(whole[0], steps), self.points
            ),
            surfaces.RANDOM: surfaces.at_random(whole[0], self.points, self.reach),
        }
        for name, surface in slices.items():
            findings.arrays |= {f"{name}/{part}": np.asarray(value) for part, value in vars(surface).items()}
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """The share of variance, over seeds, against 40 % and against random walks."""

        def share(arm: str) -> dict[int, float]:
            return records.by_seed(table, arm=arm, metric="share")

        [values], lost = complete(list(share(TRAINED).values()))
        again = no_difference("networks from other starts", share(AGAIN), share(TRAINED))
        return [
            decide(FLAT, mean_t(values, level=FLAT.level), control=[again, _known_walk()], dropped=lost),
            paired(FLATTER, share(TRAINED), share(WALK), control=[again, _known_walk()]),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Both surfaces."""
        titles = {surfaces.TRAJECTORY: "The loss along the way", surfaces.RANDOM: "The loss in random directions"}
        for name, title in titles.items() if arrays else ():
            parts = {part: arrays[f"{name}/{part}"] for part in ("x", "y", "loss", "path")}
            first, second = map(float, arrays[f"{name}/shares"])
            yield surfaces.picture(surfaces.Surface(**parts, shares=(first, second)), name, title)


def _share(rows: Tensor | None) -> float:
    """Of the variance of rows in their plane, in per cent; NaN if there are none, of a network that diverged."""
    return float("nan") if rows is None else 100 * planes.principal_plane(rows).share


def _walk(network: Trained, rows: Tensor, seed: int) -> Tensor:
    """A random walk in the same dimension whose steps are as long as those between the checkpoints."""
    lengths = (rows[1:] - rows[:-1]).double().norm(dim=1, keepdim=True)
    size = sum(value.size for value in network.parameters().values())
    drawn = torch.from_numpy(normals(seed, "random walk", 0, len(lengths) * size)).view(len(lengths), size)
    return torch.cat([drawn.new_zeros(1, size), (lengths * drawn / drawn.norm(dim=1, keepdim=True)).cumsum(0)])


@cache
def _known_walk() -> SelfTest:
    """That walks of equal steps have the share that theory knows."""
    size, steps = 2000, 20
    found = []
    for walk in range(3):
        drawn = torch.from_numpy(normals(walk, "known walk", 0, steps * size)).view(steps, size)
        found.append(planes.principal_plane(torch.cat([drawn.new_zeros(1, size), drawn.cumsum(0)])).share)
    expected = planes.random_walk_share(steps)
    right = abs(float(np.mean(found)) - expected) < 0.02
    return SelfTest("random walks have the share of theory", right, f"{np.mean(found):.3f}, expected {expected:.3f}")
