"""Iterative magnitude pruning as chains of specs: what is trained, pruned, rewound and trained again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from expzoo.spec.spec import Fresh, Init, Magnitude, RandomMask, Rewind, Scope, Spec

NESTED = -1  # the draw of nested random masks; those drawn anew at each level are numbered by it


@dataclass(frozen=True)
class Pruning:
    """How tickets are found: the sparsity of each level, in increasing order, and what is pruned and rewound.

    Frankle & Carbin 2019 ("The Lottery Ticket Hypothesis", section 2), with rewinding to a later
    step as in Frankle et al. 2020 ("Linear Mode Connectivity and the Lottery Ticket Hypothesis",
    section 3).
    """

    sparsities: tuple[float, ...]
    scope: Scope = "layer"
    biases: bool = True
    rewind_step: int = 0

    def __post_init__(self) -> None:
        if not self.sparsities:
            raise ValueError("sparsities is empty: give at least one level")
        for sparsity in self.sparsities:
            if not 0 < sparsity < 1:
                raise ValueError(f"sparsity {sparsity} must be more than 0 and less than 1: at 1 no weight is left")
        if list(self.sparsities) != sorted(set(self.sparsities)):
            raise ValueError(f"sparsities {list(self.sparsities)} must increase: what is pruned stays pruned")

    def init(self, dense: Spec) -> Init:
        """What a pruned network starts from: the dense network's own start, or its weights at the rewinding step."""
        return Rewind(dense, self.rewind_step) if self.rewind_step else dense.init

    def tickets(self, dense: Spec) -> list[Spec]:
        """One spec a level: prune the network of the level before by magnitude, rewind what is left, train again."""
        chain, last = [], dense
        for sparsity in self.sparsities:
            mask = Magnitude(last, sparsity, self.scope, self.biases)
            last = dense.replace(init=self.init(dense), mask=mask)
            chain.append(last)
        return chain

    def random(self, dense: Spec) -> list[Spec]:
        """The same sparsities and start with a mask drawn anew at each level."""
        masks = [RandomMask(sparsity, level, self.biases) for level, sparsity in enumerate(self.sparsities)]
        return [dense.replace(init=self.init(dense), mask=mask) for mask in masks]

    def random_nested(self, dense: Spec) -> list[Spec]:
        """The same with each level's mask drawn within the one before, as iterative pruning's masks are."""
        specs, within = [], None
        for sparsity in self.sparsities:
            within = RandomMask(sparsity, NESTED, self.biases, within)
            specs.append(dense.replace(init=self.init(dense), mask=within))
        return specs

    def reinitialised(self, dense: Spec) -> list[Spec]:
        """The tickets' masks with weights drawn anew."""
        return [ticket.replace(init=Fresh(draw=1)) for ticket in self.tickets(dense)]

    def level_near(self, sparsity: float) -> int:
        """The level whose sparsity is nearest to this one."""
        return min(range(len(self.sparsities)), key=lambda level: abs(self.sparsities[level] - sparsity))


def geometric(keep: float, levels: int) -> tuple[float, ...]:
    """The sparsities of `levels` rounds that each keep this fraction of what is left: 1 - keep**level."""
    return tuple(round(1 - keep**level, 6) for level in range(1, levels + 1))


def schedule(sparsities: Sequence[float] | None, keep: float, levels: int) -> tuple[float, ...]:
    """The given sparsities, or else the geometric ones."""
    return geometric(keep, levels) if sparsities is None else tuple(sparsities)
