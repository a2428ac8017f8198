"""How a network that was trained again differs from what is stored: where bits part, or what was measured otherwise."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from expzoo.runs.audit.ways import Place, Way, train

if TYPE_CHECKING:
    from expzoo.store.network import Network

AT_A_TIME = 16  # rows between two known ones that are kept when networks are trained to find where bits part


@dataclass(frozen=True)
class Difference:
    """A network that ended otherwise: `what` in words; bits are equal after step `same` and not after step `other`.

    `same` is -1 if nothing is equal; both are None where weights and losses are equal and something else is not.
    """

    key: str
    way: str
    what: str
    same: int | None = None
    other: int | None = None


def compare(key: str, way: str, stored: Network, again: Network | None) -> Difference | None:
    """The first difference between two trainings of one network, None if there is none."""
    if again is None:
        return Difference(key, way, "it was not trained to its end")
    if parted := _parted(stored, again):
        same, other = parted
        return Difference(key, way, "its bits part", same, other)
    if (stored.status, stored.step) != (again.status, again.step):
        told = f"{stored.status} after {stored.step} steps is stored, {again.status} after {again.step} came"
        return Difference(key, way, told)
    mask, other = (np.ones(0, bool) if network.mask is None else network.mask for network in (stored, again))
    if not np.array_equal(mask, other):
        return Difference(key, way, "its mask is another one")
    for name, step in sorted(again.events.items()):
        if stored.events.get(name, step) != step:
            return Difference(key, way, f"{name} is at step {stored.events[name]}, and came at step {step}")
    for label, values in sorted(again.measured.items()):
        known = stored.measured.get(label, {})
        for step in sorted(known.keys() & values.keys()):
            if not _same(known[step], values[step]):
                told = f"{label} after step {step} is stored as {known[step]!r} and came as {values[step]!r}"
                return Difference(key, way, told)
    return None


def _same(one: float, other: float) -> bool:
    return np.float64(one).tobytes() == np.float64(other).tobytes() or (one != one and other != other)


def _parted(one: Network, other: Network) -> tuple[int, int] | None:
    """The last step known to be equal and the first known not to be, from the rows and losses of both; None if all are.

    The loss before update i + 1 is that of the weights after step i, on the batch of that step.
    """
    length = min(len(one.losses), len(other.losses))
    losses = np.flatnonzero((_bytes(one.losses[:length]) != _bytes(other.losses[:length])).any(axis=1))
    steps = {int(losses[0])} if len(losses) else set[int]()
    common = sorted(one.rows.keys() & other.rows.keys())
    unequal = {step for step in common if one.rows[step].tobytes() != other.rows[step].tobytes()}
    if not (steps | unequal):
        return None
    first = min(steps | unequal)
    return max((step for step in common if step < first), default=-1), first


def _bytes(values: np.ndarray) -> np.ndarray:
    return values.view(np.uint8).reshape(len(values), -1)


def locate(found: Difference, way: Way, place: Place, scratch: Path) -> Difference:
    """The same difference with the step at which bits part, as near as training again can tell.

    The network is trained in this way and in the plainest one with more rows kept in between, as
    long as the plainest one ends as it is stored and both still part.
    """
    stored = place.stored(found.key)
    plain = Way("plain", "again")
    while stored is not None and found.same is not None and found.other is not None and found.other - found.same > 1:
        between = np.linspace(found.same, found.other, AT_A_TIME + 2).round().astype(int)
        steps = sorted({int(step) for step in between} - {found.same, found.other, -1})
        one, two = (_trained(how, found.key, place, scratch, steps) for how in (plain, way))
        if one is None or two is None or compare(found.key, "plain", stored, one):
            return found
        parted = _parted(one, two)
        if parted is None or (parted[1] - parted[0]) >= found.other - found.same:
            return found
        found = replace(found, same=max(parted[0], found.same), other=min(parted[1], found.other))
    return found


def _trained(way: Way, key: str, place: Place, scratch: Path, steps: list[int]) -> Network | None:
    folder = scratch / f"nearer-{way.name}"
    try:
        return train(way, [key], place, folder, steps)[0].get(key)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
