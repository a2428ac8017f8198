"""Iterative magnitude pruning with rewinding: do lottery tickets exist?"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from expzoo.analysis.studies.tickets import Tickets
from expzoo.study import (
    Claim,
    Count,
    Figure,
    Findings,
    Fraction,
    Fresh,
    Measure,
    Natural,
    Positive,
    Pruning,
    Range,
    Request,
    Score,
    every,
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

GREYDANUS = "Greydanus, Scaling down deep learning (2020), finding lottery tickets"
FRANKLE = "Frankle & Carbin, The lottery ticket hypothesis (2019), sections 1 and 2"
AGAIN = "dense_again"  # the control whose right answer is no difference

BEATS_DENSE = Claim(
    name="mnist1d.lottery_ticket_beats_dense",
    statement="On the data it was found on, a lottery ticket is more accurate than the dense network.",
    source=GREYDANUS,
    published="+8 points at 92 % sparsity (2020 figure: 63.5 dense, 72 to 74 tickets; 2024 notebook: 66.4 to 75.6)",
    unit="percentage points",
    smallest_effect=1.0,
    direction="greater",
    rule="paired t",
)
BEATS_RANDOM = Claim(
    name="mnist1d.lottery_ticket_beats_random",
    statement="A lottery ticket is more accurate than a random mask of the same sparsity.",
    source=GREYDANUS,
    published="+13 points at 92 % sparsity (2024 notebook: 75.6 and 74.4 against 60.6 and 61.8)",
    unit="percentage points",
    smallest_effect=1.0,
    direction="greater",
    rule="paired t",
)
BEATS_REINIT = Claim(
    name="lth.ticket_beats_reinitialised",
    statement="With its weights drawn anew, the same mask is less accurate than the ticket.",
    source=FRANKLE,
    published="+0.5 points at 21 % of the weights of LeNet-300-100 on MNIST",
    unit="percentage points",
    smallest_effect=0.0,
    direction="greater",
    rule="paired t",
)
LEARNS_FASTER = Claim(
    name="lth.ticket_learns_faster",
    statement="The ticket reaches its lowest test loss in fewer steps than the dense network.",
    source=FRANKLE,
    published="-38 % steps (-48 log points) at 21 % of the weights of LeNet-300-100 on MNIST",
    unit="log points of steps",
    smallest_effect=0.0,
    direction="less",
    rule="paired t",
    note="a log point is 1 % to first order: 100 times the log ratio, which is 0 on average between equal arms",
)


@register
class IterativePruning:
    """Train, prune the smallest weights, rewind what is left, train again; against random masks and re-initialisation.

    Frankle & Carbin 2019, section 2. The notebook of Greydanus 2020 prunes layer-wise, biases
    included, and rewinds to step 0. Scores are means over the last tenth of training. The level at
    which claims are decided is fixed by `decide_at` before anything is trained: picking the best
    level on test data inflates the gain. On other data than classes, "more accurate" is by the
    data's own score. An arm that is tuned has its settings in its whole chain, from the dense
    network that its mask is found in.

    Args:
        keep: fraction of the remaining weights that a level keeps (Frankle & Carbin: 0.8).
        levels: how many levels.
        sparsities: the sparsity of every level instead, increasing.
        scope: whether each tensor loses the same fraction, or all weights compete.
        biases: whether biases are pruned too.
        rewind_step: the step whose weights the tickets start from.
        decide_at: the sparsity at which the claims are decided; the nearest level is taken.
        controls: the arms beside dense and ticket; random is drawn anew at each level, random_nested within the last.
        every: steps between two points of the learning curves.
        rates: learning rates of which each arm gets the best on validation data; () leaves the base's.
        schedules: schedules, likewise.
    """

    HOME = ("dataset=mnist1d", "model=mlp")
    CACHE_VERSION = 3  # 3: means over the last tenth of training

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
        controls: tuple[Literal["random", "random_nested", "reinit"], ...] = ("random", "random_nested", "reinit"),
        every: Count = 50,
        rates: tuple[Positive, ...] = (),
        schedules: tuple[Literal["constant", "cosine"], ...] = (),
    ) -> None:
        self.pruning = Pruning(schedule(sparsities, keep, levels), scope, biases, rewind_step)
        self.level = self.pruning.level_near(decide_at)
        self.controls, self.every = controls, every
        self.tickets = Tickets(self.pruning, self.level, tuning.Tuning(rates, schedules))
        self.NEEDS = self.tickets.tuning.needs

    @property
    def sparsity(self) -> float:
        """The sparsity at which claims are decided."""
        return self.pruning.sparsities[self.level]

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Settings of each arm, then all arms at all levels in one question: the chain is known beforehand."""
        made, tried = yield from self.tickets.tuned(setting)
        plan = [("dense", 0.0, made("dense", base)[0]) for base in setting.specs()]
        plan += [(AGAIN, 0.0, dense.replace(init=Fresh(draw=1))) for _, _, dense in plan]
        for base in setting.specs():
            for arm in ("ticket", *self.controls):
                plan += [(arm, s, spec) for s, spec in zip(self.pruning.sparsities, made(arm, base), strict=True)]
        decided = [planned for planned in plan if planned[1] in (0.0, self.sparsity)]
        others = [] if setting.asked_again else [planned for planned in plan if planned[1] not in (0.0, self.sparsity)]
        score, loss = (setting.score.metric, "test"), ("loss", "test")
        at_end = late.measure(*score, setting.base.stop.build().at_most), Measure(*loss)
        curves = tuple(Measure(*wanted, every(self.every)) for wanted in (score, loss))
        networks = yield Request(tuple(spec for *_, spec in decided), (*curves, *at_end)) + Request(
            tuple(spec for *_, spec in others), at_end
        )
        findings = Findings(tried)
        for (arm, sparsity, _), network in zip(decided + others, networks, strict=True):
            said = {"arm": arm, "sparsity": sparsity, "curve": sparsity in (0.0, self.sparsity)}
            findings.rows += late.rows(network, score, **said) + network.rows(loss, **said)
        return findings

    def judge(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Sequence[Verdict]:
        """Paired over seeds at the sparsity that was fixed beforehand."""
        score = Score.first(table["metric"])

        def final(arm: str) -> dict[int, float]:
            sparsity = 0.0 if arm in ("dense", AGAIN) else self.sparsity
            values = records.by_seed(table, arm=arm, sparsity=sparsity, metric=score.metric, end=True)
            return scored.gains(values, score)

        control = no_difference("dense networks that differ in their start only", final(AGAIN), final("dense"))
        verdicts = [paired(scored.by(BEATS_DENSE, score), final("ticket"), final("dense"), control=control)]
        if "random" in self.controls:
            beats_random = scored.by(BEATS_RANDOM, score)
            verdicts.append(paired(beats_random, final("ticket"), final("random"), control=control))
        if "reinit" in self.controls:
            beats_reinit = scored.by(BEATS_REINIT, score)
            verdicts.append(paired(beats_reinit, final("ticket"), final("reinit"), control=control))
        verdicts.append(self._learns_faster(table))
        return tuning.noted(verdicts, table, f"decided at sparsity {self.sparsity:.3f}")

    def _learns_faster(self, table: pl.DataFrame) -> Verdict:
        steps = {arm: self._best_steps(table, arm) for arm in ("dense", "ticket", AGAIN)}
        points = {arm: {seed: 100.0 * np.log(step) for seed, step in of.items()} for arm, of in steps.items()}
        control = no_difference("dense networks that differ in their start only", points[AGAIN], points["dense"])
        return paired(LEARNS_FASTER, points["ticket"], points["dense"], control=control)

    def _best_steps(self, table: pl.DataFrame, arm: str) -> dict[int, float]:
        """For each seed the step at which the test loss is lowest; the last of all for a network that diverged."""
        sparsity = 0.0 if arm in ("dense", AGAIN) else self.sparsity
        curves = records.select(table, arm=arm, sparsity=sparsity, metric="loss")
        best = {}
        last = max(int(step) for step in records.select(table, metric="loss", end=True)["step"].to_list())
        for seed, rows in curves.sort("step").group_by("seed", maintain_order=True):
            values = rows.filter((rows["step"] > 0) & rows["value"].is_finite())
            lowest, lost = values["value"].arg_min(), records.diverged(rows)[0]
            best[seed[0]] = float(last) if lost or lowest is None else float(values["step"][lowest])
        return best

    def draw(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Iterator[Figure]:
        """Score and loss against sparsity, and the learning curves at the sparsity of the decision."""
        for metric, unit in _units(table).items():
            picture, (axes,) = figures.canvas()
            dense = list(records.by_seed(table, arm="dense", metric=metric, end=True).values())
            sparsities = np.array([0.0, *self.pruning.sparsities])
            level = np.repeat(np.array(dense)[:, None], len(sparsities), 1)
            figures.curve(axes, 100 * sparsities, level, "dense", markers=0, bounds=Score.bounds(metric))
            for arm in ("ticket", *self.controls):
                x, values = records.pivot(table, arm=arm, metric=metric, end=True)
                figures.curve(axes, 100 * x, values, arm, bounds=Score.bounds(metric))
            axes.axvline(100 * self.sparsity, color="0.6", linewidth=0.8, linestyle=":")
            axes.set(xlabel="sparsity (% of weights removed)", ylabel=unit)
            figures.name_curves(axes)
            caption = (
                f"Mean over {len(dense)} seeds with 95 % Student intervals; scores over the last tenth of training. "
                f"Claims are decided at the dotted line, {100 * self.sparsity:.1f} %, which was fixed beforehand."
            )
            title = f"Test {metric.replace('_', ' ')} against sparsity"
            data = records.select(table, metric=metric, end=True)
            yield Figure(f"{metric}_against_sparsity", title, caption, picture, data)
        yield self._learning_curves(table)

    def _learning_curves(self, table: pl.DataFrame) -> Figure:
        picture, panels = figures.canvas(2, 1, height=6.4, sharex=True)
        arms = {"dense": 0.0, "ticket": self.sparsity} | dict.fromkeys(self.controls, self.sparsity)
        for panel, (metric, unit) in zip(panels, _units(table).items(), strict=True):
            for arm, sparsity in arms.items():
                steps, values = records.pivot(table, "step", arm=arm, sparsity=sparsity, metric=metric)
                figures.curve(panel, steps, values, arm, markers=6, bounds=Score.bounds(metric))
            panel.set_ylabel(unit)
        panels[1].set_xlabel("step")
        figures.legend(panels[0])
        caption = f"Mean over seeds with 95 % Student intervals, at {100 * self.sparsity:.1f} % sparsity."
        chosen = records.select(table, sparsity=[0.0, self.sparsity])
        return Figure("learning_curves", "Learning curves at the sparsity of the decision", caption, picture, chosen)


def _units(table: pl.DataFrame) -> dict[str, str]:
    """Metric -> what its axis says."""
    score = Score.first(table["metric"])
    return {score.metric: score.axis(), "loss": "test loss"}
