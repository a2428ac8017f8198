"""Paths between networks in the space of weights, and how far the loss rises along them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from expzoo.engine.blueprints import Blueprints
from expzoo.engine.recipes import Recipes, reorder_units
from expzoo.science.numerics.symmetry import SUPPORTED, hidden_units
from expzoo.system.errors import Unfit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from jaxtyping import Float, Real
    from torch import Tensor

    from expzoo.analysis.cohort import Cohort
    from expzoo.lab.trained import Trained
    from expzoo.spec.spec import Spec
    from expzoo.store.records import Row


def line(start: Real[Tensor, " size"], end: Real[Tensor, " size"], points: int) -> Float[Tensor, "points size"]:
    """Rows at equal distances from one to the other, both ends included."""
    places = torch.linspace(0, 1, points, dtype=start.dtype).unsqueeze(1)
    return start + places * (end - start)


def curve(bend: Trained, ends: Sequence[Trained], points: int, dtype: torch.dtype) -> Float[Tensor, "points size"]:
    """Rows at equal steps along a curve that was trained, both ends included.

    Args:
        bend: a network whose parametrisation is a curve.
        ends: the networks that its `fixed` rows are made from.
        points: how many rows.
        dtype: of the rows.
    """
    assert bend.spec.parametrisation is not None
    fixed = Recipes(Blueprints(bend.datasets)).fixed(bend.spec, {end.key: end.network for end in ends})
    z, rows = torch.from_numpy(bend.row()).to(dtype), torch.stack(fixed).to(dtype)
    places = torch.linspace(0, 1, points, dtype=dtype)
    return bend.spec.parametrisation.build().weights(z.expand(points, -1), rows.expand(points, -1, -1), places)


def require_permutable(base: Spec) -> None:
    """Unfit unless the hidden units of a base network can be put in another order."""
    try:
        hidden_units(Blueprints().module(base))
    except ValueError as error:
        needed = f"it needs a network whose hidden units can be put in another order, {SUPPORTED}"
        raise Unfit(f"{needed}, and model={base.model.name} is another") from error


def reordered(network: Trained, seed: int) -> Float[Tensor, " size"]:
    """The final weights with hidden units in an order drawn by `seed`, as the recipe `Reordered` has them."""
    blueprints = Blueprints(network.datasets)
    module, layout = blueprints.module(network.spec), blueprints.layout(network.spec)
    return torch.from_numpy(reorder_units(network.row(), module, layout, seed))


def walk(cohort: Cohort, rows: Real[Tensor, "points size"], metric: str, split: str) -> Float[np.ndarray, " points"]:
    """A metric at each row, on the data that all members of the cohort share; batch averages are made again at each."""
    return cohort.measure(metric, rows, split).numpy()


def barrier(values: Float[np.ndarray, " points"]) -> float:
    """How far a walk rises above the higher of its ends; 0 where it never does."""
    return float(values.max() - max(values[0], values[-1]))


def instability(values: Float[np.ndarray, " points"]) -> float:
    """How far a walk rises above the mean of its ends.

    Frankle, Dziugaite, Roy & Carbin 2020, "Linear mode connectivity and the lottery ticket
    hypothesis", section 2.
    """
    return float(values.max() - (values[0] + values[-1]) / 2)


def rows_of(
    networks: Sequence[Trained],
    seed: int,
    arm: str,
    found: Mapping[tuple[str, str], float],
    step: int | None = None,
    **varied: float | str,
) -> list[Row]:
    """Rows of what was found between networks, (metric, split) -> value; of networks that diverged NaN.

    The step is that of the last network's end unless it is said.
    """
    last = networks[-1]
    common: Row = {"key": last.key, "seed": seed, "arm": arm, "step": last.step if step is None else step}
    common |= {"end": True, **varied}
    lost = any(network.diverged for network in networks)
    common |= {"diverged": True} if lost else {}
    return [
        common | {"metric": metric, "split": split, "value": float("nan") if lost else float(value)}
        for (metric, split), value in found.items()
    ]
