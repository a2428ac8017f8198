"""Networks for the Game of Life as specs, and how often they succeed."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.analysis.studies.life.rules import CONWAY, MOST_ENUMERATED
from expzoo.engine.blueprints import Blueprints
from expzoo.science.claims import SelfTest
from expzoo.science.numerics.symmetry import HiddenUnits
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.spec import Known, Spec
from expzoo.spec.when import at
from expzoo.store import records

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from expzoo.lab.trained import Trained

SUCCESS, BOARDS, CELLS, ALIVE = "board_success", "board_accuracy", "cell_accuracy", "living_cells"
WANTED = tuple((metric, "test") for metric in (SUCCESS, BOARDS, CELLS, ALIVE))
MEASURES = tuple(Measure(*wanted) for wanted in WANTED)
ENUMERATED = Measure(SUCCESS, "all")
PLAIN_BATCH = 32
KNOWN = "known"


@dataclass(frozen=True)
class Cell:
    """One cell of a grid of settings: so many game steps, m times as wide, in one configuration.

    `plain` is the script's default: ReLU throughout, the output clamped, batches of 32 and half as
    many of them as the base has; `smooth` is the base itself.
    """

    arm: str
    steps: int = 1
    m: int = 1

    def spec(self, base: Spec) -> Spec:
        """The spec of this cell with the base's seed."""
        sizes = {"steps": self.steps, "m_factor": self.m, "edge": base.dataset["edge"]}
        spec = base.replace(dataset={"steps": self.steps}, model=sizes)
        return plain(spec) if self.arm == "plain" else spec

    def columns(self) -> dict[str, Any]:
        """What identifies the cell in records."""
        return {"arm": self.arm, "game_steps": self.steps, "m": self.m}


def plain(spec: Spec) -> Spec:
    """The configuration that Firner's script has without options."""
    batches = max(spec.stop.shared.at_most // 2, 1)
    return spec.replace(
        dataset={"batch_size": PLAIN_BATCH},
        model={"activation": "relu", "output": "clamp", "normalize": False},
        stop=Component.of("stop", "steps", steps=batches),
    )


def known(spec: Spec, training: int = 1) -> Spec:
    """The same network from the hand-set weights, trained for a few steps; at step 0 it is the solution itself."""
    return spec.replace(init=Known("life"), stop=Component.of("stop", "steps", steps=training))


def exact(spec: Spec) -> Spec:
    """The hand-set network in the one configuration that is exact, with as good as no training: it must succeed."""
    return known(spec.replace(model={"activation": "relu", "output": "clamp", "normalize": False}))


def exact_networks(base: Spec, cells: Sequence[Cell]) -> dict[tuple[str, int, int], Spec]:
    """(arm, steps, m) -> the hand-set network for each of the cells' arms and steps, as narrow as any cell.

    There is none for a rule whose solution is not known.
    """
    if base.dataset["rule"] != CONWAY:
        return {}
    narrowest = min(cell.m for cell in cells)
    own = {(cell.arm, cell.steps, narrowest) for cell in cells}
    return {(arm, steps, m): exact(Cell(arm, steps, m).spec(base)) for arm, steps, m in sorted(own)}


def at_start(*measures: tuple[str, str]) -> tuple[Measure, ...]:
    """These measures before any training."""
    return tuple(Measure(metric, split, at(0)) for metric, split in measures)


def is_essays(base: Spec) -> bool:
    """Whether the game is that of Firner's essay, of which values were published."""
    game = tuple(base.dataset[option] for option in ("neighbourhood", "rule", "edge"))
    return game == ("von_neumann", CONWAY, "dead")


def can_be_enumerated(cell: Cell, spec: Spec) -> bool:
    """Whether every state of what decides a cell can be tried: a block for each step, and few enough steps."""
    blocks = math.floor(cell.steps * spec.model.option("d_factor", float))
    return cell.steps == blocks <= MOST_ENUMERATED[spec.dataset.option("neighbourhood", str)]


def hand_set_test(table: pl.DataFrame) -> SelfTest | None:
    """That the hand-set weights, which are right, are found to succeed on the same boards by the same test.

    None for a game whose solution is not known.
    """
    rows = records.select(table, arm=KNOWN, metric=SUCCESS, step=0)
    found = [float(value) for value in rows["value"]]
    if not found:
        return None
    passed = min(found) == 100.0
    right = f"{sum(value == 100 for value in found)} of {len(found)}"
    return SelfTest("hand-set weights succeed on the same boards", passed, right)


def outcomes(table: pl.DataFrame, **cell: Any) -> dict[int, float]:
    """Seed -> 1 for success, 0 for failure, such as that of a network that diverged."""
    values = records.by_seed(table, metric=SUCCESS, split="test", end=True, **cell)
    return {seed: value / 100 for seed, value in values.items()}


def counts(table: pl.DataFrame, **cell: Any) -> tuple[int, int]:
    """Successes and trials. A network that diverged did not succeed."""
    values = np.nan_to_num(list(outcomes(table, **cell).values()))
    return int(values.sum()), len(values)


def base_rates(spec: Spec) -> tuple[float, float]:
    """Percentages of dead cells and of boards that are all dead among the test targets: what `all dead` gets right."""
    targets = Blueprints().dataset(spec.dataset).split("test", spec.seed).y
    return 100 * float(1 - targets.mean()), 100 * float((targets.sum(1) == 0).mean())


def late_fall(network: Trained) -> float:
    """By how many percent the mean batch loss fell from the last but one tenth of the training to the last."""
    tenth = max(len(network.losses) // 10, 1)
    before, last = network.losses[-2 * tenth : -tenth], network.losses[-tenth:]
    return 100 * float(1 - last.mean() / before.mean()) if len(before) and before.mean() > 0 else 0.0


def filters(network: Trained) -> tuple[HiddenUnits, ...]:
    """The filters of each convolution, of two or more, whose order does not matter if those who read them follow."""
    shapes = {name: value.shape for name, value in network.parameters(0).items()}
    weights = [name for name in shapes if name.endswith("weight")]
    pairs = [(one, other) for one, other in itertools.pairwise(weights) if shapes[one][0] > 1]
    return tuple(
        HiddenUnits(shapes[one][0], ((one, 0), (one.replace("weight", "bias"), 0), (other, 1))) for one, other in pairs
    )
