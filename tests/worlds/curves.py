"""Worlds of claims about curves: peaks against size, thresholds, laws, ensembles and splits of a budget."""

from __future__ import annotations

from typing import Any

import numpy as np
from expzoo.plugins.analyses import (
    calibration_and_double_descent,
    deep_ensembles,
    double_descent,
    double_descent_rff,
    memory_split,
    predict_split,
)
from tests.worlds.making import Draw, Made, World, filled, row, table

from expzoo.analysis.studies.interpolation_threshold import every_claim
from expzoo.science.numerics import power_law

AT = 0.55  # where the threshold is, as a share of the sizes


def _descent(sizes: int, tail: float, first: float, shift: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Training and test errors against size: one lowest place, a peak this far above it and above the end.

    A shift, in places from the threshold, is that of a pointed peak.
    """
    x, threshold = np.arange(sizes), AT * (sizes - 1)
    train = np.clip(10 + 15 * (threshold - x), 0, 80)
    valley = max(1, int(threshold) - 2)
    bottom = 30.0
    test = np.where(x < valley, bottom + 8.0 * (valley - x), bottom + 4.0)
    test[valley] = bottom
    if shift is not None:
        return train, bottom + 10 * (x == 0) + np.maximum(20 - 4 * (x - threshold - shift) ** 2, 0)
    test = np.where(np.abs(x - threshold) <= 1, bottom + first, test)
    test = np.where(x > threshold + 1, bottom + first - tail, test)
    return train, test


def descent_world(draw: Draw) -> Made:
    sizes, name, effect = draw.analysis.sizes, draw.claim.name, draw.effect
    rows: list[dict[str, Any]] = []
    for arm, widths in sizes.items():
        for noise in ("noisy", "clean"):
            for metric in ("error", "loss"):
                tail, first, shift = 12.0, 12.0, None
                if name == double_descent.NO_PEAK.name and noise == "clean":
                    first = max(effect, 0.0)
                elif name == double_descent.LOSS_PEAK.name and (noise, metric) == ("clean", "loss"):
                    first = effect
                elif name == double_descent.POSITION.name:
                    shift = effect if arm == "mlp" else 0.0
                elif name in (double_descent.MLP_PEAK.name, double_descent.CNN_PEAK.name):
                    first = effect
                train, test = _descent(len(widths), tail, first, shift)
                deviation = 0.05 if metric == "loss" else 0.5
                for split, curve in (("train", train), ("test", test)):
                    own = {"arm": arm, "noise": noise, "metric": metric, "split": split, "end": True, "draw": 0}
                    cells = [({**own, "parameters": 100 * 2**i}, float(value)) for i, value in enumerate(curve)]
                    rows += filled(draw, cells, deviation if split == "test" else 0.05, deviation)
    same = {"arm": "same_size", "noise": "noisy", "metric": "error", "end": True, "parameters": 1}
    rows += filled(draw, [({**same, "draw": d}, 30.0) for d in range(8)], 0.5, 0.5)
    return table(rows), {}


def features_world(draw: Draw) -> Made:
    ratios, name, rng = np.array(double_descent_rff.RATIOS), draw.claim.name, draw.rng
    beside, far, best = ratios >= 0.5, len(ratios) - 1, int(np.flatnonzero(ratios == 0.5)[0])
    rows = []
    for seed in range(draw.seeds):
        shift = draw.effect if name == double_descent_rff.PEAK.name else 0.0
        tops = np.log2(ratios[beside])
        above = int(np.searchsorted(tops, shift))
        below = max(above - 1, 0) if tops[above] > shift else above
        weight = (shift - tops[below]) / (tops[above] - tops[below]) if above > below else 0.0
        top = int(np.flatnonzero(beside)[above if rng.random() < weight else below])
        height = draw.effect if name == double_descent_rff.PROMINENCE.name else 4.0
        gain = draw.effect if name == double_descent_rff.SECOND_DESCENT.name else -1.0
        losses = np.full(len(ratios), 0.2)
        losses[best], losses[far] = -gain, 0.0
        losses[ratios < 0.5] = 3.0 - gain
        losses[top] = height if top == int(np.flatnonzero(ratios == 1.0)[0]) else max(height, 4.0)
        losses = losses + draw.normal(0.1, len(ratios)) + float(draw.normal(0.3))
        wrong = draw.effect if name == double_descent_rff.SECOND_DESCENT_ERROR.name else -2.0
        errors = np.full(len(ratios), 60.0)
        errors[best], errors[far] = 30.0 - wrong, 30.0
        errors = errors + draw.normal(0.7, len(ratios))
        for index, ratio in enumerate(ratios):
            own = {"ratio": float(ratio), "label_noise": 0.15}
            exact, ridge = own | {"arm": "minimum_norm"}, own | {"arm": "ridge", "metric": "squared_error"}
            rows += [
                row(seed, **exact, metric="squared_error", value=2 ** losses[index]),
                row(seed, **exact, metric="error", value=errors[index]),
                row(seed, **exact, metric="squared_error", split="train", value=0.0 if ratio >= 1 else 0.1),
                row(seed, **ridge, value=0.5),
            ]
    return table(rows), {}


def threshold_world(draw: Draw) -> Made:
    powers = {loss: [1.0, predicted] for loss, predicted in (("nll", 0.0), ("mse", 1.0))}
    parts = draw.claim.name.split("_")
    if "matters" in draw.claim.name:
        powers["mse"][1] = draw.effect
    else:
        powers[parts[1]][parts[2] == "k"] = draw.effect
    rows = []
    for loss, (b, c) in powers.items():
        for n in draw.analysis.sizes:
            for k in draw.analysis.classes:
                own = {"arm": loss, "n": n, "classes": k, "split": "train"}
                noise = draw.normal(0.12, draw.seeds)
                for seed in range(draw.seeds):
                    found = float(np.exp(2 + b * np.log(n) + c * np.log(k) + noise[seed]))
                    metrics = ("threshold_by_loss", "threshold_by_error")
                    rows += [row(seed, **own, metric=metric, value=found) for metric in metrics]
                    rows.append(row(seed, **own | {"split": "test"}, metric="test_loss_peak", value=found))
                    rows.append(row(seed, **own, metric="fits_with_twice_the_steps", value=0.0))
    return table(rows), {}


def mixed(form: power_law.Form, x: np.ndarray, outside: np.ndarray, where: str) -> np.ndarray:
    """A curve that follows the form ("null"), a power law ("beyond"), or one that both miss by as much ("bound")."""
    laws = {name: power_law.example(name)(x) for name in (form, "power law")}
    laws = {name: (curve - curve.min()) / (curve.max() - curve.min()) for name, curve in laws.items()}
    low, high = 0.0, 1.0
    if where != "bound":
        low = high = float(where in ("beyond", "perfect"))
    for _ in range(40 * (where == "bound")):
        middle = (low + high) / 2
        curve = (1 - middle) * laws[form] + middle * laws["power law"]
        low, high = (low, middle) if power_law.excess(form, x, curve, outside) > 0 else (middle, high)
    return 1 + (1 - high) * laws[form] + high * laws["power law"]


def calibration_world(draw: Draw) -> Made:
    widths, claims = np.array(draw.analysis.widths, float), calibration_and_double_descent
    outside = np.arange(len(widths)) >= len(widths) - claims.LARGEST
    falling = power_law.example("power law")(widths)
    bump = np.where(np.arange(len(widths)) == len(widths) // 2, 1.0, 0.0)
    left = {"true labels": 5.0, "noisy labels": 5.0}
    name = draw.claim.name
    if name in (claims.REMOVES_LOSS.name, claims.REMOVES_NOISY_LOSS.name):
        left["true labels" if name == claims.REMOVES_LOSS.name else "noisy labels"] = 100 - draw.effect
    rows = []
    for arm in draw.analysis.arms:
        gap = falling[len(widths) // 2 - 1] - falling[len(widths) // 2]
        height = left[arm] / 100
        after = falling + bump * (gap + height)
        if name == claims.MONOTONE.name and arm == "true labels":
            after = falling + bump * (gap + draw.effect if draw.effect else 0.0)
        if name == claims.FORETELLS.name and arm == "true labels":
            after = mixed("exponential", widths, outside, draw.where)
        curves = {
            "nll": falling + bump * (gap + 1.0),
            "cnll": after,
            "error": 30 + falling,
            "calibrated_error": 30 + falling,
        }
        common = draw.normal(0.05, draw.seeds)
        for metric in ("nll", "cnll"):
            again = {"arm": f"{arm}, {claims.AGAIN}", "width": draw.analysis.middle, "metric": metric, "end": True}
            mean, noise = curves[metric][len(widths) // 2], draw.normal(0.004, draw.seeds)
            rows += [row(seed, **again, value=mean + common[seed] + noise[seed]) for seed in range(draw.seeds)]
        for metric, curve in curves.items():
            noise = draw.normal(0.004, draw.seeds, len(widths)) * (not metric.endswith("error"))
            for seed in range(draw.seeds):
                rows += [
                    row(seed, arm=arm, width=int(width), metric=metric, end=True, value=value)
                    for width, value in zip(widths, curve + common[seed] + noise[seed], strict=True)
                ]
    return table(rows), {}


def ensembles_world(draw: Draw) -> Made:
    """The curve against size is made; each member brings its own error to it, as it does to a pool's."""
    analysis, sizes = draw.analysis, np.array(draw.analysis.sizes, float)
    if draw.claim.name == deep_ensembles.EXPONENT.name:
        curve = 1 + 0.5 * sizes**draw.effect
    else:
        curve = mixed("exponential", sizes, analysis.outside, draw.where)
    own = draw.normal(0.01, draw.seeds, 1) + draw.normal(0.002, draw.seeds, len(sizes))

    def made(members: np.ndarray) -> np.ndarray:
        return curve + own[members.astype(int)].mean(0)

    analysis._curve = analysis._calibrated_curve = lambda arrays: made
    rows = [row(0, arm="pool", metric="nll", value=1.0)]
    pool = {"logits test": draw.normal(1.0, draw.seeds, 50, 2), "labels test": np.zeros(50, np.int64)}
    return table(rows), pool | {"diverged": np.array([0])}


def _split_rows(draw: Draw, cnll: np.ndarray, accuracy: np.ndarray, noise: float) -> Made:
    """Rows of a grid of budgets and parts, from means (budgets, parts)."""
    budgets, parts = draw.analysis.grid.budgets, draw.analysis.grid.parts
    rows: list[dict[str, Any]] = []
    for metric, means, deviation in (("cnll", cnll, noise), ("accuracy", accuracy, 0.5)):
        cells = [
            ({"arm": "split", "budget": b, "parts": k, "metric": metric}, float(means[i, j]))
            for i, b in enumerate(budgets)
            for j, k in enumerate(parts)
        ]
        again = {"arm": "again", "budget": budgets[-1], "parts": 1, "metric": metric}
        rows += filled(draw, [*cells, (again, float(means[-1, 0]))], deviation, deviation)
    return table(rows), {}


def memory_world(draw: Draw) -> Made:
    budgets, parts = (np.log2(values) for values in (draw.analysis.grid.budgets, draw.analysis.grid.parts))
    accuracy = np.full((len(budgets), len(parts)), 70.0)
    growth = 0.3
    if draw.claim.name == memory_split.MORE_FOR_MORE.name:
        growth = draw.effect
    else:
        accuracy[-1, 1:] += draw.effect
    best = parts.mean() + growth * (budgets - budgets.mean())
    return _split_rows(draw, 1 + 0.05 * (parts - best[:, None]) ** 2, accuracy, 0.02)


def predict_world(draw: Draw) -> Made:
    budgets, parts = (np.array(values, float) for values in (draw.analysis.grid.budgets, draw.analysis.grid.parts))
    crossings = np.geomspace(budgets[0] / 2, np.sqrt(budgets[-2] * budgets[-1]), len(parts) - 1)
    limits = -np.concatenate([[0.0], np.cumsum(crossings**-0.5)])  # each crossing makes one more network best
    cnll = 1 + 10 * (limits + np.arange(1, len(parts) + 1) * budgets[:, None] ** -0.5)
    name, last = draw.claim.name, cnll[-1].copy()
    chosen, former = int(last.argmin()), int(cnll[-2].argmin())
    if name == predict_split.FORETELLS_CNLL.name:
        cnll[-1] = last / (1 - draw.effect / 100)
    elif name == predict_split.LITTLE_REGRET.name:
        cnll[-1] = last[chosen] * 1.05
        cnll[-1, chosen - 1] = last[chosen]
        cnll[-1, chosen] = last[chosen] * (1 + max(draw.effect, 0) / 100)
    else:
        cnll[-1] = last[chosen] * 1.3
        cnll[-1, former] = last[chosen] * 1.2
        cnll[-1, chosen] = last[chosen]
        cnll[-1, 0] = last[chosen] / (1 - draw.effect / 100)
    return _split_rows(draw, cnll, np.full(cnll.shape, 70.0), 0.001)


FAST = {"sizes": (1, 2, 3, 4, 6, 8, 12), "fit_up_to": 6, "resamples": 99}
DESCENT = {"widths": (2, 4, 7, 12, 18, 26, 40, 65), "filters": (2, 4, 6, 9, 13, 19, 28, 42)}
THRESHOLDS = every_claim()
WORLDS = [
    *(
        World("double_descent", claim, descent_world, scale, options=DESCENT, null=null)
        for claim, scale, null in (
            (double_descent.MLP_PEAK, 6.0, 0.0),
            (double_descent.CNN_PEAK, 6.0, 0.0),
            (double_descent.NO_PEAK, 5.0, 3.0),
            (double_descent.LOSS_PEAK, 1.0, 0.0),
            (double_descent.POSITION, 2.0, None),
        )
    ),
    *(
        World("double_descent_rff", claim, features_world, scale, seeds=10, null=null)
        for claim, scale, null in (
            (double_descent_rff.PEAK, 0.5, None),
            (double_descent_rff.PROMINENCE, 2.0, 0.2),
            (double_descent_rff.SECOND_DESCENT, 1.0, None),
            (double_descent_rff.SECOND_DESCENT_ERROR, 4.0, None),
        )
    ),
    *(World("interpolation_threshold", claim, threshold_world, 0.5, seeds=5) for claim in THRESHOLDS),
    *(
        World("calibration_and_double_descent", claim, calibration_world, scale, null=null)
        for claim, scale, null in (
            (calibration_and_double_descent.REMOVES_LOSS, 15.0, 20.0),
            (calibration_and_double_descent.REMOVES_NOISY_LOSS, 15.0, 20.0),
            (calibration_and_double_descent.MONOTONE, 0.5, None),
            (calibration_and_double_descent.FORETELLS, 1.0, None),
        )
    ),
    *(
        World("deep_ensembles", claim, ensembles_world, scale, seeds=20, options=FAST)
        for claim, scale in (
            (deep_ensembles.EXPONENT, 0.3),
            (deep_ensembles.FORETELLS_NLL, 1.0),
            (deep_ensembles.FORETELLS_CNLL, 1.0),
        )
    ),
    World("memory_split", memory_split.ENSEMBLE_WINS, memory_world, 2.0),
    World("memory_split", memory_split.MORE_FOR_MORE, memory_world, 0.4),
    World("predict_split", predict_split.FORETELLS_CNLL, predict_world, 4.5, null=15.0),
    World("predict_split", predict_split.LITTLE_REGRET, predict_world, 1.0, null=4.0),
    World("predict_split", predict_split.BEATS_NAIVE, predict_world, 9.0),
]
