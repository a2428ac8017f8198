"""Is the noise of SGD a temperature, and does a walk prefer places where it moves little?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from expzoo.analysis.studies.langevin import walks
from expzoo.analysis.studies.langevin.claims import FAR, FLAT, GIBBS, LYAPUNOV, POSTERIOR, SHUFFLED, TEMPERATURE
from expzoo.study import (
    Control,
    Count,
    Figure,
    Findings,
    Pairs,
    Request,
    closed_form,
    decide,
    decide_all,
    figures,
    known_answer,
    mean_t,
    no_difference,
    paired,
    records,
    register,
    stable_hash,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Trained, Verdict

    Seen = Callable[..., dict[int, float]]

PROBLEMS = {"quadratic": walks.Quadratic, "logistic": walks.Logistic}
EXAMPLES, RATE, BATCH = 200, 0.1, 8
RATES, BATCHES = (0.05, 0.1, 0.2), (2, 8, 40)
AGAIN, EPOCHS = "again", "epochs"
SGLD, HOT = "SGLD", "SGLD, twice the noise"
STEP_SIZE, SGLD_BATCH = 5e-4, 50  # where n times the mean loss is sampled: a hundredth of the flattest time scale
ITO, STRATONOVICH, EVEN = "Ito", "Stratonovich", "even"
HEIGHT, BINS = 1.5, 20  # log variances from -1.5 to 1.5


@register
class Langevin:
    """Walks of SGD about the minima of a quadratic and of logistic regression, of SGLD, and between two walls.

    No network is trained: each seed is one set of examples and one crowd of walkers, whose
    stationary distributions are known (`analysis/studies/langevin/walks.py`).

    Args:
        steps: of SGD, from the minimum on; a sixth is left out.
        walkers: of SGD, side by side.
        samples: walkers of SGLD, each looked at once at its end.
        sgld_steps: of SGLD, from the minimum on; the flattest direction forgets it within 100.
        wall_steps: of the walk between walls; its second half counts.
        wall_walkers: of that walk.
    """

    NEEDS = ()
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(
        self,
        *,
        steps: Count = 3000,
        walkers: Count = 32,
        samples: Count = 1000,
        sgld_steps: Count = 400,
        wall_steps: Count = 8000,
        wall_walkers: Count = 400,
    ) -> None:
        self.steps, self.walkers, self.samples, self.sgld_steps = steps, walkers, samples, sgld_steps
        self.wall_steps, self.wall_walkers = wall_steps, wall_walkers

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """All walks of all seeds."""
        yield Request(())
        findings = Findings()
        for seed in setting.seeds:
            key = closed_form.key_of(analysis="langevin", seed=seed, **vars(self))
            for name in PROBLEMS:
                for arm, values in self._about_a_minimum(name, seed):
                    seen = {(metric, "all"): value for metric, value in values.items()}
                    findings.rows += closed_form.rows(key, seed, seen, arm=f"{name} {arm}".strip())
            for arm, noise in ((SGLD, 1.0), (HOT, 2.0)):
                findings.rows += closed_form.rows(
                    key, seed, {("distance", "all"): self._distance(seed, noise)}, arm=arm
                )
            for arm in (ITO, STRATONOVICH, EVEN):
                shares = self._between_walls(seed, arm)
                exponent = {("exponent", "all"): walks.slope(_log_variance(), np.log(shares))}
                findings.rows += closed_form.rows(key, seed, exponent, arm=arm)
                for place, share in zip(_places(), shares, strict=True):
                    findings.rows += closed_form.rows(key, seed, {("share", "all"): share}, arm=arm, place=place)
        return findings

    def _about_a_minimum(self, name: str, seed: int) -> Iterator[tuple[str, dict[str, float]]]:
        """Variances of SGD in doublings, of each rate and batch size and by shuffled epochs."""
        problem = PROBLEMS[name](stable_hash(seed, "problem"), EXAMPLES)
        plans = {f"rate {rate:g}": (rate, BATCH, walks.independent) for rate in RATES}
        plans |= {f"batch {batch}": (RATE, batch, walks.independent) for batch in BATCHES if batch != BATCH}
        plans |= {AGAIN: (RATE, BATCH, walks.independent), EPOCHS: (RATE, BATCH, walks.epochs)}
        curvatures, directions = np.linalg.eigh(problem.hessian)
        for arm, (rate, batch, drawn) in plans.items():
            batches = drawn(stable_hash(seed, name, arm), problem.size, batch, self.walkers, self.steps)
            covariance = walks.covariance_of_sgd(problem, batches, rate, self.walkers, self.steps // 6)
            expected = walks.stationary(problem, rate, batch)
            own, theirs = (np.log2(np.diag(directions.T @ each @ directions)) for each in (covariance, expected))
            yield (
                arm,
                {
                    "total": float(np.log2(np.trace(covariance))),
                    "flattest": float(own[0]),
                    "flattest_beyond_theory": float(own[0] - theirs[0]),
                    "sharpest_beyond_theory": float(own[-1] - theirs[-1]),
                    "flatter_beyond_gibbs": float(own[0] - own[-1] - np.log2(curvatures[-1] / curvatures[0])),
                },
            )

    def _distance(self, seed: int, noise: float) -> float:
        """The largest distance, of the three directions, of SGLD's marginals from those of the posterior."""
        from scipy.stats import kstest

        problem = walks.Quadratic(stable_hash(seed, "problem"), EXAMPLES)
        last = walks.langevin(problem, seed, STEP_SIZE, SGLD_BATCH, self.samples, self.sgld_steps, noise=noise)
        scaled = (last - problem.minimum) * np.sqrt(problem.size * walks.CURVATURES)
        return max(float(kstest(direction, "norm").statistic) for direction in scaled.T)

    def _between_walls(self, seed: int, arm: str) -> np.ndarray:
        return walks.occupation(
            stable_hash(seed, "walls", arm),
            0.0 if arm == EVEN else HEIGHT,
            midpoint=arm == STRATONOVICH,
            walkers=self.wall_walkers,
            steps=self.wall_steps,
            step_size=4e-4,
            bins=BINS,
        )

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Exponents, variances by theory, distances and times, seed by seed."""

        def seen(arm: str, metric: str = "total") -> dict[int, float]:
            return records.by_seed(table, arm=arm, metric=metric)

        usual = f"rate {RATE:g}"
        again = no_difference(
            "the same walks with other batches", seen(f"quadratic {AGAIN}"), seen(f"quadratic {usual}")
        )
        exponents = {
            f"{name}, {what}": Pairs(TEMPERATURE, *_exponents(seen, name, what))
            for name in PROBLEMS
            for what in ("rate", "batch")
        }
        theory = {
            f"{name}, {where}": Pairs(LYAPUNOV, *_beside_zero(seen(f"{name} {usual}", f"{where}_beyond_theory")))
            for name in PROBLEMS
            for where in ("flattest", "sharpest")
        }
        gibbs = {
            name: Pairs(GIBBS, *_beside_zero(seen(f"{name} {usual}", "flatter_beyond_gibbs"))) for name in PROBLEMS
        }
        distances = list(seen(SGLD, "distance").values())
        even = known_answer(
            "a walk of the same variance everywhere prefers no place",
            partial(mean_t, list(seen(EVEN, "exponent").values())),
        )
        exponent = {seed: value + 1 for seed, value in seen(ITO, "exponent").items()}
        return [
            decide(POSTERIOR, mean_t(distances), control=_hotter(list(seen(HOT, "distance").values()))),
            decide_all(TEMPERATURE, exponents, control=again),
            decide_all(LYAPUNOV, theory, control=again),
            decide_all(GIBBS, gibbs, control=again),
            paired(
                SHUFFLED, seen(f"quadratic {EPOCHS}", "flattest"), seen(f"quadratic {usual}", "flattest"), control=again
            ),
            paired(FLAT, *_beside_zero(exponent), control=[even, _root(list(seen(STRATONOVICH, "exponent").values()))]),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Variances by rate and batch size; where walks between walls are, by the variance there."""
        picture, (left, right) = figures.canvas(1, 2, height=3.8, width=8.0)
        for name in PROBLEMS:
            for what, axis in (("rate", RATES), ("batch", BATCHES)):
                arms = [_arm(name, what, one) for one in axis]
                values = [list(records.by_seed(table, arm=arm, metric="total").values()) for arm in arms]
                figures.curve(left, np.log2(axis), np.array(values).T, f"{name}, by {what}")
        left.set(xlabel="log2 of rate or batch size", ylabel="log2 of the variance")
        order = np.argsort(_log_variance(), kind="stable")
        for arm in (ITO, STRATONOVICH):
            _, shares = records.pivot(table, "place", arm=arm, metric="share")
            figures.curve(right, _log_variance()[order], np.log(BINS * shares[:, order]), arm)
        right.set(xlabel="log variance of a step", ylabel="log density")
        figures.legend(left)
        right.legend(frameon=False, fontsize=8)
        caption = (
            "Left: the variance of SGD about a minimum. Right: how dense walkers between two walls are, against the "
            "logarithm of the variance that a step has there: a slope of -1 if a step knows its start alone (Ito), of "
            "-1/2 if both ends count (Stratonovich). Means over seeds with 95 % Student intervals."
        )
        yield Figure("walks", "Variances, and where walks stay", caption, picture, table)


def _places() -> list[float]:
    """The middles of the parts of [0, 1]."""
    return [(index + 0.5) / BINS for index in range(BINS)]


def _log_variance() -> np.ndarray:
    return walks.log_variance(np.array(_places()), HEIGHT)


def _beside_zero(values: Mapping[int, float]) -> tuple[Mapping[int, float], dict[int, float]]:
    return values, dict.fromkeys(values, 0.0)


def _arm(name: str, what: str, value: float) -> str:
    """What walks at a rate or a batch size are called: the usual batch size is that of the usual rate."""
    return f"{name} rate {RATE:g}" if (what, value) == ("batch", BATCH) else f"{name} {what} {value:g}"


def _exponents(seen: Seen, name: str, what: str) -> tuple[dict[int, float], dict[int, float]]:
    """Of the variance by rate or by batch size, seed by seed, and what is claimed."""
    axis, claimed = (RATES, 1.0) if what == "rate" else (BATCHES, -1.0)
    totals = [seen(_arm(name, what, one)) for one in axis]
    found = {s: walks.slope(np.log2(axis), np.array([total[s] for total in totals])) for s in totals[0]}
    return found, dict.fromkeys(found, claimed)


def _hotter(distances: Sequence[float]) -> Control:
    """Twice the noise is twice the temperature, which the distance must show."""
    least = min(distances)
    return Control("twice the noise is seen as another distribution", least > FAR, f"distances from {least:.3g}")


def _root(exponents: Sequence[float]) -> Control:
    """In Stratonovich's sense the exponent is -1/2: the estimate must tell it from -1."""
    estimate = mean_t(exponents)
    told = f"{estimate.low:.3g} to {estimate.high:.3g}"
    return Control("where both ends of a step count the exponent is above -0.75", bool(estimate.low > -0.75), told)
