"""Do wide minima generalise better, or do learning rates make them so?"""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from expzoo.study import (
    Claim,
    Count,
    Figure,
    Findings,
    Measure,
    Positive,
    Request,
    complete,
    decide,
    figures,
    known_answer,
    mean_t,
    rank_correlation,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from matplotlib.axes import Axes

    from expzoo.study import Setting, Trained, Verdict

Solutions = dict[int, np.ndarray]
"""By seed (solutions, columns)."""
SHARP, WRONG, RATE, BATCH, LOSS = range(5)
COLUMNS = ("sharpness", "error", "rate", "batch", "loss")
SETTING = [RATE, BATCH, LOSS]
FEWEST = len(SETTING) + 3  # solutions of a seed; fewer leave nothing to correlate
SEEN = (("sharpness", "train"), ("error", "test"), ("loss", "train"))
SOLUTION, NOT_FITTED = "solution", "not_fitted"
_CLAIM: dict[str, Any] = {
    "source": "Vetrov, Loss landscape in deep neural networks (slides); Jiang et al. (2020), arXiv:1912.02178",
    "unit": "rank correlation",
    "smallest_effect": 0.0,
    "direction": "greater",
    "rule": "one-sample t",
}
GIVEN = Claim(
    name="vetrov.wide_minima_generalise",
    statement="Of solutions with one training loss the sharper make more errors on test data, given the learning rate, "
    "the batch size and what differs of the loss.",
    published="a common yet unproven belief; later evidence is mixed",
    **_CLAIM,
)
OVERALL = Claim(
    name="vetrov.wide_minima_generalise_over_all_settings",
    statement="They do so where solutions of all learning rates and batch sizes are put together.",
    published="positive for most measures of sharpness, Jiang et al.",
    **_CLAIM,
)
BY_SETTING = Claim(
    name="vetrov.wide_minima_by_their_settings",
    statement="Put together, sharpness and errors go together more closely than given the settings: Simpson's paradox.",
    published="",
    note="control of ours",
    **_CLAIM,
)


@register
class WideMinima:
    """Solutions of one training loss at several learning rates and batch sizes: sharpness against test error.

    Each seed has its own correlations over all its solutions, which share data and initialisation.
    Sharpness is the largest eigenvalue of the Hessian, which other weights of the same function can
    make anything (Dinh et al. 2017). Ranks of the learning rate, of the batch size and of the
    training loss, which is not quite one, are regressed out. A network that does not reach the loss
    is no solution.

    Args:
        learning_rates: of the solutions.
        batch_sizes: likewise.
    """

    NEEDS = ("targets classes", "dataset.batch_size", "stop=fitted")
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(
        self,
        *,
        learning_rates: tuple[Positive, ...] = (0.1, 0.2, 0.4, 0.8),
        batch_sizes: tuple[Count, ...] = (10, 20, 40),
    ) -> None:
        self.rates, self.batches = tuple(map(float, learning_rates)), tuple(batch_sizes)
        counts = len(set(self.rates)), len(set(self.batches))
        if min(counts) < 2 or counts[0] * counts[1] < FEWEST:
            given = f"learning_rates {list(learning_rates)} and batch_sizes {list(batch_sizes)}"
            raise ValueError(f"{given} must be two of each or more, and make {FEWEST} settings or more")

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """All settings for all seeds."""
        plan = list(itertools.product(self.rates, self.batches))
        specs = [
            spec.replace(dataset={"batch_size": batch})
            for rate, batch in plan
            for spec in setting.specs(optimizer={"lr": rate * setting.rate})
        ]
        networks = iter((yield Request(tuple(specs), tuple(Measure(*seen) for seen in SEEN))))
        findings = Findings()
        for rate, batch in plan:
            for network in itertools.islice(networks, len(setting.seeds)):
                arm = SOLUTION if network.network.status == "finished" else NOT_FITTED
                findings.rows += network.rows(*SEEN, arm=arm, rate=rate, batch=batch)
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Correlations of each seed's solutions, on average over seeds."""
        found = {seed: (_given(part), _overall(part)) for seed, part in _solutions(table).items()}
        [pairs], _ = complete(np.array([*found.values()]).reshape(-1, 2))
        given, overall = pairs.T
        lost = table["seed"].n_unique() - len(pairs)
        [others], _ = complete([_given(part) for part in _shifted(_solutions(table))])
        control = known_answer("sharpness of another seed's solution of the same setting", partial(mean_t, others))
        missed = table.filter(pl.col("arm") == NOT_FITTED)["key"].n_unique()
        said = f"{missed} of {table['key'].n_unique()} networks did not reach the loss: no solutions" if missed else ""
        verdicts = []
        for claim, values in ((GIVEN, given), (OVERALL, overall), (BY_SETTING, overall - given)):
            verdict = decide(claim, mean_t(values, level=claim.level), control=control, missing=lost)
            verdicts.append(replace(verdict, note="; ".join(filter(None, [verdict.note, said]))))
        return verdicts

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Errors against sharpness: as they are, and what is left of their ranks given the setting."""
        picture, (left, right) = figures.canvas(1, 2, width=8.6, height=4.0)
        solutions = [*_solutions(table).values()]
        for rate in self.rates:
            own = [part[np.isclose(part[:, RATE], rate)] for part in solutions]
            rest = [np.stack(_residuals(part))[:, np.isclose(part[:, RATE], rate)] for part in solutions]
            if sum(map(len, own)):
                points = np.concatenate(own)
                _points(left, points[:, SHARP], points[:, WRONG], f"rate {rate:g}")
                ranks = np.concatenate(rest, 1)
                _points(right, ranks[0], ranks[1], f"rate {rate:g}")
        left.set(xscale="log", xlabel="largest eigenvalue of the Hessian", ylabel="test error (%)")
        right.set(xlabel="rank of sharpness, given the setting", ylabel="rank of the error, given the setting")
        figures.legend(left)
        overall, given = (np.mean([of(part) for part in solutions] or [np.nan]) for of in (_overall, _given))
        caption = (
            f"Each point is a network at the same training loss. Left: all settings together, mean rank correlation of "
            f"a seed {overall:+.2f}. Right: residuals of ranks given learning rate, batch size and loss, {given:+.2f}."
        )
        yield Figure("simpson", "Sharpness and test error", caption, picture, records.select(table, end=True))


def _solutions(table: pl.DataFrame) -> Solutions:
    """Sharpness, error, rate, batch size and loss of every solution of each seed."""
    solved = table.filter((pl.col("arm") == SOLUTION) & pl.col("end"))
    if solved.is_empty():
        return {}
    wide = solved.pivot("metric", index=["seed", "rate", "batch"], values="value").sort("seed", "rate", "batch")
    columns, seeds = wide.select(COLUMNS).to_numpy(), wide["seed"].to_numpy()
    whole = np.isfinite(columns).all(1)
    return {int(seed): columns[whole & (seeds == seed)] for seed in np.unique(seeds)}


def _shifted(solutions: Solutions) -> Iterator[np.ndarray]:
    """Each seed's solutions with the sharpness of the next seed's of the same setting, where there is one."""
    parts = list(solutions.values())
    for own, other in zip(parts, parts[1:] + parts[:1], strict=True):
        sharp = {(row[RATE], row[BATCH]): row[SHARP] for row in other}
        rows = [[sharp[row[RATE], row[BATCH]], *row[1:]] for row in own if (row[RATE], row[BATCH]) in sharp]
        yield np.array(rows).reshape(-1, len(COLUMNS))


def _residuals(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rank_correlation.residuals(part[:, SHARP], part[:, WRONG], part[:, SETTING])


def _given(part: np.ndarray) -> float:
    if len(part) < FEWEST:
        return float("nan")
    return rank_correlation.partial_spearman(part[:, SHARP], part[:, WRONG], part[:, SETTING])


def _overall(part: np.ndarray) -> float:
    if len(part) < FEWEST:
        return float("nan")
    return rank_correlation.spearman(part[:, SHARP], part[:, WRONG])


def _points(axes: Axes, x: np.ndarray, y: np.ndarray, label: str) -> None:
    look = figures.style(label, [line.style for line in axes.lines if isinstance(line, figures.Series) and line.style])
    points = figures.Series(x, y, color=look.colour, linestyle="none", marker=look.marker, markersize=4, alpha=0.7,
                            label=label)  # fmt: skip
    points.style = look
    axes.add_line(points)
    axes.autoscale_view()
