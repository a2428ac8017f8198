"""Does the same training in another process give the same weights?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.analysis.studies.reproducibility import children
from expzoo.study import (
    Claim,
    Control,
    Count,
    Figure,
    Findings,
    Request,
    clopper_pearson,
    closed_form,
    decide,
    enumeration,
    figures,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.analysis.studies.reproducibility.children import Outcome
    from expzoo.study import Setting, Spec, Trained, Verdict

WARDEN = "Warden, Why is it so difficult to retrain neural networks and get the same results? (2022)"
MALL = "Mall, Realizing reproducible machine learning with TensorFlow (2019)"
PLAIN, LIGHTNING = "torch, one thread", "lightning, one thread"
REPEATED, THREADS, UNSEEDED = "threads repeated", "threads changed", "dropout unseeded"
DIFFERS = "differs"

SEEDED = Claim(
    name="repro.single_thread_seeded_is_bitwise",
    statement="With every generator seeded, deterministic algorithms and one thread, two trainings in fresh processes "
    "end with the same bytes, by a loop written out and by Lightning's.",
    source=f"{WARDEN}; {MALL}",
    published="identical logs of two trainings",
    unit="pairs that differ",
    smallest_effect=0.0,
    reference=0.5,
    direction="less",
    rule="enumeration",
    note="one pair that differs refutes it",
)


def _rate(name: str, statement: str, published: str) -> Claim:
    return Claim(
        name=name,
        statement=statement,
        source=f"{WARDEN}; {MALL}",
        published=published,
        unit="% of pairs",
        smallest_effect=50.0,
        direction="greater",
        rule="Clopper-Pearson",
    )


CHANGED = _rate(
    "repro.threads_change_result",
    "More than half of trainings end with other bytes if another number of threads computes them.",
    "the order of additions changes with the number of cores: an argument, no number",
)
FORGOTTEN = _rate(
    "repro.unseeded_generator_changes_result",
    "More than half of trainings end with other bytes if one generator, that of dropout, is not seeded.",
    "masks that differ visibly with one dropout unseeded",
)


@register
class RerunTraining:
    """Trains in fresh processes by ordinary loops, twice or with one thing changed, and compares every byte.

    For each seed: a loop written out in PyTorch with one thread, twice; the same by Lightning's
    Trainer, twice; with several threads, twice; and with one thread and the generator of dropout
    not seeded. Adam, dropout of inputs, and batches in a seeded order.

    Args:
        steps: of each training.
        threads: how many several are.
        looks: at how many steps weights and predictions are compared.
    """

    NEEDS = ("targets classes", "finite", "split test")
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(self, *, steps: Count = 6, threads: Count = 2, looks: Count = 3) -> None:
        self.steps, self.threads, self.looks = steps, threads, looks

    def out_of_reach(self, seeds: int) -> list[str]:
        """Of so many pairs."""
        return [claim.name for claim in (CHANGED, FORGOTTEN) if not claim.in_reach(seeds)]

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Every training of every seed, in a process of its own."""
        yield Request(())
        findings = Findings()
        for spec in setting.specs():
            for arm, pair in self._pairs(spec):
                findings.rows += self._rows(arm, spec, *pair)
        return findings

    def _pairs(self, spec: Spec) -> Iterator[tuple[str, tuple[Outcome, Outcome]]]:
        def run(loop: Any = "torch", *, threads: int = 1, seeded: bool = True) -> Outcome:
            return children.trained(spec, loop, threads=threads, seeded=seeded, looks=self._steps())

        plain, several = run(), run(threads=self.threads)
        yield PLAIN, (plain, run())
        yield LIGHTNING, (run("lightning"), run("lightning"))
        yield REPEATED, (several, run(threads=self.threads))
        yield THREADS, (plain, several)
        yield UNSEEDED, (plain, run(seeded=False))

    def _steps(self) -> list[int]:
        """Steps at equal ratios, the first and the last among them."""
        return sorted({1, *np.geomspace(1, self.steps, self.looks).round().astype(int).tolist(), self.steps})

    def _rows(self, arm: str, spec: Spec, one: Outcome, two: Outcome) -> Iterator[Any]:
        """How far two trainings are apart at each look."""
        key = closed_form.key_of(analysis="rerun_training", spec=spec.key, arm=arm, steps=self.steps)
        split = "all" if arm in (PLAIN, LIGHTNING) else records.THIS_RUN
        for index, step in enumerate(self._steps()):
            weights = [outcome.weights[index] for outcome in (one, two)]
            length = float(np.linalg.norm(weights[0].astype(np.float64)))
            seen = {
                DIFFERS: float(weights[0].tobytes() != weights[1].tobytes()),
                "distance": float(np.linalg.norm((weights[0] - weights[1]).astype(np.float64))) / length,
                "disagreement": 100 * float((one.predictions[index] != two.predictions[index]).mean()),
                "accuracy_apart": abs(float(one.accuracy[index] - two.accuracy[index])),
            }
            values = {(metric, split): value for metric, value in seen.items()}
            more = {"end": step == self.steps}
            yield from closed_form.rows(key, spec.seed, values, arm=arm, step=step, **more)

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """How many pairs end with other bytes."""

        def ends(*arms: str) -> list[float]:
            return [
                value for arm in arms for value in records.by_seed(table, arm=arm, metric=DIFFERS, end=True).values()
            ]

        seeded, forgotten, repeated = ends(PLAIN, LIGHTNING), ends(UNSEEDED), ends(REPEATED)
        seen = Control("an unseeded generator is seen", sum(forgotten) > 0, _of(forgotten, "differ"))
        quiet = Control("no seeded pair of one thread differs", sum(seeded) == 0, _of(seeded, "differ"))
        seeds = len(forgotten)
        found = [decide(SEEDED, enumeration(int(sum(seeded)), len(seeded)), control=seen, seeds=seeds)]
        for claim, arm in ((CHANGED, THREADS), (FORGOTTEN, UNSEEDED)):
            values = ends(arm)
            estimate = clopper_pearson(int(sum(values)), len(values)).scaled(100)
            found.append(decide(claim, estimate, control=quiet, seeds=seeds))
        again = f"with the same threads twice {_of(repeated, 'differ')}"
        return [replace(one, note="; ".join(filter(None, [one.note, again]))) for one in found]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """How two trainings drift apart: weights, predictions, accuracy."""
        picture, axes = figures.canvas(1, 3, height=3.6, width=10.0)
        panels = {
            "distance": "log10 of the relative distance of weights",
            "disagreement": "test predictions that differ, %",
            "accuracy_apart": "difference of test accuracy, points",
        }
        for panel, (metric, said) in zip(axes, panels.items(), strict=True):
            for arm in (UNSEEDED, THREADS, REPEATED, PLAIN, LIGHTNING):
                x, values = records.pivot(table, "step", arm=arm, metric=metric)
                shown = np.log10(np.maximum(values, FLOOR)) if metric == "distance" else values
                figures.curve(panel, np.log10(x), shown, arm)
            limits = (np.log10(FLOOR) - 0.5, 1) if metric == "distance" else (0, None)
            panel.set(xlabel="log10 of the step", ylabel=said, ylim=limits)
        figures.legend(axes[0])
        caption = (
            f"Pairs of trainings of one seed in two processes. Weights that are equal in every byte stand at "
            f"{np.log10(FLOOR):.0f}. Means over seeds with 95 % Student intervals."
        )
        yield Figure("drift", "How two trainings drift apart", caption, picture, table)


FLOOR = 1e-10  # of a distance that is drawn; single precision has seven digits


def _of(values: Sequence[float], verb: str) -> str:
    return f"{sum(values):.0f} of {len(values)} {verb}"
