"""Are there minima that fit the training data and nothing else, close to where training passes by?"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.study import (
    Claim,
    Component,
    Control,
    Count,
    Estimate,
    Figure,
    Findings,
    Positive,
    Request,
    Rewind,
    clopper_pearson,
    decide,
    exact_arithmetic,
    figures,
    mean_t,
    records,
    register,
    same_rate,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Spec, Trained, Verdict

    Values = Mapping[int, float]

HUANG = (
    "Huang, Emam, Goldblum, Fowl, Terry, Huang & Goldstein, Understanding generalization through visualizations (2019)"
)
NATURAL, POISONED, RELEASED, CONTINUED = "natural", "poisoned", "released", "continued"
FITS, FAILS = 99.0, 60.0  # per cent of the training data at the least, and of held-out data at the most
GRID = 121  # points a side of the picture

BAD = Claim(
    name="huang.minefield_bad_minima",
    statement="From more than nine in ten points of good trajectories, poison leads to weights that are right on 99 % "
    "of the training data and on less than 60 % of held-out data.",
    source=HUANG,
    published="swiss roll 100 % and 8 %, SVHN 100 % and 29 %",
    unit="% of starts",
    smallest_effect=90.0,
    direction="greater",
    rule="Clopper-Pearson",
    note="no poisoned point is among those that are scored",
)
STAY = Claim(
    name="huang.bad_minima_stay",
    statement="In more than nine in ten cases they are still so after as many steps without poison.",
    source=HUANG,
    published="they are called minima",
    unit="% of starts",
    smallest_effect=90.0,
    direction="greater",
    rule="Clopper-Pearson",
    note="of all starts, those from which none was found included",
)
AVOIDED = Claim(
    name="huang.training_avoids_bad_minima",
    statement="Without poison fewer than one training in ten ends at such weights.",
    source=HUANG,
    published="they do not appear in practice",
    unit="% of trainings",
    smallest_effect=0.0,
    reference=10.0,
    direction="less",
    rule="Clopper-Pearson",
)
NEAR = Claim(
    name="huang.bad_minima_are_near",
    statement="Where poison leads to weights that are bad, they are nearer to its start than the trajectory is long.",
    source=HUANG,
    published="nearby, shown as distances by epoch",
    unit="powers of ten of the length",
    smallest_effect=0.0,
    direction="less",
    rule="one-sample t",
)


@register
class Minefield:
    """Trains on as a poisoned problem says from points of good trajectories, and scores what is found on clean data.

    Each seed is one trajectory, of data of its own where members draw them, and one point of it:
    the points of all seeds are spread evenly over their trajectories. From there the network is
    trained on the same data and `poison` further points with wrong labels, all at once, by RMSprop at
    a rate that falls to 0; and as a control without the poison. Then the poison is taken away.

    Args:
        starts: how many points of a trajectory, one for each seed in turn.
        poison: points with wrong labels, which are in no split that is scored.
        steps: of the training with poison.
        lr: its learning rate.
    """

    NEEDS = ("inputs vector", "targets classes", "finite", "dataset.poison", "dataset.order", "stop=steps")
    HOME = ("dataset=two_spirals|swiss_roll",)
    CACHE_VERSION = 1
    RULES_VERSION = 2  # 2: distances are of bad weights; trainings that fit nothing avoid nothing

    def __init__(self, *, starts: Count = 10, poison: Count = 134, steps: Count = 20000, lr: Positive = 0.001) -> None:
        self.starts, self.poison, self.steps, self.lr = starts, poison, steps, lr

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Every trajectory, and the three trainings from a point of it."""
        total = setting.base.stop.shared.at_most
        points = sorted({max(round(total * (index + 1) / self.starts), 1) for index in range(self.starts)})
        natural = setting.specs()
        starts = [points[index % len(points)] for index in range(len(natural))]
        arms = {NATURAL: natural, POISONED: [], RELEASED: [], CONTINUED: []}
        for spec, start in zip(natural, starts, strict=True):
            poisoned = self._onward(spec, Rewind(spec, start), setting.rate, self.poison)
            arms[POISONED].append(poisoned)
            arms[RELEASED].append(self._onward(spec, Rewind(poisoned, "final"), setting.rate))
            arms[CONTINUED].append(self._onward(spec, Rewind(spec, start), setting.rate))
        later = tuple(spec for arm, specs in arms.items() if arm != NATURAL for spec in specs)
        found = yield Request(tuple(natural), steps=(0, *points)) + Request(later)
        networks = dict(zip(arms, np.array(found, object).reshape(len(arms), -1).tolist(), strict=True))
        findings = Findings()
        for arm, members in networks.items():
            for network, start in zip(members, starts, strict=True):
                findings.rows += self._rows(network, arm, start)
        for network, origin, start in zip(networks[POISONED], networks[NATURAL], starts, strict=True):
            findings.rows.append(
                _row(network, POISONED, start, "distance", "", _distance(network, origin, start, points))
            )
        if not setting.asked_again:
            findings.arrays = _picture({arm: members[0] for arm, members in networks.items()})
        return findings

    def _onward(self, spec: Spec, init: Rewind, rate: float, poison: int = 0) -> Spec:
        """The training from other weights, on all examples at once."""
        return spec.replace(
            init=init,
            dataset={"poison": poison, "order": "full"},
            optimizer=Component.of("optimizer", "rmsprop", lr=rate * self.lr),
            schedule=Component.of("schedule", "cosine"),
            stop=Component.of("stop", "steps", steps=self.steps),
        )

    def _rows(self, network: Trained, arm: str, start: int) -> Iterator[dict[str, Any]]:
        for split in ("train", "test"):
            yield _row(network, arm, start, "accuracy", split, _accuracy(network, split))

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """How often weights are bad, and how far they lie."""
        bad = {arm: _bad(table, arm) for arm in (NATURAL, POISONED, RELEASED, CONTINUED)}
        alone = _rate(bad[CONTINUED])
        clean = Control(
            "the same training without poison mostly finds no bad minimum",
            alone.effect < 50,
            f"{alone.effect:.3g} % do",
        )
        natural = [seen >= FITS for seen in _accuracies(table, NATURAL, "train").values()]
        fits = Control(  # what does not fit the training data is no bad minimum, nor a good one
            "more than half of the trainings without poison are right on 99 % of the training data",
            2 * sum(natural) > len(natural),
            f"{sum(natural)} of {len(natural)} are",
        )
        stays = {seed: bad[POISONED][seed] * bad[RELEASED][seed] for seed in bad[POISONED]}
        verdicts = [
            decide(claim, _rate(seen), control=[*own, same_rate("every second seed against the others", seen)])
            for claim, seen, own in (
                (BAD, bad[POISONED], [clean]),
                (STAY, stays, [clean]),
                (AVOIDED, bad[NATURAL], [clean, fits]),
            )
        ]
        apart = records.by_seed(table, arm=POISONED, metric="distance")
        found = np.array([distance for seed, distance in apart.items() if bad[POISONED][seed]])
        missing = len(apart) - len(found)
        return [*verdicts, decide(NEAR, mean_t(np.log10(found)), control=clean, missing=missing)]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """The regions of both classes at good and at bad weights; and both accuracies of every network."""
        if arrays:
            picture, panels = figures.canvas(1, 2, height=4.2, width=8.0)
            for axes, arm in zip(panels, (NATURAL, POISONED), strict=True):
                _regions(axes, arrays, arm)
            caption = (
                "What networks of the first seed say in the plane, blue for one class, orange for the other, and the "
                "training points. Left: trained as usual. Right: trained on from the same trajectory with poison, "
                "crosses, whose labels are wrong."
            )
            shown = records.select(table, arm=[NATURAL, POISONED], seed=min(table["seed"]))
            yield Figure("regions", "Decision regions of a good and of a bad minimum", caption, picture, shown)
        picture, (axes,) = figures.canvas(height=3.8)
        for index, arm in enumerate((NATURAL, CONTINUED, POISONED, RELEASED)):
            values = [list(_accuracies(table, arm, split).values()) for split in ("train", "test")]
            figures.bars(axes, ["training data", "held-out data"], np.array(values).T, arm, position=(index, 4))
        axes.axhline(FAILS, color="0.6", linewidth=0.8, linestyle=":")
        axes.set_ylabel("accuracy (%)")
        figures.legend(axes)
        caption = (
            "Natural: trained as usual. From a point of that training: continued on the same data, poisoned, and "
            "released, which is trained on from there without poison. Dots are seeds; bad is 99 % of the training data "
            "and less than the dotted line of held-out data."
        )
        yield Figure("accuracies", "Accuracy on clean data", caption, picture, records.select(table, metric="accuracy"))


def _row(network: Trained, arm: str, start: int, metric: str, split: str, value: float) -> dict[str, Any]:
    """A row; `start` is the step of the trajectory that was left."""
    row = {"key": network.key, "seed": network.spec.seed, "arm": arm, "step": network.step, "split": split}
    row |= {"metric": metric, "value": value, "start": start}
    return row | ({"diverged": True} if network.diverged else {})


def _accuracy(network: Trained, split: str) -> float:
    """Per cent of a split, without its poison, which comes last; chance for a network that diverged."""
    if network.diverged:
        return network.worst("accuracy")
    data = network.datasets(network.spec.dataset).split(split, network.spec.seed)
    clean = len(data) - (network.spec.dataset.option("poison", int) if split == "train" else 0)
    return float(100 * np.mean(_classes(network, data.x[:clean]) == data.y[:clean]))


def _classes(network: Trained, x: np.ndarray) -> np.ndarray:
    """What a network says of points (n, inputs)."""
    import torch

    with torch.no_grad(), exact_arithmetic():
        return network.module()(torch.tensor(x)).argmax(1).numpy()


def _distance(network: Trained, origin: Trained, start: int, points: Sequence[int]) -> float:
    """How far it went from its start, by the length of the whole trajectory from point to point; NaN if it diverged."""
    if network.diverged or origin.diverged:
        return float("nan")
    rows = [origin.row(step).astype(np.float64) for step in (0, *points)]
    length = sum(np.linalg.norm(after - before) for before, after in pairwise(rows))
    return float(np.linalg.norm(network.row().astype(np.float64) - origin.row(start)) / length)


def _accuracies(table: pl.DataFrame, arm: str, split: str) -> dict[int, float]:
    return records.by_seed(table, arm=arm, metric="accuracy", split=split)


def _bad(table: pl.DataFrame, arm: str) -> dict[int, float]:
    """1 for each seed whose network fits the training data and fails elsewhere, else 0."""
    seen, unseen = (_accuracies(table, arm, split) for split in ("train", "test"))
    return {seed: float(seen[seed] >= FITS and unseen[seed] < FAILS) for seed in seen}


def _rate(outcomes: Values) -> Estimate:
    return clopper_pearson(int(sum(outcomes.values())), len(outcomes)).scaled(100)


def _picture(networks: Mapping[str, Trained]) -> dict[str, np.ndarray]:
    """What networks of one seed say on a grid over the training points, which are kept with their poison."""
    poisoned = networks[POISONED]
    data = poisoned.datasets(poisoned.spec.dataset).split("train", poisoned.spec.seed)
    if data.x.shape[1] != 2:
        return {}
    reach = 1.15 * float(np.abs(data.x).max())
    side = np.linspace(-reach, reach, GRID, dtype=np.float32)
    plane = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    wrong = np.arange(len(data)) >= len(data) - poisoned.spec.dataset.option("poison", int)
    arrays = {"side": side, "x": data.x, "y": data.y, "wrong": wrong.astype(np.int64)}
    shown = {arm: networks[arm] for arm in (NATURAL, POISONED)}
    return arrays | {f"said/{arm}": _classes(one, plane).reshape(GRID, GRID) for arm, one in shown.items()}


def _regions(axes: Any, arrays: Mapping[str, np.ndarray], arm: str) -> None:
    side, x, y, wrong = (np.asarray(arrays[name]) for name in ("side", "x", "y", "wrong"))
    axes.contourf(side, side, arrays[f"said/{arm}"], levels=[-0.5, 0.5, 1.5], colors=["#cfe3f7", "#f3d9c9"])
    for label, colour in enumerate(("#1f5fa8", "#b4501e")):
        own = (y == label) & (wrong == 0)
        axes.plot(*x[own].T, ".", color=colour, markersize=4)
        if arm == POISONED:
            axes.plot(*x[(y == label) & (wrong == 1)].T, "x", color=colour, markersize=3.5)
    axes.set(title=arm, xticks=[], yticks=[], aspect="equal")
