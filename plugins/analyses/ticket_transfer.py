"""What a lottery ticket is worth on data it was not found on."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from expzoo.analysis.studies.tickets import JUDGED, Tickets
from expzoo.study import (
    Claim,
    Figure,
    Findings,
    Fraction,
    Fresh,
    Natural,
    Positive,
    Pruning,
    Range,
    Request,
    Score,
    Unfit,
    figures,
    late,
    no_difference,
    paired,
    records,
    register,
    schedule,
    scored,
    tuning,
)

if TYPE_CHECKING:
    import polars as pl

    from expzoo.study import Setting, Trained, Verdict

log = logging.getLogger(__name__)

GREYDANUS = "Greydanus, Scaling down deep learning (2020), finding lottery tickets"
WORLDS = {"fresh": "plain", "shuffled": "shuffled", "flipped": "mirrored", "chunk_shuffled": "shuffled in chunks"}
"""World -> what a caption calls it. All are of a fresh draw; but for the first they are called as views are."""
AGAIN = "dense_again"  # the control whose right answer is no difference


def _claim(name: str, statement: str, published: str, smallest_effect: float) -> Claim:
    return Claim(
        name=name,
        statement=statement,
        source=GREYDANUS,
        published=published,
        unit="percentage points",
        smallest_effect=smallest_effect,
        direction="greater",
        rule="paired t",
    )


TRANSFERS = _claim(
    "mnist1d.ticket_transfers_to_fresh_data",
    "A ticket with its own start also beats the dense network where both learn a new draw of the data.",
    "+6.5 points (2020 figure: 70.5 against 64); +1.7 points (2024 notebook: 64.9, 66.8 against 64.2, 64.2)",
    1.0,
)
MASK_ALONE = _claim(
    "mnist1d.mask_alone_helps",
    "On a new draw of the data, a ticket's mask with weights drawn anew beats the dense network.",
    "+3 points (2020 figure: 67 against 64); +1.8 points (2024 notebook: 64.7, 66.3 against 63.3, 64.2)",
    0.0,
)
SPATIAL_PRIOR = _claim(
    "mnist1d.ticket_has_spatial_prior",
    "Permuting the positions of the inputs reduces a ticket's advantage over the dense network.",
    "+7 points of difference (2020 figure); +2.7 points (2024 notebook)",
    0.0,
)
CHUNKS = _claim(
    "mnist1d.ticket_has_long_range_prior",
    "Permuting chunks of positions reduces a ticket's advantage over the dense network.",
    "+4 points of difference (2024 notebook: 61.3, 62.4 against 65.3, 62.9 on chunks)",
    0.0,
)
FLIP = _claim(
    "mnist1d.ticket_survives_flipping",
    "On mirrored inputs a ticket still beats the dense network.",
    "yes (2020 text); -0.3 points (2024 notebook: 61.8, 63.8 against 63.0, 63.1)",
    0.0,
)


@register
class TicketTransfer:
    """Trains tickets, their masks with new weights, random masks and dense networks on data the mask has not seen.

    The mask was selected on the data it was found on, so its accuracy there is that of a selection.
    Here everything is trained and tested on a fresh draw of the same generator: plain, with
    positions shuffled, mirrored, or shuffled in chunks, as far as the dataset has the options
    `fresh` and `view`. Where there is one draw only, all but the plain view are of that one, and
    what compares with fresh data is not asked.

    Args:
        keep: as in iterative_pruning.
        levels: as in iterative_pruning.
        sparsities: as in iterative_pruning.
        scope: as in iterative_pruning.
        biases: as in iterative_pruning.
        rewind_step: as in iterative_pruning.
        decide_at: the sparsity of the tickets; the nearest level is taken.
        rates: as in iterative_pruning.
        schedules: as in iterative_pruning.
    """

    HOME = ("dataset=mnist1d", "model=mlp")
    CACHE_VERSION = 2  # 2: means over the last tenth of training

    def __init__(
        self,
        *,
        keep: Annotated[float, Range(0.01, 0.99)] = 0.8,
        levels: Annotated[int, Range(1, 1000)] = 12,
        sparsities: tuple[float, ...] | None = None,
        scope: Literal["layer", "global"] = "layer",
        biases: bool = True,
        rewind_step: Natural = 0,
        decide_at: Fraction = 0.87,
        rates: tuple[Positive, ...] = (),
        schedules: tuple[Literal["constant", "cosine"], ...] = (),
    ) -> None:
        self.pruning = Pruning(schedule(sparsities, keep, levels), scope, biases, rewind_step)
        self.level = self.pruning.level_near(decide_at)
        self.tickets = Tickets(self.pruning, self.level, tuning.Tuning(rates, schedules))
        self.NEEDS = self.tickets.tuning.needs

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Four arms in each world that the dataset has, one network a seed in each; Unfit if it has none."""
        wanted = setting.score.metric, "test"
        worlds = _worlds(setting)
        first = next(iter(worlds))
        made, tried = yield from self.tickets.tuned(setting)
        plan = []
        for base in setting.specs():
            arms = {arm: made(arm, base)[self.level] for arm in JUDGED}
            plan.append((AGAIN, first, arms["dense"].replace(init=Fresh(draw=1), dataset=worlds[first])))
            for world, options in worlds.items():
                plan += [(arm, world, spec.replace(dataset=options)) for arm, spec in arms.items()]
        networks = yield Request(
            tuple(spec for _, _, spec in plan), (late.measure(*wanted, setting.base.stop.build().at_most),)
        )
        rows = [
            row
            for (arm, world, _), network in zip(plan, networks, strict=True)
            for row in late.rows(network, wanted, arm=arm, world=world)
        ]
        return Findings(tried + rows)

    def judge(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Sequence[Verdict]:
        """Paired over seeds; the spatial prior is the difference of two advantages."""
        score, worlds = Score.first(table["metric"]), _worlds_of(table)

        def final(arm: str, world: str) -> dict[int, float]:
            return scored.gains(records.by_seed(table, arm=arm, world=world, end=True), score)

        def advantage(world: str) -> dict[int, float]:
            ticket, dense = final("ticket", world), final("dense", world)
            return {seed: ticket[seed] - dense[seed] for seed in ticket}

        same = no_difference(
            "dense networks that differ in their start only", final(AGAIN, worlds[0]), final("dense", worlds[0])
        )
        asked = [
            (TRANSFERS, partial(final, "ticket"), partial(final, "dense"), "fresh", "fresh"),
            (MASK_ALONE, partial(final, "reinit"), partial(final, "dense"), "fresh", "fresh"),
            (SPATIAL_PRIOR, advantage, advantage, "fresh", "shuffled"),
            (CHUNKS, advantage, advantage, "fresh", "chunk_shuffled"),
            (FLIP, partial(final, "ticket"), partial(final, "dense"), "flipped", "flipped"),
        ]
        verdicts = [
            paired(scored.by(claim, score), more(world), less(other), control=same)
            for claim, more, less, world, other in asked
            if {world, other} <= {*worlds}
        ]
        sparsity = self.pruning.sparsities[self.level]
        note = f"at sparsity {sparsity:.3f}" + ("" if worlds[0] == "fresh" else ", on the draw that it was found on")
        return tuning.noted(verdicts, table, note)

    def draw(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Iterator[Figure]:
        """The advantage over the dense network in each world."""
        picture, (axes,) = figures.canvas(height=3.8)
        arms, score = ("ticket", "reinit", "random"), Score.first(table["metric"])
        worlds = _worlds_of(table)
        for index, arm in enumerate(arms):
            gains = [
                [
                    score.better(value, dense[seed])
                    for seed, value in records.by_seed(table, arm=arm, world=world, end=True).items()
                ]
                for world in worlds
                for dense in [records.by_seed(table, arm="dense", world=world, end=True)]
            ]
            names = [world.replace("_", "-") for world in worlds]
            figures.bars(axes, names, np.array(gains).T, arm, position=(index, len(arms)))
        axes.set_ylabel(f"{score.words} above dense ({score.points.removeprefix('percentage ') or 'in its unit'})")
        figures.legend(axes)
        *most, last = [WORLDS[world] for world in worlds]
        draw = "a fresh draw of the data" if worlds[0] == "fresh" else "the draw that the mask was found on"
        caption = (
            f"Everything is trained and tested on {draw}: {', '.join([*most, f'or {last}' if most else last])}; scores "
            "over the last tenth of training. Bars are means of paired differences with 95 % Student intervals; dots "
            "are seeds."
        )
        data = records.select(table, world=worlds, end=True)
        yield Figure("transfer", "What a ticket is worth on data it was not found on", caption, picture, data)


def _worlds(setting: Setting) -> dict[str, dict[str, Any]]:
    """World -> options of the dataset, of those that it has; Unfit if no claim could be judged in them."""
    views, data = setting.choices("view"), setting.base.dataset
    fresh = {"fresh": 1} if "fresh" in dict(data.options) else {}
    worlds = {world: fresh | ({} if world == "fresh" else {"view": world}) for world in WORLDS if world in views}
    worlds = ({"fresh": fresh} if fresh else {}) | worlds
    if not {"fresh", "flipped"} & {*worlds}:
        needed = "another draw of the data, or mirrored ones (the options fresh, and view with flipped)"
        raise Unfit(f"it needs {needed}, and dataset={data.name} has neither")
    if missing := [WORLDS[world] for world in WORLDS if world not in worlds]:
        told = ", ".join("a fresh draw" if world == "plain" else world for world in missing)
        log.warning("ticket_transfer asks nothing of data that dataset=%s does not have: %s", data.name, told)
    return worlds


def _worlds_of(table: pl.DataFrame) -> list[str]:
    """The worlds of the records, in their order."""
    return [world for world in WORLDS if world in {*table["world"]}]
