"""Can an activation function be learned that beats those made by hand?"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np

from expzoo.analysis.studies.metalearning.activation import LearnActivation
from expzoo.analysis.studies.metalearning.evaluation import function_rows, means_by, network_rows, seeds_of, tuned
from expzoo.study import (
    Activation,
    Claim,
    Component,
    Count,
    Figure,
    Findings,
    Fresh,
    Lessons,
    NonNegative,
    Pairs,
    Positive,
    Range,
    Request,
    Score,
    decide_all,
    figures,
    late,
    learned_activations,
    no_difference,
    paired,
    records,
    register,
    scored,
    tuning,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from typing import Any

    import polars as pl

    from expzoo.study import Estimator, Learned, Setting, Spec, Verdict

log = logging.getLogger(__name__)

SOURCE = "Greydanus, Scaling down deep learning (2020), metalearning an activation function; 2024 notebook"
LEARNED, PIECES = "learned", "learned, linear pieces"
AGAIN = "relu_again"  # the control whose right answer is no difference
SHOWN = 5.0  # functions are drawn from -5 to 5, as in the notebook

MORE_ACCURATE = Claim(
    name="mnist1d.metalearned_activation",
    statement="A learned activation is over 1 point more accurate than each made by hand, at its own learning rate.",
    source=SOURCE,
    published="66 to 70 % against 59.5 (ReLU), 58 (Swish), 50.7 (ELU, tanh), read off the 2020 figure, 500 test points",
    unit="percentage points",
    smallest_effect=1.0,
    direction="greater",
    rule="paired t",
)
LOWER_LOSS = Claim(
    name="mnist1d.metalearned_activation_training_loss",
    statement="On unseen networks and data it reaches a lower training loss than each activation made by hand.",
    source=SOURCE,
    published="0.884 at the end; 1.34 to 1.75 (2024 notebook, averaged over other steps, so not comparable)",
    unit="nats",
    smallest_effect=0.0,
    direction="less",
    rule="paired t",
)
PIECES_SUFFICE = Claim(
    name="mnist1d.metalearned_activation_is_piecewise_linear",
    statement="Its fit by straight pieces is as accurate, within 2 points.",
    source="Greydanus & Kobak (2024), notebook",
    published="66.4 against 68.4 (500 test points)",
    unit="percentage points",
    smallest_effect=2.0,
    direction="equivalent",
    rule="TOST",
)


@register
class MetalearnActivation:
    """Learns activation functions through whole inner trainings, then trains ordinary networks with them.

    Each seed is a meta-training of its own, with its own data; it is evaluated on networks, orders
    and data it never saw, and so is every activation made by hand, each at the learning rate that is
    best for it on validation data of other seeds, all with RMSprop. The unit of the intervals is the
    meta-training: the mean over its evaluation seeds. The base spec is an inner network. Where
    robustness changes rates, the functions are those that were learned at the base's own. They stay
    in the store, and their names can be given to any model.

    Args:
        outer_steps: updates of the activation function (notebook: 301).
        outer_lr: its learning rate (notebook: 0.3).
        inner_networks: fresh networks in each outer step (notebook: one, always the same).
        hidden: tanh units of the small network that is the function (notebook: 100).
        last_losses: how many last inner losses the outer cost is the mean of (notebook: 200).
        clamp: largest outer gradient (notebook: 0.1).
        noise: of the inner units while learning, uniform (notebook: 0.1).
        baselines: activations made by hand.
        rates: learning rates of which each activation gets the best on validation data.
        evaluation_seeds: networks on which a meta-training is judged.
        checkpoint_every: inner steps between two states that are kept for the gradient, null for
            the root of their number. It changes memory and time, not the result.
    """

    NEEDS = ("finite", "model.activation", "split validation")
    HOME = ("dataset=mnist1d", "model=mlp")
    CACHE_VERSION = 3  # 2: means over the last tenth of training; 3: rates are chosen on validation data
    NOT_IN_KEY = ("checkpoint_every",)

    def __init__(
        self,
        *,
        outer_steps: Count = 301,
        outer_lr: Positive = 0.3,
        inner_networks: Annotated[int, Range(1, 1000)] = 8,
        hidden: Annotated[int, Range(1, 10_000)] = 100,
        last_losses: Count = 200,
        clamp: Positive = 0.1,
        noise: NonNegative = 0.1,
        baselines: tuple[Activation, ...] = ("relu", "elu", "silu", "tanh"),
        rates: tuple[Positive, ...] = (0.003, 0.01, 0.03),
        evaluation_seeds: Annotated[int, Range(1, 1000)] = 10,
        checkpoint_every: Count | None = None,
    ) -> None:
        if "relu" not in baselines:
            raise ValueError(f"baselines {list(baselines)}: relu must be among them, the control is made of it")
        self.outer = partial(
            LearnActivation,
            outer_steps=outer_steps,
            outer_lr=outer_lr,
            inner_networks=inner_networks,
            hidden=hidden,
            last_losses=last_losses,
            clamp=clamp,
            noise=noise,
            checkpoint_every=checkpoint_every,
        )
        self.baselines, self.rates, self.num_evaluation = baselines, rates, evaluation_seeds
        self.last_losses = last_losses
        self.shown = sorted({0, *(round(outer_steps * part) for part in (0.05, 0.2, 0.5)), outer_steps})

    def measure(self, setting: Setting) -> Generator[Any, Any, Findings]:
        """Lessons, then networks that choose learning rates, then those that are judged."""
        base = inner = setting.base
        if base.optimizer.name == "rmsprop":
            inner = base.replace(optimizer={"lr": base.optimizer.option("lr", float) / setting.rate})
        else:
            log.warning("metalearn_activation trains its networks by rmsprop, not by %s", base.optimizer.name)
            base = inner = base.replace(optimizer=Component.of("optimizer", "rmsprop", alpha=0.4))
        lessons = tuple(self.outer(inner=inner.replace(seed=seed)) for seed in setting.seeds)
        learned: list[Learned] = yield Lessons(lessons)
        findings = Findings()
        for result in learned:
            named = {} if result.diverged else {"alias": result.lesson.alias()}
            findings.rows += result.rows(arm=LEARNED, **named)
            findings.rows += [
                row for step in self.shown if step <= result.step for row in function_rows(result, step, LEARNED)
            ]
        names = {r.lesson.seed: learned_activations.names_of(r.key, r.row()) for r in learned if not r.diverged}
        activations = dict(zip(self.baselines, self.baselines, strict=True))
        activations |= {f"{LEARNED} {index}": own[""] for index, own in enumerate(names.values())}
        bases, tried = yield from tuned(replace(setting, base=base), activations, self.rates)
        findings.rows += tried
        plan: list[tuple[str, int, Spec]] = []
        for index, (seed, own) in enumerate(names.items()):
            found = bases[f"{LEARNED} {index}"]
            arms = {arm: bases[arm] for arm in self.baselines}
            arms |= {LEARNED: found, PIECES: found.replace(model={"activation": own["/linear"]})}
            arms |= {AGAIN: bases["relu"].replace(init=Fresh(draw=1))}
            for run in seeds_of("evaluation", setting.seeds.index(seed), self.num_evaluation):
                plan += [(arm, seed, spec.replace(seed=run)) for arm, spec in arms.items()]
            if index == 0:
                plan += self._on_the_way(found, learned, seed)
        score = setting.score.metric
        at_end = late.measure(score, "test", base.stop.build().at_most)
        networks = yield Request(tuple(spec for *_, spec in plan), (at_end,))
        for (arm, seed, spec), network in zip(plan, networks, strict=True):
            rows = network_rows(network, score, self.last_losses, arm, meta=seed, lr=spec.optimizer["lr"])
            findings.rows += rows
        return findings

    def _on_the_way(self, base: Spec, learned: Sequence[Learned], seed: int) -> list[tuple[str, int, Spec]]:
        """Networks with the first function as it was at some outer steps, at the rate of its last."""
        [result] = [result for result in learned if result.lesson.seed == seed]
        steps = [step for step in self.shown if step <= result.step]
        names = {step: learned_activations.names_of(result.key, result.row(step))[""] for step in steps}
        return [
            (f"outer step {step}", seed, base.replace(model={"activation": name}, seed=run))
            for step, name in names.items()
            for run in seeds_of("on the way", 0, self.num_evaluation)
        ]

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Means over evaluation seeds, paired over meta-trainings; a claim about all baselines must hold for each."""
        score = _score(table)
        more_accurate, pieces_suffice = (scored.by(claim, score) for claim in (MORE_ACCURATE, PIECES_SUFFICE))
        metas = {*records.select(table, metric="activation")["seed"]}

        def means(arm: str, metric: str = score.metric) -> dict[int, float]:
            own = means_by(table, "meta", arm=arm, metric=metric)
            return dict.fromkeys(metas, float("nan")) | (scored.gains(own, score) if metric == score.metric else own)

        def over_each(claim: Claim, metric: str) -> dict[str, Estimator]:
            return {arm: Pairs(claim, means(LEARNED, metric), means(arm, metric)) for arm in self.baselines}

        control = no_difference("networks with relu that differ in their start only", means(AGAIN), means("relu"))
        aliases = table["alias"].drop_nulls() if "alias" in table.columns else ()
        names = sorted({learned_activations.PREFIX + alias for alias in aliases})
        names = names or ["nothing: every outer loop diverged"]
        verdicts = [
            decide_all(more_accurate, over_each(more_accurate, score.metric), control=control),
            decide_all(LOWER_LOSS, over_each(LOWER_LOSS, "training_loss"), control=control),
            paired(pieces_suffice, means(PIECES), means(LEARNED), control=control),
        ]
        return tuning.noted(verdicts, table, f"stored as {', '.join(names)}")

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """The function as it evolves and, unless every outer loop diverged, its cost, scores and inner curves."""
        yield self._functions(table)
        if "alias" not in table.columns:
            return
        picture, (axes,) = figures.canvas(height=3.7)
        steps, costs = records.pivot(table, "step", arm=LEARNED, metric="outer_loss")
        figures.curve(axes, steps, costs, LEARNED, markers=8)
        axes.set(xlabel="outer step", ylabel=f"training loss, last {self.last_losses} inner steps (nats)")
        caption = "Mean over meta-trainings with 95 % Student intervals; every outer step sees fresh inner networks."
        data = records.select(table, metric="outer_loss")
        yield Figure("outer_steps", "Learning an activation function", caption, picture, data)
        yield self._accuracies(table)
        yield self._inner_curves(table)

    def _functions(self, table: pl.DataFrame) -> Figure:
        picture, panels = figures.canvas(1, 2, width=8.6, height=3.9, sharey=True)
        chosen = records.select(table, metric="activation")
        first = min({*chosen["seed"]})
        for step in sorted({*records.select(chosen, seed=first)["step"]}):
            x, values = records.pivot(chosen, "x", seed=first, step=step)
            figures.curve(panels[0], x, values[0], f"outer step {step}", markers=4)
        last = max({*chosen["step"]})
        x, values = records.pivot(chosen, "x", step=last)
        for row in values:
            panels[1].plot(x, row, color=figures.style(LEARNED).colour, linewidth=1.0, alpha=0.6)
        panels[1].plot(x, np.maximum(x, 0), color="0.5", linewidth=1.2, linestyle=":")
        pieces = records.select(table, metric="activation_pieces")
        if first in pieces["seed"]:
            x, values = records.pivot(pieces, "x", seed=first)
            panels[1].plot(x, values[0], color="0.2", linewidth=1.2, linestyle="--")
        for panel, label in zip(panels, ("x, the first meta-training", "x, all at the end"), strict=True):
            panel.set(xlabel=label, xlim=(-SHOWN, SHOWN), ylim=(-1.5, 4))
        panels[0].set_ylabel("f(x)")
        figures.legend(panels[0])
        caption = (
            "The function as it evolves, and what every meta-training ended with. Dashed: the fit of the first by "
            "straight pieces, which is model.activation=NAME/linear; dotted: ReLU."
        )
        data = records.select(table, metric=["activation", "activation_pieces"])
        return Figure("activation", "The activation function that is learned", caption, picture, data)

    def _accuracies(self, table: pl.DataFrame) -> Figure:
        picture, (axes,) = figures.canvas(height=4.0)
        arms, score = [*self.baselines, LEARNED, PIECES], _score(table)
        for index, arm in enumerate(arms):
            values = np.array([[*means_by(table, "meta", arm=arm, metric=score.metric).values()]]).T
            figures.bars(
                axes, ["evaluated on unseen networks, orders and data"], values, arm, position=(index, len(arms))
            )
        axes.set_ylabel(score.axis())
        figures.legend(axes)
        caption = "Means over evaluation seeds; dots are meta-trainings, bars their means with 95 % intervals."
        data = records.select(table, metric=score.metric, split="test")
        return Figure(score.metric, f"{score.words.capitalize()} by activation function", caption, picture, data)

    def _inner_curves(self, table: pl.DataFrame) -> Figure:
        picture, (axes,) = figures.canvas(height=3.9)
        chosen = records.select(table, metric="inner_loss")
        for arm in [arm for arm in sorted({*chosen["arm"]}, key=_outer_step) if arm.startswith("outer")]:
            steps, values = records.pivot(chosen, "step", arm=arm)
            figures.curve(axes, steps, values, arm, markers=6)
        axes.set(xlabel="inner step", ylabel="training loss (nats)")
        figures.name_curves(axes)
        caption = "Ordinary networks with the first function as it was then; means of ten steps and over seeds."
        return Figure("inner_curves", "Inner learning curves by outer step", caption, picture, chosen)


def _outer_step(arm: str) -> int:
    return int(arm.rpartition(" ")[2]) if arm.startswith("outer step") else -1


def _score(table: pl.DataFrame) -> Score:
    """What networks were scored by; accuracy where every outer loop diverged, so that none was trained."""
    return Score.first([*table["metric"], "accuracy"])
