"""Ensembles: controls of the laws of their NLL; pictures of these, of what else grows with size, and of width."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from expzoo.report import figures
from expzoo.report.figures.figure import Figure
from expzoo.science.controls import Control, SelfTest, no_difference
from expzoo.science.numerics import power_law
from expzoo.science.numerics.calibration import log_softmax
from expzoo.science.numerics.ensembles import pair_gains, true_likelihoods
from expzoo.store import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from jaxtyping import Bool, Real


def halves(arrays: Mapping[str, np.ndarray]) -> Control:
    """What pairs of networks gain over one: as much in one half of the pool as in the other.

    Pairs are disjoint, and a pair of one half is compared with one of the other.
    """
    logits, labels = arrays["logits test"], arrays["labels test"]
    gains = pair_gains(true_likelihoods(log_softmax(logits), labels))
    gains = gains[: len(gains) // 2 * 2]
    first, second = (dict(enumerate(gains[half::2].tolist())) for half in (0, 1))
    return no_difference("pairs of networks gain as much in both halves of the pool (nats)", first, second)


def known_laws(sizes: Real[np.ndarray, " sizes"], outside: Bool[np.ndarray, " sizes"]) -> SelfTest:
    """Curves whose law is known are told apart, and the exponent of 1 / n is found."""
    name = "curves of a known law are recognised"
    if (~outside).sum() < power_law.FEWEST or not outside.any():
        return SelfTest(name, passed=True, detail="too few sizes to be asked")
    made = {form: power_law.example(form)(sizes) for form in power_law.FORMS}
    found = {form: power_law.nearest(sizes, curve, outside) for form, curve in made.items()}
    exponent = float(power_law.exponent(sizes, made["power law"], outside))
    right = all(form == law for form, law in found.items()) and abs(exponent + 1) < 1e-3
    return SelfTest(name, right, f"exponent of 1/n {exponent:.4f}")


def law(table: pl.DataFrame, curves: Mapping[str, str], outside: Bool[np.ndarray, " sizes"]) -> Figure:
    """How far each curve lies above its limit: a power law is a straight line."""
    picture, (axes,) = figures.canvas(height=4.0)
    sizes = records.pivot(table, "size", arm="pool", metric=next(iter(curves)))[0]
    for metric, label in curves.items():
        _, values = records.pivot(table, "size", arm="pool", metric=metric)
        fitted = (~outside).sum() >= power_law.FEWEST and np.isfinite(values[0][~outside]).all()
        fit = power_law.fit(sizes[~outside], values[0][~outside]) if fitted else None
        level = fit.level if fit else 0.99 * min(values[0][np.isfinite(values[0])], default=0.0)
        figures.curve(axes, sizes, values[0] - level, f"{label} (a = {fit.rate:.2f})" if fit else label)
        if fit:
            dense = np.geomspace(sizes[0], sizes[-1], 60)
            axes.plot(dense, fit(dense) - fit.level, color="0.5", linewidth=0.8, linestyle=":", zorder=1)
    if outside.any():
        axes.axvline(sizes[~outside][-1] * 1.1, color="0.6", linewidth=0.8, linestyle="--")
    chosen = records.select(table, arm="pool", metric=list(curves))
    scale = "log" if chosen["value"].is_finite().any() else "linear"  # where all diverged there is nothing to scale
    axes.set(xscale="log", yscale=scale, xlabel="networks in the ensemble", ylabel="above the fitted limit (nats)")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    figures.legend(axes)
    caption = (
        "Means over ensembles drawn from one pool, less the limit c of the law c + b n^a (dotted), which was "
        "fitted to the sizes left of the dashed line and foretells those on its right."
    )
    return Figure("power_law", "NLL against the size of the ensemble", caption, picture, chosen)


def size(table: pl.DataFrame) -> Figure:
    """Accuracy and diversity against size."""
    wanted = {
        "accuracy": "test accuracy (%)",
        "disagreement": "pairs that disagree (%)",
        "gain": "gain over a member (nats)",
    }
    picture, panels = figures.canvas(1, 3, height=3.0, width=8.6)
    for axes, (metric, unit) in zip(panels, wanted.items(), strict=True):
        sizes, values = records.pivot(table, "size", arm="pool", metric=metric)
        shown = slice(1 if metric == "disagreement" else 0, None)
        figures.curve(axes, sizes[shown], values[0][shown], "pool")
        axes.set(xscale="log", xlabel="networks", ylabel=unit)
        axes.set_xticks([1, 2, 4, 8, 16, 32], list(map(str, [1, 2, 4, 8, 16, 32])))
        axes.set_xlim(sizes[0] * 0.9, sizes[-1] * 1.1)
        if metric != "accuracy":
            axes.set_ylim(0, 1.15 * max(values[np.isfinite(values)], default=0.0) or 1)
        axes.minorticks_off()
    caption = (
        "Means over ensembles drawn from one pool: accuracy, pairwise disagreement, and NLL less that of a member."
    )
    chosen = records.select(table, arm="pool", metric=list(wanted))
    return Figure("size", "Accuracy and diversity against the size of the ensemble", caption, picture, chosen)


def width(table: pl.DataFrame) -> Figure:
    """NLL of one network and of an ensemble, calibrated and not, against width."""
    picture, panels = figures.canvas(1, 2, height=3.6, sharey=True)
    chosen = records.select(table, arm="widths")
    for axes, (metric, title) in zip(panels, (("nll", "temperature 1"), ("cnll_after", "calibrated")), strict=True):
        for size in sorted(set(chosen["size"])):
            widths, values = records.pivot(chosen, "width", metric=metric, size=size)
            figures.curve(axes, widths, values[0], f"{size} network{'s' if size > 1 else ''}")
        axes.set(xscale="log", xlabel="width", title=title)
        axes.set_xticks(widths, [str(width) for width in widths])
        axes.minorticks_off()
    panels[0].set_ylabel("test NLL (nats)")
    figures.legend(panels[0])
    caption = "Means over the networks of a pool for each width, and the ensemble of all of them."
    return Figure("width", "One network and an ensemble against width", caption, picture, chosen)
