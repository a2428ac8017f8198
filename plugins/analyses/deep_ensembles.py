"""How does an ensemble of networks improve with its size, and does a power law say how?"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from expzoo.analysis.studies import ensembles as studies
from expzoo.study import (
    Claim,
    Count,
    Findings,
    Measure,
    Predictions,
    Range,
    Request,
    Unfit,
    bca,
    calibration,
    decide,
    decide_all,
    ensembles,
    no_interval,
    power_law,
    register,
    size_of,
)

if TYPE_CHECKING:
    import polars as pl
    from jaxtyping import Float

    from expzoo.study import Estimate, Estimator, Figure, Setting, Trained, Verdict

LOBACHEVA = "Lobacheva, Chirkova, Kodryan & Vetrov, On power laws in deep ensembles (2020)"
CURVES = {
    "nll": "NLL, temperature 1",
    "cnll_before": "CNLL, temperature before averaging",
    "cnll_after": "CNLL, temperature after averaging",
}

SCORES = (*CURVES, "accuracy", "disagreement", "gain")

EXPONENT = Claim(
    name="lobacheva.power_law_ensemble_size",
    statement="At a fixed temperature the NLL of an ensemble falls to its limit as one over the number of networks.",
    source=f"{LOBACHEVA}, section 4",
    published="c + b n^a; -1 by theory for large n",
    unit="exponent",
    smallest_effect=0.2,
    direction="equivalent",
    rule="BCa bootstrap",
    reference=-1.0,
    note="bootstrap over the members of one pool; fitted to the smaller sizes only",
)
_FORETELLS: dict[str, Any] = {
    "source": f"{LOBACHEVA}, section 4",
    "published": "fits and predictions shown as figures",
    "unit": "% of the gain over one network",
    "smallest_effect": 0.0,
    "direction": "greater",
    "rule": "BCa bootstrap",
    "note": "how much further the other law misses sizes beyond those it was fitted to; bootstrap over members",
}
FORETELLS_NLL = Claim(
    name="lobacheva.power_law_foretells_nll",
    statement="Fitted to small ensembles, a power law is nearer to the NLL of larger ones than other laws are.",
    **_FORETELLS,
)
FORETELLS_CNLL = Claim(
    name="lobacheva.power_law_foretells_calibrated_nll",
    statement="It is so for the NLL of ensembles whose averaged prediction is calibrated, too.",
    **_FORETELLS,
)


@register
class DeepEnsembles:
    """Ensembles of all sizes from one pool of networks that differ in initialisation and order only.

    Every number is a mean over ensembles drawn from the pool without replacement; the uncertainty
    is that of the members, not of the draws. The dataset needs draw=frozen.

    Args:
        sizes: of ensembles, increasing, the first of them 1.
        fit_up_to: laws are fitted to sizes up to this one and judged by the larger ones.
        draws: random orders of the pool, each of which is cut into ensembles.
        most: ensembles of each size for which temperatures are fitted.
        resamples: of the members, for intervals.
        widths: networks of these widths, or other sizes of the model, are pooled as well, for the
            picture against width.
        width_pool: how many networks of each of these widths.
    """

    NEEDS = ("targets classes", "split validation")
    CACHE_VERSION = 2
    RULES_VERSION = 2  # 2: two halves of the pool are compared

    def __init__(
        self,
        *,
        sizes: tuple[Count, ...] = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32),
        fit_up_to: Count = 8,
        draws: Annotated[int, Range(1, 1000)] = 3,
        most: Annotated[int, Range(1, 1000)] = 16,
        resamples: Annotated[int, Range(1, 100_000)] = 399,
        widths: tuple[Count, ...] = (),
        width_pool: Annotated[int, Range(1, 10_000)] = 8,
    ) -> None:
        if sizes[:1] != (1,) or any(a >= b for a, b in pairwise(sizes)):
            raise ValueError(f"sizes {list(sizes)} must start with 1 and increase")
        self.sizes = sizes
        self.draws = draws
        self.most = most
        self.resamples = resamples
        self.widths, self.width_pool = widths, width_pool
        self.outside = np.array(sizes) > fit_up_to

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """The pool, and smaller pools of other widths; ensembles are made of what they predict."""
        if dict(setting.base.dataset.options).get("draw") == "member":
            raise Unfit("it needs networks that see the same data: give dataset.draw=frozen")
        if len(setting.seeds) <= self.sizes[-1]:
            raise Unfit(
                f"population.size {len(setting.seeds)}: intervals of ensembles of {self.sizes[-1]} networks need a "
                f"pool of one more: give population.size={self.sizes[-1] + 1} or smaller "
                "analysis.deep_ensembles.sizes=[...]"
            )
        pool = setting.specs()
        sized = [setting.sized(width) for width in self.widths]
        thinner = [thin.replace(seed=seed) for thin in sized for seed in setting.seeds[: self.width_pool]]
        networks = yield Request((*pool, *thinner), (Measure("accuracy", "test"), Measure("nll", "test")))
        own, predictions, findings = networks[: len(pool)], Predictions(), Findings()
        whole = np.array([not network.diverged for network in own])
        logits = {split: predictions.pool(own, split)[whole] for split in ("validation", "test")}
        labels = {split: predictions.labels(own[0], split) for split in logits}
        findings.rows = self._sized_rows(own, logits, labels)
        for start in range(len(pool), len(networks), step := min(self.width_pool, len(pool))):
            part = [network for network in networks[start : start + step] if not network.diverged]
            findings.rows += self._width_rows(part, predictions) if part else []
        findings.arrays = {f"logits {split}": values.astype(np.float32) for split, values in logits.items()}
        findings.arrays |= {f"labels {split}": values for split, values in labels.items()}
        findings.arrays["diverged"] = np.array([int((~whole).sum())])
        return findings

    def _sized_rows(
        self, networks: Sequence[Trained], logits: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]
    ) -> list[dict[str, Any]]:
        """Every curve against the size of the ensemble, and the diversity of its members."""
        likelihoods = ensembles.true_likelihoods(calibration.log_softmax(logits["test"]), labels["test"])
        curve = ensembles.nll_curve(likelihoods, self.sizes, self.draws)
        rows = []
        for size, whole in zip(self.sizes, curve, strict=True):
            chosen = ensembles.subsets(len(likelihoods), size, self.draws)[: self.most]
            means = _means([_scores(logits, labels, members) for members in chosen])
            rows += _rows(networks, "pool", means | {"nll": float(whole)}, size=size)
        return rows

    def _width_rows(self, networks: Sequence[Trained], predictions: Predictions) -> list[dict[str, Any]]:
        """One network and the whole of a small pool, against the width."""
        logits = {split: predictions.pool(networks, split) for split in ("validation", "test")}
        labels = {split: predictions.labels(networks[0], split) for split in logits}
        rows, width = [], size_of(networks[0].spec)
        for size in sorted({1, len(networks)}):
            members = np.arange(len(networks)).reshape(-1, size)
            means = _means([_scores(logits, labels, some) for some in members])
            rows += _rows(networks, "widths", means, size=size, width=width)
        return rows

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Laws fitted to small ensembles, with members resampled.

        Ensembles of all sizes are of one pool, so that none of them caused a divergence.
        """
        control = [studies.halves(arrays), studies.known_laws(np.array(self.sizes), self.outside)]
        diverged = int(arrays["diverged"][0])
        plain, calibrated = self._curve(arrays), self._calibrated_curve(arrays)
        others: list[power_law.Form] = ["exponential", "logarithm"]
        quick: dict[str, Estimator] = {}
        slow: dict[str, Estimator] = {}
        for form in others:
            quick[form] = self._estimator(arrays, plain, partial(power_law.excess, form))
            slow[form] = self._estimator(arrays, calibrated, partial(power_law.excess, form), slow=True)
        return [
            decide(
                EXPONENT,
                self._estimator(arrays, plain, power_law.exponent)(level=EXPONENT.level),
                control=control,
                missing=diverged,
            ),
            decide_all(FORETELLS_NLL, quick, control=control, missing=dict.fromkeys(quick, diverged)),
            decide_all(FORETELLS_CNLL, slow, control=control, missing=dict.fromkeys(slow, diverged)),
        ]

    def _estimator(
        self,
        arrays: Mapping[str, np.ndarray],
        curve: Callable[[np.ndarray], np.ndarray],
        statistic: Callable[..., Float[np.ndarray, " curves"]],
        *,
        slow: bool = False,
    ) -> Estimator:
        """A statistic of a curve, with the bootstrap over the members of the pool."""
        sizes, members = np.array(self.sizes, np.float64), len(arrays["logits test"])
        kept: dict[bytes, np.ndarray] = {}

        def of(chosen: np.ndarray) -> Float[np.ndarray, " resamples"]:
            for members in chosen:
                if members.tobytes() not in kept:  # the same resamples at every level and for every law
                    kept[members.tobytes()] = curve(members)
            return statistic(sizes, np.stack([kept[members.tobytes()] for members in chosen]), self.outside)

        def estimate(*, level: float) -> Estimate:
            few = (~self.outside).sum() < power_law.FEWEST or not self.outside.any()
            if few or members <= self.sizes[-1]:  # the acceleration of BCa leaves one member out
                return no_interval(float("nan"), members, level, "BCa bootstrap")
            draws = max(self.resamples // 4, 1) if slow else self.resamples
            return bca(np.arange(members), of, level=level, draws=draws, vectorized=True)

        return estimate

    def _curve(self, arrays: Mapping[str, np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        """The NLL at temperature 1 against size, of a pool of these members."""
        likelihoods = ensembles.true_likelihoods(calibration.log_softmax(arrays["logits test"]), arrays["labels test"])

        def curve(members: np.ndarray) -> np.ndarray:
            return ensembles.nll_curve(likelihoods[members.astype(np.int64)], self.sizes, self.draws)

        return curve

    def _calibrated_curve(self, arrays: Mapping[str, np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        """As `_curve`, of the averaged prediction at its own temperature."""
        shares = {split: np.exp(calibration.log_softmax(arrays[f"logits {split}"])) for split in ("validation", "test")}

        def curve(members: np.ndarray) -> np.ndarray:
            return ensembles.calibrated_curve(
                {split: probabilities[members.astype(np.int64)] for split, probabilities in shares.items()},
                {split: arrays[f"labels {split}"] for split in shares},
                self.sizes,
                max(self.most // 4, 2),
            )

        return curve

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Curves and the fitted law on logarithmic axes; what else grows with size; and width, if it was asked for."""
        yield studies.law(table, CURVES, self.outside)
        yield studies.size(table)
        if "widths" in set(table["arm"]):
            yield studies.width(table)


def _scores(
    logits: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], members: np.ndarray
) -> dict[str, float]:
    """Everything that is measured of one ensemble of a pool's members."""
    own, truth = {split: values[members] for split, values in logits.items()}, labels["test"]
    shares = calibration.log_softmax(own["test"])
    mean = ensembles.average(shares)
    error = calibration.nll(mean, truth)
    scores = {"nll": error, "accuracy": float(100 * (mean.argmax(1) == truth).mean())}
    for when in ("before", "after"):
        calibrated = ensembles.calibrated(own["test"], own["validation"], labels["validation"], when)
        scores[f"cnll_{when}"] = calibration.nll(calibrated, truth)
    scores["disagreement"] = ensembles.disagreement(shares) if len(members) > 1 else 0.0
    scores["gain"] = float(np.mean([calibration.nll(share, truth) for share in shares])) - error
    return scores


def _means(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of ensembles of one size; NaN if too many networks diverged for there to be any."""
    return {metric: float(np.mean([one[metric] for one in scores])) if scores else np.nan for metric in SCORES}


def _rows(networks: Sequence[Trained], arm: str, values: Mapping[str, float], **varied: int) -> list[dict[str, Any]]:
    first = networks[0]
    key = ensembles.key_of([network.key for network in networks])
    common = {"key": key, "seed": first.spec.seed, "arm": arm, "step": first.step, "split": "test", **varied}
    return [common | {"metric": metric, "value": value} for metric, value in values.items()]
