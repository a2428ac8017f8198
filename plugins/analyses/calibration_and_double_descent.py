"""Does calibration remove the bump of the test loss against width, and that of the error?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.study import (
    Claim,
    Control,
    Count,
    Figure,
    Findings,
    Fraction,
    Fresh,
    Measure,
    Predictions,
    Request,
    SelfTest,
    bca,
    calibration,
    decide,
    decide_all,
    figures,
    no_difference,
    no_interval,
    power_law,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    import polars as pl
    from jaxtyping import Float

    from expzoo.study import Estimate, Estimator, Setting, Trained, Verdict

LOBACHEVA = (
    "Lobacheva, Chirkova, Kodryan & Vetrov, On power laws in deep ensembles (2020); Vetrov, Loss landscape (slides)"
)
METRICS = {"nll": "test NLL (nats)", "cnll": "calibrated test NLL (nats)", "error": "test error (%)"}
MEASURED = (*METRICS, "calibrated_error")
DIGITS = 9  # of a percentage: shares of the same test data that are equal may differ beyond
NO_BUMP = 0.05  # nats, less than which is none
STRICTER = 0.95  # of a bump, whose 90 % interval ends below the bound in 6.5 % of 800 made runs at it instead of 5
LARGEST = 2  # widths that the power law is judged by
AGAIN = "again"  # networks of the middle width from other starts: the control whose right answer is no difference

_REMOVES: dict[str, Any] = {
    "source": LOBACHEVA,
    "published": "shown as a figure",
    "unit": "% of the bump",
    "smallest_effect": 0.0,
    "direction": "greater",
    "rule": "BCa bootstrap",
    "reference": 80.0,
    "note": f"bump: how far the mean curve rises above its lowest points on both sides; none below {NO_BUMP} nats",
}
REMOVES_LOSS = Claim(
    name="vetrov.calibration_removes_double_descent",
    statement="On true labels, calibration removes at least 80 % of the bump of the test loss against width.",
    **_REMOVES,
)
REMOVES_NOISY_LOSS = Claim(
    name="vetrov.calibration_removes_double_descent_with_label_noise",
    statement="With label noise, too, it removes at least 80 % of the bump of the test loss.",
    **_REMOVES,
)
MONOTONE = Claim(
    name="vetrov.calibrated_loss_is_monotone",
    statement=f"On true labels, the calibrated test loss has no bump against width, to within {NO_BUMP} nats.",
    source=LOBACHEVA,
    published="shown as a figure",
    unit="nats",
    smallest_effect=NO_BUMP,
    direction="equivalent",
    rule="BCa bootstrap",
)
FORETELLS = Claim(
    name="lobacheva.power_law_width_after_calibration",
    statement="On true labels, a power law fitted to smaller widths is nearer to the calibrated loss of larger ones.",
    source=LOBACHEVA,
    published="shown as figures",
    unit="% of the fall of the loss",
    smallest_effect=0.0,
    direction="greater",
    rule="BCa bootstrap",
    note="than an exponential and than a logarithm",
)


@register
class CalibrationAndDoubleDescent:
    """Trains networks of many widths on true and on noisy labels, and fits a temperature to each on validation data.

    The labels of the validation data are clean.

    Args:
        widths: of the model, or whatever its size is called, increasing.
        noise: how likely a training label is replaced in the noisy arm; the notebook's is 0.15.
    """

    NEEDS = ("targets classes", "finite", "split validation", "dataset.label_noise", "model SIZE")
    CACHE_VERSION = 5  # 5: networks from other starts too
    RULES_VERSION = 3  # 3: that there is no bump is decided at 95 %; 2: that errors stay is a self-test, not a claim

    def __init__(
        self, *, widths: tuple[Count, ...] = (3, 5, 8, 12, 18, 27, 40, 80, 160, 320), noise: Fraction = 0.15
    ) -> None:
        if len(widths) < 2 or any(a >= b for a, b in pairwise(widths)):
            raise ValueError(f"widths {list(widths)} must be two or more numbers that increase")
        self.widths, self.arms = widths, {"true labels": 0.0, "noisy labels": noise}
        self.middle = widths[len(widths) // 2]

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Every width on both kinds of labels, one network a seed in each, and the middle one from other starts."""
        plan = [
            (arm, width, spec)
            for arm, noise in self.arms.items()
            for width in self.widths
            for spec in replace(setting, base=setting.sized(width)).specs(dataset={"label_noise": noise})
        ]
        plan += [
            (f"{arm}, {AGAIN}", width, spec.replace(init=Fresh(draw=1)))
            for arm, width, spec in plan
            if width == self.middle
        ]
        measures = Measure("error", "test"), Measure("error", "train")
        networks = yield Request(tuple(spec for *_, spec in plan), measures)
        predictions, findings = Predictions(), Findings()
        for (arm, width, _), network in zip(plan, networks, strict=True):
            findings.rows += network.rows(("error", "test"), ("error", "train"), arm=arm, width=width)
            findings.rows += _calibrated_rows(network, predictions, arm, width)
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Bumps of mean curves, with the bootstrap over seeds."""
        true, noisy = (_curves(table, arm) for arm in self.arms)
        tests = [_control(), _unchanged(true, noisy)]
        same = {(arm, m): self._same(table, arm, m) for arm in self.arms for m in ("nll", "cnll")}
        of_true, of_noisy = ([same[arm, "nll"], same[arm, "cnll"], *tests] for arm in self.arms)
        control = [same["true labels", "cnll"], *tests]
        seeds = len(set(table["seed"]))
        lost = [seeds - len(curves["nll"]) for curves in (true, noisy)]
        rivals: list[power_law.Form] = ["exponential", "logarithm"]
        laws: dict[str, Estimator] = {}
        for form in rivals:
            laws[form] = self._law(true["cnll"], form)
        return [
            decide(REMOVES_LOSS, _removed(true["nll"], true["cnll"])(level=0.95), control=of_true, dropped=lost[0]),
            decide(
                MONOTONE,
                _mean_bump(true["cnll"]),
                control=control,
                dropped=lost[0],
            ),
            decide_all(FORETELLS, laws, control=control, dropped=dict.fromkeys(laws, lost[0])),
            decide(
                REMOVES_NOISY_LOSS, _removed(noisy["nll"], noisy["cnll"])(level=0.95), control=of_noisy, dropped=lost[1]
            ),
        ]

    def _same(self, table: pl.DataFrame, arm: str, metric: str) -> Control:
        """Networks of the middle width from other starts have the same loss."""
        own, again = (
            records.by_seed(table, arm=name, width=self.middle, metric=metric, split="test")
            for name in (arm, f"{arm}, {AGAIN}")
        )
        return no_difference(f"{metric} of networks of width {self.middle} from other starts", again, own)

    def _law(self, values: np.ndarray, form: power_law.Form) -> Estimator:
        """How much further this law misses the largest widths than a power law, of values (seeds, widths)."""
        widths = np.array(self.widths, np.float64)
        outside = np.arange(len(widths)) >= len(widths) - LARGEST

        def estimate(*, level: float) -> Estimate:
            if (~outside).sum() < power_law.FEWEST:
                return no_interval(float("nan"), len(values), level, "BCa bootstrap")
            return bca(
                values,
                lambda some: power_law.excess(form, widths, some.mean(1), outside),
                level=level,
                draws=999,
                vectorized=True,
            )

        return estimate

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Loss before and after calibration, and error, against width."""
        picture, panels = figures.canvas(1, 3, height=3.6, width=9.4)
        for axes, (metric, unit) in zip(panels, METRICS.items(), strict=True):
            for arm in self.arms:
                widths, values = records.pivot(table, "width", arm=arm, metric=metric, split="test")
                figures.curve(axes, widths, values, arm)
            axes.set(xscale="log", xlabel="width", ylabel=unit)
            axes.set_xticks(self.widths[::2], [str(width) for width in self.widths[::2]])
            axes.minorticks_off()
        figures.legend(panels[0])
        caption = "Means over seeds with 95 % Student intervals. Temperatures are fitted on validation data."
        chosen = records.select(table, split="test")
        yield Figure("against_width", "Loss, calibrated loss and error against width", caption, picture, chosen)


def _calibrated_rows(network: Trained, predictions: Predictions, arm: str, width: int) -> list[dict[str, Any]]:
    logits = {split: predictions.logits(network, split) for split in ("validation", "test")}
    temperature = calibration.fit_temperature(logits["validation"], predictions.labels(network, "validation"))
    labels = predictions.labels(network, "test")
    values = {"temperature": temperature}
    plain, calibrated = (calibration.log_softmax(logits["test"], factor) for factor in (1.0, temperature))
    values |= {"nll": calibration.nll(plain, labels), "cnll": calibration.nll(calibrated, labels)}
    values["calibrated_error"] = float(100 * (calibrated.argmax(1) != labels).mean())
    common: dict[str, Any] = {"key": network.key, "seed": network.spec.seed, "arm": arm, "width": width}
    common |= {"step": network.step, "split": "test", "end": True}
    if network.diverged:
        common |= {"diverged": True}
        values = {"temperature": float("nan"), "nll": network.worst("nll"), "cnll": network.worst("nll")}
        values["calibrated_error"] = network.worst("error")
    return [common | {"metric": metric, "value": value} for metric, value in values.items()]


def _curves(table: pl.DataFrame, arm: str) -> dict[str, np.ndarray]:
    """Each metric against width, (seeds, widths), of the seeds that have all of it."""
    curves = {metric: records.pivot(table, "width", arm=arm, metric=metric, split="test")[1] for metric in MEASURED}
    whole = np.all([np.isfinite(values).all(1) for values in curves.values()], axis=0)
    return {metric: values[whole] for metric, values in curves.items()}


def bump(curves: Float[np.ndarray, "*curves points"]) -> Float[np.ndarray, "*curves"]:
    """How far a curve rises above the higher of its lowest points on both sides; 0 if it never does."""
    left = np.minimum.accumulate(curves, axis=-1)
    right = np.minimum.accumulate(curves[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray((curves - np.maximum(left, right)).max(-1))


def _mean_bump(values: Float[np.ndarray, "seeds widths"]) -> Estimate:
    """The bump of the mean curve, at a stricter level than what is usual for equivalence."""
    return bca(values, lambda some: bump(some.mean(1)), level=STRICTER, vectorized=True)


def _removed(before: np.ndarray, after: np.ndarray) -> Callable[..., Estimate]:
    """By how many per cent the bump of the mean curve is smaller; undefined where there was none."""

    def statistic(both: Float[np.ndarray, "resamples seeds 2 widths"]) -> Float[np.ndarray, " resamples"]:
        first, second = np.moveaxis(bump(both.mean(1)), -1, 0)
        return 100 * (1 - second / np.where(first >= NO_BUMP, first, np.nan))

    return partial(bca, np.stack([before, after], 1), statistic, vectorized=True)


def _unchanged(*arms: Mapping[str, np.ndarray]) -> SelfTest:
    """A temperature cannot change which class is most likely, so that it can remove no bump of the error."""
    apart = max((float(np.abs(a["error"] - a["calibrated_error"]).max(initial=0)) for a in arms), default=0.0)
    return SelfTest("calibration changes no prediction", apart < 10**-DIGITS, f"errors differ by {apart:.1g}")


def _control() -> SelfTest:
    """A falling curve has no bump, and one with a known bump has that."""
    falling = 1 / np.arange(1, 9)
    risen = falling + np.array([0, 0, 0, 0.5, 0, 0, 0, 0])
    found = float(bump(falling)), float(bump(risen))
    right = found[0] == 0 and abs(found[1] - (risen[3] - falling[2])) < 1e-12
    return SelfTest("curves of known bumps", right, f"{found[0]:.3g} and {found[1]:.3g}")
