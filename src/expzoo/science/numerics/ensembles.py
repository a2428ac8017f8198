"""Ensembles drawn from one pool of networks: predictions averaged, curves against their size, temperature.

`pool` is log-probabilities or logits in float64. Lakshminarayanan, Pritzel & Blundell 2017, "Deep
ensembles", section 2.4; Ashukha et al. 2020, "Pitfalls of in-domain uncertainty estimation",
section 4; Lobacheva et al. 2020, "On power laws in deep ensembles", section 3.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import numpy as np

from expzoo.science.numerics.calibration import HOTTEST, fit_temperature, log_softmax, nll
from expzoo.system.randomness import permutation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jaxtyping import Float, Int

_TINY = float(np.finfo(np.float64).tiny)
When = Literal["before", "after"]
"""Whether a temperature divides the members' logits, or the logarithm of their averaged probabilities."""


def average(pool: Float[np.ndarray, " members *rest"]) -> Float[np.ndarray, "*rest"]:
    """The logarithm of the mean over members of the probabilities of log-probabilities."""
    highest = pool.max(0)
    return highest + np.log(np.exp(pool - highest).mean(0))


def fit_before(logits: Float[np.ndarray, "members n classes"], labels: Int[np.ndarray, " n"]) -> float:
    """The temperature of all members' logits at which their average is likeliest.

    The likelihood of an average need not have one maximum in log T: the best of a coarse grid, then a bounded search.
    """
    from scipy.optimize import minimize_scalar

    def error(log_t: float) -> float:
        return nll(average(log_softmax(logits, np.exp(log_t))), labels)

    grid = np.linspace(-np.log(HOTTEST), np.log(HOTTEST), 13)
    best = int(np.argmin([error(log_t) for log_t in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    return float(np.exp(minimize_scalar(error, bounds=(low, high), method="bounded", options={"xatol": 1e-4}).x))


def calibrated(
    logits: Float[np.ndarray, "members n classes"],
    validation: Float[np.ndarray, "members validation classes"],
    labels: Int[np.ndarray, " validation"],
    when: When,
) -> Float[np.ndarray, "n classes"]:
    """Log-probabilities of an ensemble's logits, its temperature fitted on validation data."""
    if when == "before":
        return average(log_softmax(logits, fit_before(validation, labels)))
    temperature = fit_temperature(average(log_softmax(validation)), labels)
    return log_softmax(average(log_softmax(logits)), temperature)


def disagreement(pool: Float[np.ndarray, "members n classes"]) -> float:
    """How often two members predict different classes, in percent, over all pairs."""
    votes = pool.argmax(-1)
    members, classes = len(votes), pool.shape[-1]
    counts = np.stack([(votes == k).sum(0) for k in range(classes)]).astype(np.float64)
    agreeing = (counts * (counts - 1)).sum(0) / (members * (members - 1))
    return float(100 * (1 - agreeing.mean()))


def subsets(members: int, size: int, draws: int) -> Int[np.ndarray, "ensembles size"]:
    """Ensembles of `size` members without replacement. Each order of the pool is cut into some.

    There are `draws` orders, so all of members // size * draws ensembles; an ensemble of one is every member once.
    """
    count = members // size
    chosen = [permutation(0, "ensemble", draw, members) for draw in range(1 if size == 1 else draws)]
    return np.concatenate([order[: count * size].reshape(count, size) for order in chosen])


def nll_curve(
    likelihoods: Float[np.ndarray, "members n"], sizes: Sequence[int], draws: int
) -> Float[np.ndarray, " sizes"]:
    """The NLL of ensembles of each size, averaged over `subsets` of the pool, NaN where it holds none.

    `likelihoods` are the probabilities of the true classes, all that an average's NLL depends on.
    """
    curve = []
    for size in sizes:
        chosen = subsets(len(likelihoods), size, draws)
        errors = [-np.log(likelihoods[members].mean(0)).mean() for members in chosen]
        curve.append(np.mean(errors) if errors else np.nan)
    return np.array(curve)


def true_likelihoods(
    log_probabilities: Float[np.ndarray, "members n classes"], labels: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "members n"]:
    """The probability of the true class by each member."""
    return np.exp(np.take_along_axis(log_probabilities, labels[None, :, None], 2)[:, :, 0])


def pair_gains(likelihoods: Float[np.ndarray, "members n"]) -> Float[np.ndarray, " pairs"]:
    """By how many nats the NLL of two averaged members is below the mean of theirs: members 0 and 1, 2 and 3, ..."""
    least = np.maximum(likelihoods, np.finfo(np.float64).tiny)
    pairs = least[: len(least) // 2 * 2].reshape(-1, 2, least.shape[-1])
    return np.log(pairs.mean(1)).mean(-1) - np.log(pairs).mean((1, 2))


def key_of(keys: Sequence[str]) -> str:
    """A key of an ensemble, 64 hexadecimal digits, from those of its members in any order."""
    return hashlib.sha256("/".join(sorted(keys)).encode()).hexdigest()


def calibrated_curve(
    shares: Mapping[str, Float[np.ndarray, "members _ classes"]],
    labels: Mapping[str, Int[np.ndarray, " _"]],
    sizes: Sequence[int],
    most: int,
) -> Float[np.ndarray, " sizes"]:
    """As `nll_curve`, of averages calibrated afterwards, of at most so many ensembles of each size.

    `shares` are the members' probabilities on the splits validation and test, with their labels.
    """
    curve = []
    for size in sizes:
        found = []
        for members in subsets(len(shares["test"]), size, 1)[:most]:
            means = {split: np.log(values[members].mean(0) + _TINY) for split, values in shares.items()}
            found.append(nll(calibrated_mean(means, labels["validation"]), labels["test"]))
        curve.append(float(np.mean(found)))
    return np.array(curve)


def calibrated_mean(
    means: Mapping[str, Float[np.ndarray, "_ classes"]], labels: Int[np.ndarray, " validation"]
) -> Float[np.ndarray, "test classes"]:
    """Averaged log-probabilities of the split test at the temperature fitted to those of the split validation."""
    return log_softmax(means["test"], fit_temperature(means["validation"], labels))
