"""Is training destabilised again and again where batch normalisation meets weight decay?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.study import (
    Claim,
    Count,
    Figure,
    Findings,
    Fresh,
    Positive,
    Request,
    SelfTest,
    Unfit,
    exact_arithmetic,
    figures,
    no_difference,
    paired,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Trained, Verdict

LOBACHEVA = (
    "Lobacheva, Kodryan, Chirkova, Malinin & Vetrov, On the periodic behavior of neural network training with batch "
    "normalization and weight decay (2021)"
)
DECAY, NONE = "weight decay", "none"
AGAIN = "weight decay again"  # from other starts: the control whose right answer is no difference
LOSS, RATE, COUNT, DOUBLED = "training_loss", "effective_rate", "destabilisations", "doubled"
SAME = 0.01  # relative: epsilon of batch normalisation is 1e-5, the variances that it meets at the start some 0.1

PERIODIC = Claim(
    name="lobacheva.periodic_behaviour",
    statement="With weight decay, training at a constant rate is destabilised more than once, and more than once more "
    "often than without.",
    source=LOBACHEVA,
    published="ConvNetSI on CIFAR-10: again and again over 1001 epochs, shown as curves",
    unit="destabilisations",
    smallest_effect=1.0,  # one alone is no period
    direction="greater",
    rule="paired t",
    note="counted where the training loss of an epoch, once below 0.01 nats, is above 0.1, unless set otherwise",
)


@register
class PeriodicBehaviour:
    """Trains a scale-invariant network with weight decay and without, and counts how often its training loss jumps.

    A destabilisation is a passage of the mean training loss of an epoch from below `below` to above
    `factor` times that. Weight decay shrinks the weights, which a scale-invariant network feels as
    a growing effective learning rate, lr / |w|^2, until a step throws it out; the large gradient
    there makes the weights long again. That the network is scale-invariant is a control: the
    weights that are trained, doubled, must give the same outputs.

    Args:
        below: training loss, in nats, below which a network counts as fitted.
        factor: how much the loss must rise from there.
        looks: how often the length of the weights is looked at.
    """

    NEEDS = ("finite", "schedule=constant", "optimizer.lr")
    CACHE_VERSION = 3  # 3: weight decay from other starts too

    def __init__(self, *, below: Positive = 0.01, factor: Positive = 10.0, looks: Count = 100) -> None:
        if factor <= 1:
            raise ValueError(f"factor {factor:g} is not above 1: the loss must rise")
        self.below, self.above, self.looks = below, factor * below, looks

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Two arms, and the first from other starts, one network a seed in each."""
        options = dict(setting.base.optimizer.options)
        if not options.get("weight_decay"):
            name = setting.base.optimizer.name
            with_decay = "set optimizer.weight_decay above 0" if "weight_decay" in options else "give optimizer=sgd"
            raise Unfit(f"it needs weight decay, and optimizer={name} has none: {with_decay}")
        arms = {DECAY: options["weight_decay"], NONE: 0.0}
        plan = [(arm, s) for arm, decay in arms.items() for s in setting.specs(optimizer={"weight_decay": decay})]
        plan += [(AGAIN, spec.replace(init=Fresh(draw=1))) for arm, spec in plan if arm == DECAY]
        total = setting.base.stop.shared.at_most
        steps = tuple(sorted({total * look // self.looks for look in range(self.looks)}))
        networks = yield Request(tuple(spec for _, spec in plan), measures=(), steps=steps)
        findings = Findings()
        for (arm, _), network in zip(plan, networks, strict=True):
            findings.rows += self._rows(network, arm, steps)
        return findings

    def _rows(self, network: Trained, arm: str, steps: Sequence[int]) -> Iterator[dict[str, Any]]:
        data = network.datasets(network.spec.dataset)
        epoch = max(len(data.split("train", network.spec.seed)) // data.batch_size, 1)
        common = {"key": network.key, "seed": network.spec.seed, "arm": arm, "split": "train"}
        losses = network.losses[: len(network.losses) // epoch * epoch].reshape(-1, epoch).mean(1)
        first = network.losses[:1] if len(network.losses) else [np.nan]  # one batch, before any step
        for index, loss in enumerate([*first, *losses]):
            yield common | {"step": index * epoch, "metric": LOSS, "value": float(loss), "epoch": float(index)}
        number = len(crossings(losses, self.below, self.above))
        number = float("nan") if network.diverged or not len(losses) else float(number)
        yield common | {"step": network.step, "metric": COUNT, "value": number}
        moved = network.row() != network.row(0)
        trained = moved if moved.any() else np.full_like(moved, fill_value=True)
        for step in steps:
            if network.has_row(step):
                square = float(np.square(network.row(step)[trained], dtype=np.float64).sum())
                rate = network.spec.optimizer.option("lr", float) / square if square else float("nan")
                yield common | {"step": step, "metric": RATE, "value": rate, "epoch": step / epoch}
        yield common | {"step": 0, "metric": DOUBLED, "value": change_when_doubled(network, data)}

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """How many destabilisations weight decay adds, in pairs."""
        change = float(np.max(records.select(table, metric=DOUBLED)["value"].to_numpy()))
        detail = f"outputs change by {change:.2g} of the largest, at most {SAME:g} is allowed"
        scale = SelfTest("the trained weights doubled give the same outputs", change <= SAME, detail)
        counts = {arm: records.by_seed(table, arm=arm, metric=COUNT) for arm in (DECAY, NONE, AGAIN)}
        starts = "weight decay destabilises networks from other starts as often"
        control = [no_difference(starts, counts[AGAIN], counts[DECAY]), scale]
        verdict = paired(PERIODIC, counts[DECAY], counts[NONE], control=control)
        epochs = max(int(epoch) for epoch in records.select(table, metric=LOSS)["epoch"].to_list())
        return [replace(verdict, note=f"{verdict.note}; in {epochs} epochs, published in 1001")]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """The loss and the effective learning rate of the first seed over time, and how often each seed jumps."""
        seed = min(table["seed"])
        picture, (upper, lower) = figures.canvas(2, 1, height=5.2, width=8.0, sharex=True)
        for axes, metric in ((upper, LOSS), (lower, RATE)):
            for arm in (DECAY, NONE):
                epochs, values = records.pivot(table, "epoch", arm=arm, metric=metric, seed=seed)
                figures.curve(axes, epochs, values[0], arm, markers=1)
            axes.set_yscale("log")
        for level in (self.below, self.above):
            upper.axhline(level, color="0.6", linewidth=0.8, linestyle=":")
        upper.set_ylabel("training loss (nats)")
        lower.set(xlabel="epoch", ylabel="lr / |w|²")
        figures.legend(upper)
        caption = (
            "One seed. A destabilisation is a passage from below the lower dotted line to above the upper one; below, "
            "the learning rate that a scale-invariant network feels."
        )
        chosen = records.select(table, metric=[LOSS, RATE], seed=seed)
        yield Figure("loss", "Training loss and effective learning rate", caption, picture, chosen)
        picture, (axes,) = figures.canvas()
        for index, arm in enumerate((DECAY, NONE)):
            counts = list(records.by_seed(table, arm=arm, metric=COUNT).values())
            figures.bars(axes, [PERIODIC.unit], np.array([counts]).T, arm, position=(index, 2))
        figures.legend(axes)
        caption = "Means over seeds with 95 % Student intervals; dots are seeds."
        yield Figure(
            "counts", "How often training is destabilised", caption, picture, records.select(table, metric=COUNT)
        )


def crossings(losses: np.ndarray, below: float, above: float) -> list[int]:
    """Where losses (epochs,) pass from below `below` to above `above`: the indices that are first above."""
    found, is_fitted = [], False
    for index, loss in enumerate(losses):
        if loss < below:
            is_fitted = True
        elif is_fitted and loss > above:
            found.append(index)
            is_fitted = False
    return found


def change_when_doubled(network: Trained, data: Any) -> float:
    """How much outputs on a batch change when the weights that training moved are doubled, relative to the largest.

    At the start of training and with the batch's own statistics: where weights have become tiny,
    the epsilon of batch normalisation is felt.
    """
    import torch

    start, end = network.parameters(0), network.parameters()
    module = network.module(0).train()
    x = torch.tensor(data.split("train", network.spec.seed).x[: data.batch_size])
    with torch.no_grad(), exact_arithmetic():
        before = module(x)
        for name, value in module.named_parameters():
            if not np.array_equal(start[name], end[name]):
                value.mul_(2)
        return ((module(x) - before).abs().max() / before.abs().max()).item()
