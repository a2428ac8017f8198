"""Do the surviving first-layer weights of a lottery ticket lie side by side?"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from expzoo.analysis.studies.tickets import Tickets
from expzoo.study import (
    Claim,
    Count,
    Figure,
    Findings,
    Fraction,
    Natural,
    Positive,
    Pruning,
    Range,
    Request,
    SelfTest,
    Unfit,
    decide,
    figures,
    known_answer,
    permutation,
    records,
    register,
    row_permutation,
    schedule,
    tuning,
)

if TYPE_CHECKING:
    import polars as pl

    from expzoo.study import Setting, Trained, Verdict

LENGTHS = (2, 3, 4)
ARMS = ("ticket", "random")

LOCAL = Claim(
    name="mnist1d.ticket_local_connectivity",
    statement="The inputs that a hidden unit of a ticket keeps are adjacent more often than in a random order.",
    source="Greydanus, Scaling down deep learning (2020), finding lottery tickets: local connectivity",
    published="yes (figure: adjacent pairs, triples and quadruples more frequent; intervals overlap for pairs)",
    unit="% more adjacent pairs",
    smallest_effect=0.0,
    direction="greater",
    rule="row permutation",
)


def adjacent_runs(masks: np.ndarray, length: int, shape: tuple[int, ...] = ()) -> np.ndarray:
    """How many runs of `length` neighbouring kept inputs there are: masks (n, units, inputs) -> (n,).

    `shape` is that of an example, whose inputs a row lists: neighbours are positions of a sequence,
    or pixels of one channel beside or below each other.
    """
    shape = shape or masks.shape[-1:]
    placed = masks.astype(bool).reshape(*masks.shape[:-1], *shape)
    runs = np.zeros(len(masks))
    for axis in _directions(shape, length):
        found = np.lib.stride_tricks.sliding_window_view(placed, length, axis=axis).all(-1)
        runs += found.reshape(len(masks), -1).sum(1)
    return runs


def expected_runs(masks: np.ndarray, length: int, shape: tuple[int, ...] = ()) -> np.ndarray:
    """The mean of `adjacent_runs` over all orders of each row, exactly: masks (n, units, inputs) -> (n,).

    A row of m inputs with k kept has a run at each place, m - length + 1 of them in a sequence,
    with probability C(m - length, k - length) / C(m, k), a product of (k - i) / (m - i).
    """
    kept, inputs = masks.astype(float).sum(-1), masks.shape[-1]
    chance = np.ones_like(kept)
    for i in range(length):
        chance *= np.maximum(kept - i, 0) / (inputs - i)
    shape = shape or (inputs,)
    places = sum(inputs // shape[axis] * (shape[axis] - length + 1) for axis in _directions(shape, length))
    return (chance * places).sum(-1)


def _directions(shape: tuple[int, ...], length: int) -> list[int]:
    """The axes, counted from the last, along which inputs of this shape have runs: two of an image, one otherwise."""
    return [axis for axis in (-1, -2)[: max(len(shape) - 1, 1)] if shape[axis] >= length]


def excess(masks: np.ndarray, length: int = 2, shape: tuple[int, ...] = ()) -> np.ndarray:
    """Adjacent runs above their expectation under row permutation, in % of it: masks (n, units, inputs) -> (n,).

    Masks so sparse that no run is possible have no excess.
    """
    expected = expected_runs(masks, length, shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 100.0 * (adjacent_runs(masks, length, shape) / expected - 1.0), 0.0)


@register
class TicketAdjacency:
    """Counts neighbouring inputs among the first-layer weights that a ticket keeps, against permuted rows.

    The null permutes each hidden unit's mask by itself, which keeps how many inputs it has:
    iterative pruning keeps many weights of a few units, and a uniformly random mask would take that
    for locality. Random masks are the control whose right answer is zero. Neighbours of a pixel are
    those of its channel beside it, above and below.

    Args:
        keep: as in iterative_pruning.
        levels: as in iterative_pruning.
        sparsities: as in iterative_pruning.
        scope: as in iterative_pruning.
        biases: as in iterative_pruning.
        rewind_step: as in iterative_pruning.
        decide_at: the sparsity of the tickets; the nearest level is taken.
        rates: as in iterative_pruning.
        schedules: as in iterative_pruning.
        permutations: how many orders of the rows the test draws.
        pictured: how many hidden units the picture of the masks shows.
    """

    HOME = ("dataset=mnist1d", "model=mlp")
    CACHE_VERSION = 1
    RULES_VERSION = 2  # 2: a control of trained masks

    def __init__(
        self,
        *,
        keep: Annotated[float, Range(0.01, 0.99)] = 0.8,
        levels: Annotated[int, Range(1, 1000)] = 12,
        sparsities: tuple[float, ...] | None = None,
        scope: Literal["layer", "global"] = "layer",
        biases: bool = True,
        rewind_step: Natural = 0,
        decide_at: Fraction = 0.87,
        rates: tuple[Positive, ...] = (),
        schedules: tuple[Literal["constant", "cosine"], ...] = (),
        permutations: Annotated[int, Range(99, 100_000)] = 999,
        pictured: Count = 60,
    ) -> None:
        self.pruning = Pruning(schedule(sparsities, keep, levels), scope, biases, rewind_step)
        self.level = self.pruning.level_near(decide_at)
        self.tickets = Tickets(self.pruning, self.level, tuning.Tuning(rates, schedules))
        self.NEEDS = self.tickets.tuning.needs
        self.permutations, self.pictured = permutations, pictured

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """The first-layer masks of tickets and of random masks of the same sparsity; Unfit if it is no matrix."""
        shape = tuple(setting.base.dataset.build().inputs)
        _refuse_without_matrix(setting, shape)
        made, tried = yield from self.tickets.tuned(setting, ARMS)
        tickets, randoms = ([made(arm, base)[self.level] for base in setting.specs()] for arm in ARMS)
        networks = yield Request((*tickets, *randoms))
        chosen = {"ticket": networks[: len(tickets)], "random": networks[len(tickets) :]}
        findings = Findings(tried, arrays={"shape": np.array(shape)} if len(shape) > 1 else {})
        for arm, group in chosen.items():
            masks = np.stack([_first_layer(network) for network in group])
            learned = np.array([not network.diverged for network in group])
            findings.arrays[f"first_layer_masks/{arm}"] = masks[learned].astype(np.uint8)
            for length in LENGTHS:
                values = np.where(learned, excess(masks, length, shape), np.nan)
                for network, value in zip(group, values, strict=True):
                    who = {"key": network.key, "seed": network.spec.seed, "arm": arm, "step": network.step}
                    what = {"split": "mask", "metric": "adjacency_excess", "value": float(value), "run_length": length}
                    findings.rows.append({**who, **what, "end": True})
        return findings

    def judge(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Sequence[Verdict]:
        """One-sided permutation test of the mean excess of pairs, with the random masks as control."""
        masks = {arm: arrays[f"first_layer_masks/{arm}"] for arm in ARMS}
        test = partial(row_permutation, statistic=partial(excess, shape=_shape(arrays)), draws=self.permutations)
        name = "tickets whose inputs are listed in another order have no excess"
        control = [
            known_answer(name, partial(test, _in_another_order(masks["ticket"]))),
            known_answer("random masks have no excess", partial(test, masks["random"]), kind=SelfTest),
        ]
        tickets = records.select(table, arm="ticket", run_length=LENGTHS[0], metric="adjacency_excess")
        dropped = len(tickets) - len(masks["ticket"])
        verdict = decide(LOCAL, test(masks["ticket"]), control=control, dropped=dropped)
        return tuning.noted([verdict], table, f"at sparsity {self.pruning.sparsities[self.level]:.3f}")

    def draw(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Iterator[Figure]:
        """Bars of the excess, and the masks of the first seed's most connected units."""
        picture, (axes,) = figures.canvas(height=3.6)
        for index, arm in enumerate(ARMS):
            _, values = records.pivot(table, "run_length", arm=arm, metric="adjacency_excess")
            figures.bars(axes, ["pairs", "triples", "quadruples"], values, arm, position=(index, len(ARMS)))
        axes.set_ylabel("adjacent runs above chance (%)")
        figures.legend(axes)
        caption = (
            "Chance is the exact mean over orders of each unit's mask. Bars are means with 95 % Student intervals; "
            "dots are networks."
        )
        data = records.select(table, metric="adjacency_excess")
        yield Figure("adjacency", "Kept inputs lie side by side", caption, picture, data)
        if not all(len(arrays[f"first_layer_masks/{arm}"]) for arm in ARMS):
            return
        shown = {arm: _densest(arrays[f"first_layer_masks/{arm}"][0], self.pictured) for arm in ARMS}
        grid = figures.masks(shown, columns=2, x="input pixel" if _shape(arrays) else "input position", y="hidden unit")
        caption = (
            f"First seed, the {self.pictured} hidden units with most inputs left, in order of their mean position."
        )
        yield Figure("masks", "First-layer masks of a ticket and at random", caption, grid, _filled(shown))


def _first_layer(network: Trained) -> np.ndarray:
    """The mask (units, inputs) of the first weight matrix."""
    return next(mask for mask in network.masks().values() if mask.ndim > 1)


def _in_another_order(masks: np.ndarray) -> np.ndarray:
    """The masks (n, units, inputs) with the inputs of each network in one random order for all its units.

    As of networks that were trained on inputs in that order: if units share the inputs they keep,
    rows are not as independent as the test takes them to be, and this shows it.
    """
    orders = [permutation(index, "order of inputs", 0, masks.shape[-1]) for index in range(len(masks))]
    return np.stack([mask[:, order] for mask, order in zip(masks, orders, strict=True)]) if orders else masks


def _shape(arrays: dict[str, np.ndarray]) -> tuple[int, ...]:
    """The shape of an example; empty for a sequence, whose shape is the number of its inputs."""
    return tuple(arrays["shape"].tolist()) if "shape" in arrays else ()


def _refuse_without_matrix(setting: Setting, inputs: tuple[int, ...]) -> None:
    """Unfit if the first layer's weights are no matrix over the inputs, in which neighbours could be counted."""
    name, shape = next(((name, shape) for name, shape in setting.shapes().items() if len(shape) > 1), ("", ()))
    model, count = setting.base.model.name, int(np.prod(inputs))
    if len(shape) != 2 or shape[1] != count:
        needed = f"a first layer that is a matrix over the {count} inputs"
        raise Unfit(f"it needs {needed}, and {name} of model={model} has shape {shape}")
    if not _directions(inputs, max(LENGTHS)):
        raise Unfit(f"it needs {max(LENGTHS)} inputs side by side, and examples have shape {inputs}")


def _filled(masks: dict[str, np.ndarray]) -> pl.DataFrame:
    """What the picture of the masks shows: one row for each kept input, with its row and column in the picture."""
    import polars as pl

    kept = [(arm, int(row), int(column)) for arm, mask in masks.items() for row, column in np.argwhere(mask)]
    return pl.DataFrame(kept, schema=["arm", "row", "input"], orient="row")


def _densest(mask: np.ndarray, count: int) -> np.ndarray:
    """The `count` rows with most entries, ordered by the mean position of their entries."""
    rows = mask[np.argsort(-mask.sum(1, dtype=int), kind="stable")[:count]]
    positions = (rows * np.arange(rows.shape[1])).sum(1) / np.maximum(rows.sum(1), 1)
    return rows[np.argsort(positions, kind="stable")]
