"""Do other weights of the same function have another sharpness?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.analysis.studies.reparametrisation import between_layers, slopes, times
from expzoo.study import (
    Claim,
    Component,
    Control,
    Count,
    Figure,
    Findings,
    Fresh,
    Pairs,
    Request,
    SelfTest,
    decide_all,
    exact_arithmetic,
    figures,
    mean_t,
    no_difference,
    paired,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Spec, Trained, Verdict

    Values = Mapping[int, float]

FACTOR = 10.0  # at which both claims are decided, fixed beforehand
BETWEEN = (0.1, 1.0, FACTOR)
SCALES = (0.001, 0.01, 0.1, 1.0, FACTOR, 100.0)
SAME = 1e-5  # outputs, in double precision
RELU, NORMALISED, AGAIN = "relu", "normalised", "_again"

SHARPER = Claim(
    name="dinh.sharpness_reparametrisation",
    statement="A ReLU network with its first layer times 10 and its second divided by 10 is the same function and more "
    "than 10 times as sharp.",
    source="Dinh, Pascanu, Bengio & Bengio, Sharp minima can generalize for deep nets (2017), theorem 4",
    published="arbitrarily sharp, a theorem",
    unit="powers of ten of the largest eigenvalue",
    smallest_effect=1.0,
    direction="greater",
    rule="paired t",
)
INVARIANT = Claim(
    name="vetrov.bn_scale_invariance",
    statement="Ten times the weights before batch normalisation leave the loss as it is, divide its gradient by 10 and "
    "its Hessian by 100, within 2.3 %.",
    source="Vetrov, Loss landscape in deep neural networks (slides); van Laarhoven, arXiv:1706.05350 (2017)",
    published="exact but for the epsilon of batch normalisation",
    unit="powers of ten",
    smallest_effect=0.01,
    direction="equivalent",
    rule="TOST",
)
LAWS = {"loss": 0, "gradient": 1, "sharpness": 2}  # the power of the factor that each is divided by


@register
class Reparametrisation:
    """Changes weights so that the function stays, and looks at the gradient and the Hessian, in float64.

    Two networks: one hidden layer of ReLU, whose layers trade a factor, and convolutions with batch
    normalisation, all of whose weights but the last layer's are scaled. Each is trained as the base
    says, since at random weights there is nothing to be sharp.

    Args:
        width: units of the hidden layer.
        channels: of the first convolution.
        examples: training examples that are looked at, as one batch.
    """

    NEEDS = ("inputs image", "targets classes", "finite")
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(self, *, width: Count = 30, channels: Count = 4, examples: Count = 500) -> None:
        self.width, self.channels, self.examples = width, channels, examples

    def _plan(self, setting: Setting) -> list[tuple[str, Spec]]:
        models = {
            RELU: Component.of("model", "mlp", width=self.width, depth=1),
            NORMALISED: Component.of("model", "convnet_si", channels=self.channels, depth=2),
        }
        plan = []
        for arm, model in models.items():
            plan += [(arm, spec) for spec in setting.specs(model=model)]
            plan += [(arm + AGAIN, spec) for spec in setting.specs(model=model, init=Fresh(draw=1))]
        return plan

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Both networks and others that start elsewhere, each at several factors."""
        plan = self._plan(setting)
        networks = yield Request(tuple(spec for _, spec in plan))
        findings = Findings()
        for (arm, _), network in zip(plan, networks, strict=True):
            names = [name for name, _ in network.module().named_parameters()]
            scaled = [name for name in names if not name.startswith("last.")]
            factors = (1.0,) if arm.endswith(AGAIN) else BETWEEN if arm == RELU else SCALES
            with exact_arithmetic():
                found = {
                    factor: slopes(network, between_layers(factor), names, self.examples)
                    if arm.startswith(RELU)
                    else slopes(network, times(factor, scaled), scaled, self.examples)
                    for factor in factors
                }
            common: dict[str, Any] = {
                "key": network.key,
                "seed": network.spec.seed,
                "arm": arm,
                "step": network.step,
                "split": "train",
            }
            for factor, seen in found.items():
                moved = (seen.outputs - found[1.0].outputs).abs().max().item()
                values = {name: np.log10(max(getattr(seen, name), 1e-300)) for name in LAWS} | {"moved": moved}
                findings.rows += [
                    common | {"factor": factor, "metric": name, "value": float(value)} for name, value in values.items()
                ]
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """By how many powers of ten derivatives change, network by network."""

        def seen(arm: str, metric: str, factor: float = 1.0) -> dict[int, float]:
            return records.by_seed(table, arm=arm, metric=metric, factor=factor)

        sharper = paired(
            SHARPER,
            seen(RELU, "sharpness", FACTOR),
            seen(RELU, "sharpness"),
            control=[
                no_difference(
                    "networks that differ in their start only", seen(RELU + AGAIN, "sharpness"), seen(RELU, "sharpness")
                ),
                _same_function(seen(RELU, "moved", FACTOR)),
            ],
        )
        conditions = {name: Pairs(INVARIANT, *_lawful(seen, name, FACTOR)) for name in LAWS}
        invariant = decide_all(
            INVARIANT,
            conditions,
            control=[
                no_difference(
                    "networks that differ in their start only",
                    seen(NORMALISED + AGAIN, "gradient"),
                    seen(NORMALISED, "gradient"),
                ),
                _epsilon_shows(*_lawful(seen, "gradient", SCALES[0])),
            ],
            dropped={name: pairs.dropped for name, pairs in conditions.items()},
        )
        return [sharper, invariant]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Sharpness of one function against the factor; and how far derivatives are from the law."""
        picture, (left, right) = figures.canvas(1, 2, height=3.8, width=8.0)
        x, values = records.pivot(table, "factor", arm=RELU, metric="sharpness")
        figures.curve(left, np.log10(x), values, "sharpness")
        left.set(xlabel="log10 of the factor between two layers", ylabel="log10 of the largest eigenvalue")
        for name, power in LAWS.items():
            x, values = records.pivot(table, "factor", arm=NORMALISED, metric=name)
            start = values[:, list(x).index(1.0)][:, None]
            figures.curve(right, np.log10(x), values - start + power * np.log10(x), name)
        right.set(xlabel="log10 of the factor of normalised weights", ylabel="powers of ten beside the law")
        figures.legend(right)
        caption = (
            "Left: the same function of a ReLU network. Right: how far loss, gradient and largest eigenvalue of a "
            "network with batch normalisation are from what scale invariance says; at small weights its epsilon shows. "
            "Means over seeds with 95 % Student intervals."
        )
        yield Figure("derivatives", "Derivatives of one function", caption, picture, table)


def _lawful(seen: Callable[..., Values], name: str, factor: float) -> tuple[Values, Values]:
    """A quantity at a factor, times what the law says it is divided by, and at 1; seed by seed, in powers of ten."""
    law = LAWS[name] * float(np.log10(factor))
    return {seed: value + law for seed, value in seen(NORMALISED, name, factor).items()}, seen(NORMALISED, name)


def _same_function(moved: Values) -> SelfTest:
    largest = max(moved.values())
    return SelfTest(f"outputs change by less than {SAME:g}", largest < SAME, f"largest {largest:.2g}")


def _epsilon_shows(scaled: Values, plain: Values) -> Control:
    """At a thousandth of the weights the epsilon of normalisation is not small: there the law must be seen to fail."""
    estimate = mean_t([scaled[seed] - plain[seed] for seed in plain])
    passed = bool(estimate.high < -INVARIANT.smallest_effect or estimate.low > INVARIANT.smallest_effect)
    name = "at a thousandth of the weights the epsilon of normalisation is seen"
    return Control(name, passed, f"{estimate.low:.2g} to {estimate.high:.2g} powers of ten")
