"""Double descent where it can be solved exactly: regression on random features."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np

from expzoo.study import (
    Claim,
    Control,
    Count,
    Figure,
    Findings,
    Positive,
    Range,
    Request,
    SelfTest,
    closed_form,
    figures,
    paired,
    paired_t,
    random_features,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Trained, Verdict

BELKIN = "Belkin, Hsu, Ma & Mandal, Reconciling modern machine-learning practice (2019), section 2 and figure 2"
RATIOS = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 8.0)
BELOW = 0.5  # the first descent is looked for up to this many features an example, fixed beforehand
FAR = RATIOS[-1]
ARMS = {"minimum_norm": "minimum norm", "ridge": "ridge"}

PEAK = Claim(
    name="belkin.rff_peak_at_n",
    statement="The test loss of minimum-norm regression peaks at as many random features as examples.",
    source=BELKIN,
    published="peak at N = n features, which are nK parameters",
    unit="doublings of n",
    smallest_effect=0.25,
    direction="equivalent",
    rule="TOST",
)
PROMINENCE = Claim(
    name="belkin.rff_peak_is_high",
    statement="At its peak the test loss is at least twice that of eight times as many features as examples.",
    source=BELKIN,
    published="orders of magnitude, on a truncated axis",
    unit="doublings of test loss",
    smallest_effect=1.0,
    direction="greater",
    rule="paired t",
)
SECOND_DESCENT = Claim(
    name="belkin.rff_second_descent_is_lower",
    statement="Eight times as many features as examples give a lower squared error than the best size up to n / 2.",
    source=BELKIN,
    published="lower, read off the figure",
    unit="doublings of test loss",
    smallest_effect=0.0,
    direction="less",
    rule="paired t",
    note="the best size is chosen on the test loss itself, which favours the small model",
)
SECOND_DESCENT_ERROR = replace(
    SECOND_DESCENT,
    name="belkin.rff_second_descent_is_lower_by_error",
    statement="They make fewer wrong predictions, too, than the best size up to n / 2.",
    unit="percentage points of test error",
)


@register
class DoubleDescentRff:
    """Solves regression on random ReLU features exactly, from a tenth of the examples in features to eight times them.

    The known answer of double descent: the minimum-norm solution fits n examples from n features
    on, where its test loss peaks; ridge regression on the same features has no peak (Nakkiran et
    al. 2020, arXiv:2003.01897). It trains nothing and takes seconds.

    Args:
        ridge: weight of the squared norm in the arm that must have no peak, for each example.
        train_size: examples that are fitted.
        test_points: examples of the test split that are looked at.
    """

    NEEDS = ("targets classes", "finite", "dataset.train_size")
    CACHE_VERSION = 2  # 2: records say how many labels are noisy
    RULES_VERSION = 2  # 2: statements say so, and the second descent is looked for in the error as well

    def __init__(
        self,
        *,
        ridge: Positive = 0.1,
        train_size: Annotated[int, Range(20, 5000)] = 200,
        test_points: Count = 1000,
    ) -> None:
        self.ridge, self.train_size, self.test_points = ridge, train_size, test_points

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Both arms at every ratio of features to examples. No network is asked for."""
        sized = setting.subset(self.train_size)
        dataset = sized.dataset.build()
        noisy = "label_noise" in dict(sized.dataset.options)
        noise = sized.dataset.option("label_noise", float) if noisy else 0.0
        yield Request(())
        findings = Findings()
        for seed in setting.seeds:
            train, test = dataset.split("train", seed), dataset.split("test", seed)
            largest = round(FAR * self.train_size)
            drawn = random_features.directions(seed, int(np.prod(dataset.inputs)), largest)
            inputs, labels = (train.x, test.x[: self.test_points]), (train.y, test.y[: self.test_points])
            seen, unseen = (random_features.relu_features(x, drawn) for x in inputs)
            targets, wanted = (random_features.one_hot(y, dataset.outputs) for y in labels)
            for ratio in RATIOS:
                count = round(ratio * self.train_size)
                for arm, ridge in (("minimum_norm", 0.0), ("ridge", self.ridge * self.train_size)):
                    weights = random_features.fit(seen[:, :count], targets, ridge)
                    outputs = seen[:, :count] @ weights, unseen[:, :count] @ weights
                    key = closed_form.key_of(what="random features", data=sized.dataset.canonical(), seed=seed, n=count)
                    values = _values(outputs, (targets, wanted))
                    varied = {"features": count, "ratio": ratio, "label_noise": noise}
                    findings.rows += closed_form.rows(key, seed, values, arm=arm, **varied)
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Per seed: the ratio of the highest loss, and losses at ratios that were fixed beforehand."""
        loss = {arm: _log_loss(table, arm) for arm in ARMS}
        exact, ridge = loss["minimum_norm"], loss["ridge"]
        beside = [index for index, ratio in enumerate(RATIOS) if ratio >= BELOW]
        below = [index for index, ratio in enumerate(RATIOS) if ratio <= BELOW]
        at_n = RATIOS.index(1.0)
        control = _controls(table, ridge[:, beside].max(1) - ridge[:, -1])
        peaks = np.log2(np.array(RATIOS)[beside][exact[:, beside].argmax(1)])
        seeds = range(len(exact))

        def named(values: np.ndarray) -> dict[int, float]:
            return dict(zip(seeds, values.tolist(), strict=True))

        _, errors = records.pivot(table, "ratio", arm="minimum_norm", metric="error", split="test")
        verdicts = [
            paired(PEAK, named(peaks), named(np.zeros_like(peaks)), control=control),
            paired(PROMINENCE, named(exact[:, at_n]), named(exact[:, -1]), control=control),
            paired(SECOND_DESCENT, named(exact[:, -1]), named(exact[:, below].min(1)), control=control),
            paired(SECOND_DESCENT_ERROR, named(errors[:, -1]), named(errors[:, below].min(1)), control=control),
        ]
        return [replace(verdict, statement=f"With {_noise(table)}: {verdict.statement}") for verdict in verdicts]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Test and training loss of both arms against features an example."""
        picture, panels = figures.canvas(2, 1, height=6.0, sharex=True)
        for panel, (split, unit) in zip(panels, (("test", "test loss"), ("train", "training loss")), strict=True):
            for arm, name in ARMS.items():
                x, values = records.pivot(table, "ratio", arm=arm, metric="squared_error", split=split)
                figures.curve(panel, x, np.log10(np.maximum(values, 1e-8)), name)
            panel.axvline(1.0, color="0.6", linewidth=0.8, linestyle=":")
            panel.set(xscale="log", ylabel=f"log10 of the {unit}")
        panels[0].set_xticks([0.1, 0.3, 1, 3, 8], ["0.1", "0.3", "1", "3", "8"])
        panels[0].minorticks_off()
        panels[1].set_xlabel("random features / examples")
        figures.legend(panels[0])
        caption = (
            f"{self.train_size} examples, mean over seeds with 95 % Student intervals. The dotted line is the known "
            "threshold; training losses below 1e-8 are drawn there."
        )
        yield Figure("random_features", "Double descent solved exactly", caption, picture, table)


def _values(
    outputs: tuple[np.ndarray, np.ndarray], targets: tuple[np.ndarray, np.ndarray]
) -> dict[tuple[str, str], float]:
    values = {}
    for split, seen, wanted in zip(("train", "test"), outputs, targets, strict=True):
        values["squared_error", split] = float(np.mean((seen - wanted) ** 2))
        values["error", split] = 100.0 * float(np.mean(seen.argmax(1) != wanted.argmax(1)))
    return values


def _noise(table: pl.DataFrame) -> str:
    """How many training labels are wrong, in words."""
    noise = float(table["label_noise"][0])
    return f"{noise:.0%} noisy training labels" if noise else "true labels"


def _log_loss(table: pl.DataFrame, arm: str) -> np.ndarray:
    """Log2 of the test loss, (seeds, ratios)."""
    return np.log2(records.pivot(table, "ratio", arm=arm, metric="squared_error", split="test")[1])


def _controls(table: pl.DataFrame, ridge_peaks: np.ndarray) -> list[Control]:
    """What is known: training examples are fitted from n features on and not before, and ridge has no peak."""
    ratios, train = records.pivot(table, "ratio", arm="minimum_norm", metric="squared_error", split="train")
    fitted = train < 1e-12
    exact = bool(fitted[:, ratios >= 1].all() and not fitted[:, ratios < 1].any())
    estimate = paired_t(ridge_peaks, np.zeros_like(ridge_peaks))
    flat = bool(estimate.high < PROMINENCE.smallest_effect or estimate.effect == 0)
    peak = f"{estimate.effect:.2f} doublings, at most {estimate.high:.2f}"
    return [
        Control("no peak with ridge", flat, peak),
        SelfTest("training examples are fitted exactly from n features on and not before", exact),
    ]
