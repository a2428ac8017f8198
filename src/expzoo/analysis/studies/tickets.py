"""Tickets and what they are compared with, each at the learning rate and schedule that suit it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expzoo.analysis.contract import Setting
    from expzoo.analysis.pruning import Pruning
    from expzoo.analysis.tuning import Tuning
    from expzoo.lab.request import Request
    from expzoo.lab.trained import Trained
    from expzoo.spec.spec import Spec
    from expzoo.store.records import Row

DENSE = "dense"
JUDGED = (DENSE, "ticket", "random", "reinit")
NESTED = "random_nested"

Made = Callable[[str, "Spec"], list["Spec"]]
"""Arm and base -> the arm's networks, one a level."""


@dataclass(frozen=True)
class Tickets:
    """The arms of iterative pruning at all its levels.

    A ticket's settings are those of its whole chain, the dense network that it is found in included,
    and are chosen by the validation score at `level`. Weights are rewound to those of the dense
    network at the same settings. Nested random masks have the settings of random ones.
    """

    pruning: Pruning
    level: int
    tuning: Tuning

    def family(self, arm: str, dense: Spec) -> list[Spec]:
        """The networks of an arm, one a level; the dense network at each."""
        families = {
            "ticket": self.pruning.tickets,
            "random": self.pruning.random,
            NESTED: self.pruning.random_nested,
            "reinit": self.pruning.reinitialised,
        }
        return families[arm](dense) if arm in families else [dense] * len(self.pruning.sparsities)

    def tuned(
        self, setting: Setting, arms: Sequence[str] = JUDGED
    ) -> Generator[Request, list[Trained], tuple[Made, list[Row]]]:
        """What makes the networks of these arms and of the nested masks, and the records of what was tried."""

        def maker(arm: str) -> Callable[[Spec], Spec]:
            return lambda dense: self.family(arm, dense)[self.level]

        settled, rows = yield from self.tuning.of(setting, {arm: maker(arm) for arm in arms})
        return lambda arm, base: self.family(arm, settled["random" if arm == NESTED else arm](base)), rows
