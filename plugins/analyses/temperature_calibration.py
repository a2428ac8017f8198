"""Does one temperature, fitted on validation data, calibrate a network?"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from expzoo.study import (
    Claim,
    Control,
    Figure,
    Findings,
    Fresh,
    Measure,
    Predictions,
    Range,
    Request,
    SelfTest,
    bca,
    calibration,
    decide,
    decide_all,
    figures,
    known_answer,
    mean_t,
    no_difference,
    pair_on_seed,
    paired_t,
    records,
    register,
    uniforms,
)

if TYPE_CHECKING:
    import polars as pl

    from expzoo.study import Estimator, Setting, Trained, Verdict

GUO = "Guo, Pleiss, Sun & Weinberger, On calibration of modern neural networks (2017)"
ARMS = ("before", "after")
AGAIN = {"before": "before_again", "after": "after_again"}  # of networks from other starts, for the control
ERRORS = {"ece": "bins of equal width", "ece_by_mass": "bins of equal mass", "ece_class_wise": "class by class"}
AGREEMENT = 1e-9  # of the likelihoods that two maximisers reach, in nats

HALVES_ECE = Claim(
    name="guo.temperature_scaling",
    statement="One scalar temperature, fitted on validation data, takes away at least half of the calibration error.",
    source=f"{GUO}, table 1",
    published="ECE in 15 bins: CIFAR-100 ResNet-110 16.53 to 1.26 %, CIFAR-10 ResNet-110 4.6 to 0.83 %",
    unit="% of the error before",
    smallest_effect=0.0,
    direction="greater",
    rule="BCa bootstrap",
    reference=50.0,
    note="the ratio of means over seeds; the error itself is biased upwards, more so after scaling",
)
HOWEVER_BINNED = Claim(
    name="guo.temperature_scaling_however_binned",
    statement="So it does when bins hold equal numbers of examples, and for the probability of each class by itself.",
    source=f"{GUO}; Kull et al., Beyond temperature scaling (2019), eq. 3",
    published="not in the paper",
    unit="% of the error before",
    smallest_effect=0.0,
    direction="greater",
    rule="BCa bootstrap",
    reference=50.0,
)
LOWERS_NLL = Claim(
    name="guo.temperature_lowers_nll",
    statement="The temperature lowers the negative log-likelihood of test data, which no choice of bins can flatter.",
    source=f"{GUO}, table S2",
    published="lower on all ten pairs of network and data",
    unit="nats",
    smallest_effect=0.0,
    direction="less",
    rule="paired t",
)


@register
class TemperatureCalibration:
    """Fits one temperature to each network by maximum likelihood on its validation split and looks at its test split.

    Guo et al. 2017, section 4.2. Accuracy cannot change.

    Args:
        bins: of confidence; 15 is the paper's.
    """

    NEEDS = ("targets classes", "split validation")
    CACHE_VERSION = 2  # 2: networks from other starts too

    def __init__(self, *, bins: Annotated[int, Range(1, 10_000)] = 15) -> None:
        self.bins = bins

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """One network a seed, and one from another start; numbers before and after scaling, reliability by bins."""
        specs, again = setting.specs(), setting.specs(init=Fresh(draw=1))
        networks = yield Request((*specs, *again), (Measure("accuracy", "test"),))
        predictions, findings = Predictions(), Findings()
        shown: dict[str, list[np.ndarray]] = {arm: [] for arm in ARMS}
        for number, network in enumerate(networks):
            is_again = number >= len(specs)
            validation, test = (predictions.logits(network, split) for split in ("validation", "test"))
            labels = predictions.labels(network, "test")
            temperature = calibration.fit_temperature(validation, predictions.labels(network, "validation"))
            facts = {"temperature": temperature}
            facts |= self._checks(network, validation, predictions.labels(network, "validation"), temperature)
            findings.rows += [] if is_again else _rows(network, "fit", "validation", facts)
            for arm, hot in zip(ARMS, (1.0, temperature), strict=True):
                log_probabilities, told = calibration.log_softmax(test, hot), AGAIN[arm] if is_again else arm
                findings.rows += _rows(network, told, "test", calibration.scores(log_probabilities, labels, self.bins))
                if is_again:
                    continue
                seen = calibration.reliability(*calibration.predicted(log_probabilities, labels), self.bins)
                shown[arm].append(np.stack([seen.count, seen.confidence, seen.accuracy]))
        findings.arrays = {f"reliability {arm}": np.stack(values) for arm, values in shown.items()}
        return findings

    def _checks(self, network: Trained, logits: np.ndarray, labels: np.ndarray, temperature: float) -> dict[str, float]:
        """What has a known answer: another maximiser of the same likelihood, and labels drawn from the network."""
        cumulative = np.exp(calibration.log_softmax(logits)).cumsum(1)
        drawn = uniforms(network.spec.seed, "labels of its own", 0, len(labels))[:, None] * cumulative[:, -1:]
        own = (cumulative < drawn).sum(1)
        both = temperature, calibration.temperature_by_search(logits, labels)
        likelihoods = [calibration.nll(calibration.log_softmax(logits, hot), labels) for hot in both]
        return {
            "likelihoods_apart": abs(likelihoods[0] - likelihoods[1]),
            "log_temperature_of_own_labels": float(np.log(calibration.fit_temperature(logits, own))),
        }

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Ratios of means with the bootstrap over seeds; the likelihood in pairs.

        Both arms are one trained network, so that no arm can cause a divergence.
        """
        own = _control(table)
        errors = {name: [_same_gain(table, name), own] for name in (*ERRORS, "nll")}
        binned: dict[str, Estimator] = {
            ERRORS[name]: _reduction(table, name) for name in ("ece_by_mass", "ece_class_wise")
        }
        after, before, missing = pair_on_seed(*(records.by_seed(table, arm=arm, metric="nll") for arm in ARMS[::-1]))
        return [
            decide(
                HALVES_ECE, _reduction(table, "ece")(level=HALVES_ECE.level), control=errors["ece"], missing=missing
            ),
            decide_all(HOWEVER_BINNED, binned, control=errors["ece_by_mass"], missing=dict.fromkeys(binned, missing)),
            decide(LOWERS_NLL, paired_t(after, before), control=errors["nll"], missing=missing),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Reliability before and after, and all three errors."""
        yield _reliability_diagram(arrays)
        picture, (axes,) = figures.canvas(height=3.6)
        for index, arm in enumerate(ARMS):
            by_error = [list(records.by_seed(table, arm=arm, metric=error).values()) for error in ERRORS]
            figures.bars(axes, list(ERRORS.values()), np.array(by_error).T, arm, position=(index, len(ARMS)))
        axes.set_ylabel("calibration error on test data (%)")
        figures.legend(axes)
        caption = "Means over seeds with 95 % Student intervals; dots are seeds. Fitted on validation data."
        chosen = records.select(table, metric=list(ERRORS))
        yield Figure("calibration_errors", "Calibration error before and after scaling", caption, picture, chosen)


def _rows(network: Trained, arm: str, split: str, values: Mapping[str, float]) -> list[dict[str, Any]]:
    common: dict[str, Any] = {
        "key": network.key,
        "seed": network.spec.seed,
        "arm": arm,
        "step": network.step,
        "split": split,
    }
    return [
        common | {"metric": metric, "value": float("nan") if network.diverged else value}
        for metric, value in values.items()
    ]


def _reduction(table: pl.DataFrame, error: str) -> Estimator:
    """By how many per cent the mean error over seeds is lower after than before."""
    after, before, _ = pair_on_seed(*(records.by_seed(table, arm=arm, metric=error) for arm in ("after", "before")))
    values = np.stack([after, before], 1)
    return partial(bca, values, lambda chosen: float(100 * (1 - chosen[:, 0].mean() / chosen[:, 1].mean())))


def _same_gain(table: pl.DataFrame, metric: str) -> Control:
    """The temperature changes the metric of networks from other starts by as much."""

    def gains(arms: Mapping[str, str]) -> dict[int, float]:
        before, after = (records.by_seed(table, arm=arms[arm], metric=metric) for arm in ARMS)
        return {seed: after[seed] - value for seed, value in before.items()}

    own = gains(dict(zip(ARMS, ARMS, strict=True)))
    return no_difference("a temperature gains as much in networks from other starts", gains(AGAIN), own)


def _control(table: pl.DataFrame) -> SelfTest:
    """Two maximisers agree, and a network whose labels are drawn from its own probabilities needs no temperature."""
    apart = max(records.by_seed(table, metric="likelihoods_apart").values())
    own = [v for v in records.by_seed(table, metric="log_temperature_of_own_labels").values() if np.isfinite(v)]
    known = known_answer("labels drawn from the predictions need the temperature 1", partial(mean_t, own))
    name = f"{known.name}; two maximisers agree"
    return SelfTest(name, known.passed and not apart > AGREEMENT, f"{known.detail}, largest gap {apart:.1e} nats")


def _reliability_diagram(arrays: Mapping[str, np.ndarray]) -> Figure:
    """Accuracy against confidence, and how many predictions there are of each confidence."""
    import polars as pl

    picture, panels = figures.canvas(2, 2, height=4.6, height_ratios=(3, 1), sharex=True, sharey="row")
    tables = []
    for column, arm in enumerate(ARMS):
        count, confidence, accuracy = np.moveaxis(arrays[f"reliability {arm}"], 1, 0)
        bins = count.shape[1]
        centres = 100 * (np.arange(bins) + 0.5) / bins
        share = 100 * count / count.sum(1, keepdims=True)
        upper, lower = panels[column], panels[2 + column]
        upper.plot([0, 100], [0, 100], color="0.6", linewidth=0.8, linestyle=":")
        figures.curve(upper, centres, 100 * accuracy, arm).set_clip_on(False)
        upper.set(title=arm, xlim=(0, 100), ylim=(0, 100))
        lower.bar(centres, share.mean(0), 92 / bins, color=figures.style(arm).colour, alpha=0.5, linewidth=0)
        lower.set(xlabel="confidence (%)", xticks=range(0, 100, 20))
        columns = {"confidence_bin": centres, "confidence": confidence, "accuracy": accuracy, "share": share}
        means = {name: figures.interval(np.atleast_2d(values))[0] for name, values in columns.items()}
        tables.append(pl.DataFrame(means).with_columns(pl.lit(arm).alias("arm")))
    panels[0].set_ylabel("accuracy (%)")
    panels[2].set_ylabel("predictions (%)")
    caption = (
        "Accuracy of test predictions by their confidence, means over seeds with 95 % Student intervals; a calibrated "
        "network lies on the dotted line. Below, how many predictions have each confidence."
    )
    return Figure("reliability", "Reliability before and after one temperature", caption, picture, pl.concat(tables))
