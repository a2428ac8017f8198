"""Permuting the hidden units of one network so that its weights come as close as possible to another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from expzoo.science.numerics.symmetry import HiddenUnits

Parameters = Mapping[str, Tensor]

SWEEPS = 100  # a bound that is not reached: every sweep but the last brings the networks closer
FRANK_WOLFE_STEPS = 30  # as many as the authors take
LEAST_GAIN = 1e-12  # relative to the squared weights: less is rounding


def permuted(
    parameters: Parameters, units: Sequence[HiddenUnits], orders: Sequence[Int[Tensor, " _"]]
) -> dict[str, Tensor]:
    """The parameters of the same function with unit `orders[g][i]` of group g in place i."""
    return _reordered(parameters, units, orders)


def match_weights(units: Sequence[HiddenUnits], reference: Parameters, other: Parameters) -> list[Int[Tensor, " _"]]:
    """The order of each group of hidden units in which the weights of `other` are nearest to those of `reference`.

    Maximises the sum over parameters of <reference, permuted other>, which is the same as
    minimising the L2 distance, by coordinate ascent over groups, each step a linear assignment:
    algorithm 1 of Ainsworth, Hayase & Srinivasa 2023, "Git Re-Basin: merging models modulo
    permutation symmetries". The problem is NP-hard, the result a local optimum.

    Differences from the paper: groups are visited in order, not at random, so that the result is
    reproducible. A group on both axes of a weight (a residual stream) makes its step a quadratic
    assignment, which is solved approximately, see `_quadratic`. Besides the identity, the ascent
    starts from a greedy pass that matches each group by what is settled before it, which finds
    every permuted copy. The better end is returned, and a step is taken only if the sum grows, so
    that the networks never end further apart than they were. A step costs width**3: well below a
    second for 100 units, some for 500.

    Args:
        units: the groups, as `hidden_units` finds them.
        reference: parameters by name.
        other: parameters by name, of the same shapes.

    Returns:
        For each group the order of its units, int64, as `permuted` takes it.
    """
    a = {name: value.double() for name, value in reference.items()}
    b = {name: value.double() for name, value in other.items()}
    identity = [torch.arange(group.width) for group in units]
    ends = [_ascend(units, a, b, start) for start in (identity, _greedy(units, a, b, identity))]
    return max(ends, key=lambda orders: _similarity(a, permuted(b, units, orders)))


def _ascend(units: Sequence[HiddenUnits], a: Parameters, b: Parameters, start: Sequence[Tensor]) -> list[Tensor]:
    orders = list(start)
    least = LEAST_GAIN * _similarity(a, a) + LEAST_GAIN * _similarity(b, b)
    best = _similarity(a, permuted(b, units, orders))
    for _ in range(SWEEPS):
        before = best
        for index in range(len(units)):
            for order in _steps(index, units, a, b, orders):
                step = [*orders[:index], order, *orders[index + 1 :]]
                if (similarity := _similarity(a, permuted(b, units, step))) > best + least:
                    orders, best = step, similarity
        if best == before:
            break
    return orders


def _greedy(units: Sequence[HiddenUnits], a: Parameters, b: Parameters, identity: Sequence[Tensor]) -> list[Tensor]:
    """Each group matched by the weights whose other axes are fixed or were matched before."""
    orders = list(identity)
    for index, group in enumerate(units):
        later = {name for other in units[index + 1 :] for name, _ in other.axes}
        orders[index] = _assigned(_gains(index, units, a, b, orders, later | _on_both_axes(group)))
    return orders


def _steps(
    index: int, units: Sequence[HiddenUnits], a: Parameters, b: Parameters, orders: Sequence[Tensor]
) -> list[Tensor]:
    """Orders of one group, one of which may be better than the present one while the other groups stay."""
    squares = _on_both_axes(units[index])
    gains = _gains(index, units, a, b, orders, squares)
    if not squares:
        return [_assigned(gains)]
    pairs = [(a[name], b[name]) for name in sorted(squares)]
    present = torch.eye(len(gains), dtype=torch.float64)[orders[index]]
    return [_quadratic(gains, pairs, start) for start in (present, torch.full_like(gains, 1 / len(gains)))]


def _quadratic(
    gains: Float[Tensor, "width width"],
    pairs: Sequence[tuple[Float[Tensor, "width width"], Float[Tensor, "width width"]]],
    start: Float[Tensor, "width width"],
) -> Int[Tensor, " width"]:
    """The order of the permutation matrix P at which <gains, P> + sum of <A, P B P'> over `pairs` is large.

    Vogelstein et al. 2015, "Fast approximate quadratic programming for graph matching", section 3:
    Frank-Wolfe over doubly stochastic matrices from `start`, with exact line search, and the
    nearest permutation in the end.
    """
    p = start
    for _ in range(FRANK_WOLFE_STEPS):
        slope = gains + sum((x @ p @ y.T + x.T @ p @ y for x, y in pairs), torch.zeros_like(gains))
        towards = torch.zeros_like(p).scatter_(1, _assigned(slope).unsqueeze(1), 1) - p
        rise = float((slope * towards).sum())
        if rise <= LEAST_GAIN * float(slope.norm() * p.norm()):
            break
        bend = sum(float((x * (towards @ y @ towards.T)).sum()) for x, y in pairs)
        p = p + towards * (1 if rise + 2 * bend >= 0 else -rise / (2 * bend))
    return _assigned(p)


def _on_both_axes(group: HiddenUnits) -> set[str]:
    """The weights that run from these units to these units."""
    names = [name for name, _ in group.axes]
    return {name for name in names if names.count(name) > 1}


def _gains(
    index: int,
    units: Sequence[HiddenUnits],
    a: Parameters,
    b: Parameters,
    orders: Sequence[Tensor],
    without: set[str],
) -> Float[Tensor, "width width"]:
    """Entry (i, j): the inner product of all weights of unit i in `a` with those of unit j in `b`.

    The other axes of b's weights are in their present `orders`; parameters called in `without` do not count.
    """
    width = units[index].width
    gains = torch.zeros(width, width, dtype=torch.float64)
    for name, axis in units[index].axes:
        if name not in without:
            own = _reordered({name: b[name]}, units, orders, keep=(index, axis))[name]
            gains += a[name].movedim(axis, 0).reshape(width, -1) @ own.movedim(axis, 0).reshape(width, -1).T
    return gains


def _reordered(
    parameters: Parameters, units: Sequence[HiddenUnits], orders: Sequence[Tensor], keep: tuple[int, int] | None = None
) -> dict[str, Tensor]:
    """The parameters with all their axes in `orders`, but for the axis `keep`, given as (group, axis)."""
    result = dict(parameters)
    for index, group in enumerate(units):
        for name, axis in group.axes:
            if name in result and (index, axis) != keep:
                result[name] = result[name].index_select(axis, orders[index])
    return result


def _assigned(gains: Float[Tensor, "width width"]) -> Int[Tensor, " width"]:
    return torch.from_numpy(linear_sum_assignment(gains.numpy(), maximize=True)[1])


def _similarity(a: Parameters, b: Parameters) -> float:
    return sum(float((value * b[name]).sum()) for name, value in a.items())
