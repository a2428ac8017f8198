"""Networks that a curve connects: specs of curves and of what they are compared with, the rule, and the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from expzoo.analysis.cohort import Cohort
from expzoo.analysis.studies import paths
from expzoo.report import figures
from expzoo.report.figures.figure import Figure
from expzoo.science.claims import Pairs, decide_all
from expzoo.spec.component import Component

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jaxtyping import Float

    from expzoo.lab.trained import Trained
    from expzoo.science.claims import Claim, Controls
    from expzoo.science.verdicts import Verdict
    from expzoo.spec.spec import Init, Spec

SHARE = 0.1  # of the straight line's rise: less is none
LEAST = {"loss": 0.1, "error": 1.0}  # nats and percentage points: a line that rises by less has no barrier to get round
TRAINED, TESTED = ("loss", "train"), ("error", "test")
SEEN = (TRAINED, TESTED)
UNITS = {TRAINED: "training loss", TESTED: "test error (%)"}
Walks = dict[tuple[str, str], np.ndarray]


def bend(spec: Spec, ends: tuple[Init, Init], steps: int, kind: str = "curve") -> Spec:
    """The spec of a curve between two networks, trained on the data of `spec` in its order."""
    stop = Component.of("stop", "steps", steps=steps)
    return spec.replace(parametrisation=Component.of("parametrisation", kind), fixed=ends, stop=stop)


def along(ends: Sequence[Trained], points: int, path: Trained | None = None) -> Walks:
    """Training loss and test error along a trained path, by default along the straight line between two networks."""
    cohort = Cohort(ends)
    if path is None:
        rows = paths.line(cohort.rows[0], cohort.rows[-1], points)
    else:
        rows = paths.curve(path, ends, points, cohort.dtype)
    return {seen: paths.walk(cohort, rows, *seen) for seen in SEEN}


def rises(walks: Walks, over: Mapping[tuple[str, str], float] | None = None) -> dict[tuple[str, str], float]:
    """How far each walk rises above its higher end, or above other values."""
    if over is None:
        return {seen: paths.barrier(values) for seen, values in walks.items()}
    return {seen: float(walks[seen].max() - value) for seen, value in over.items()}


def connected(
    claim: Claim, curve: Mapping[int, float], line: Mapping[int, float], metric: str, control: Controls
) -> Verdict:
    """Whether a curve rises by less than a tenth of what the straight line does, and that by more than a little.

    Two networks of one valley have no barrier on either, so both must hold, each at the claim's own level.
    """
    tenth = {seed: SHARE * rise for seed, rise in line.items()}
    least = LEAST[metric]
    conditions = {
        "the curve rises by less than a tenth of the line": Pairs(claim, curve, tenth),
        f"the line rises by more than {least:g}": Pairs(claim, dict.fromkeys(line, least), line),
    }
    return decide_all(claim, conditions, control=control)


def picture(name: str, title: str, arrays: Mapping[str, np.ndarray], arms: Sequence[str], caption: str) -> Figure:
    """Both measures along the paths of some arms; `arrays` has `METRIC/ARM` (seeds, points)."""
    canvas, panels = figures.canvas(1, 2, width=8.4, height=3.8)
    rows: list[tuple[Any, ...]] = []
    for axes, (seen, label) in zip(panels, UNITS.items(), strict=True):
        for arm in arms:
            walks: Float[np.ndarray, "seeds points"] = arrays[f"{seen[0]}/{arm}"]
            x = np.linspace(0, 1, walks.shape[1])
            figures.curve(axes, x, walks, arm.replace("_", " "), markers=0)
            rows += [
                (arm, seen[0], seed, float(at), float(value))
                for seed, walk in enumerate(walks)
                for at, value in zip(x, walk, strict=True)
            ]
        axes.set(xlabel="along the path", ylabel=label)
    figures.legend(panels[0])
    data = pl.DataFrame(rows, ["arm", "metric", "seed", "at", "value"], orient="row")
    return Figure(name, title, caption, canvas, data)
