"""Masks with exact counts, against slow obvious ones, and the chains of specs that iterative pruning is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from expzoo.analysis.pruning import Pruning, geometric, schedule
from expzoo.engine import recipes
from expzoo.lab.lab import Lab, Request
from expzoo.spec.component import Component
from expzoo.spec.layout import Layout
from expzoo.spec.spec import Fresh, Magnitude, Permuted, RandomMask, Rewind, Spec
from expzoo.store.store import Store

DENSE = Spec(
    dataset=Component.of("dataset", "mnist1d"),
    model=Component.of("model", "mlp", width=6),
    optimizer=Component.of("optimizer", "adam", lr=0.02),
    schedule=Component.of("schedule", "constant"),
    loss=Component.of("loss", "cross_entropy"),
    stop=Component.of("stop", "steps", steps=12),
    seed=5,
)
SPARSITIES = (0.2, 0.36, 0.488)


@pytest.fixture(scope="module")
def layout() -> Layout:
    module = DENSE.model.build((40,), 10)
    return Layout.of(module)


def tensors(layout: Layout, *, biases: bool) -> Iterator[np.ndarray]:
    """Where the entries of each tensor are in a row; between the tensors a row is padded."""
    for entries in layout.view(torch.arange(layout.size)).values():
        if biases or entries.dim() > 1:
            yield entries.flatten().numpy()


def slow_magnitude(row: np.ndarray, kept: np.ndarray | None, groups: list[np.ndarray], sparsity: float) -> np.ndarray:
    """Of each group the entries that are gone already, then the smallest, then the earlier of equal ones."""
    mask = np.ones(len(row), bool)
    for group in groups:
        order = sorted(group, key=lambda index: (kept is None or kept[index], abs(float(row[index])), index))
        for index in order[: min(round(len(group) * sparsity), len(group) - 1)]:
            mask[index] = False
    return mask


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    first=st.floats(0, 0.6),
    more=st.floats(0, 0.39),
    scope=st.sampled_from(["layer", "global"]),
    biases=st.booleans(),
)
def test_magnitude_masks(layout: Layout, seed: int, first: float, more: float, scope: str, biases: bool) -> None:
    rng = np.random.default_rng(seed)
    row = np.round(rng.normal(size=layout.size), 1).astype(np.float32)  # many ties
    groups = list(tensors(layout, biases=biases))
    groups = groups if scope == "layer" else [np.concatenate(groups)]
    kept = None
    for sparsity in (first, first + more):
        mask = recipes.by_magnitude(row, kept, layout, sparsity=sparsity, scope=scope, biases=biases)
        assert np.array_equal(mask, slow_magnitude(row, kept, groups, sparsity))
        assert kept is None or not (mask & ~kept).any()
        kept = mask


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.999999])
def test_random_masks_have_the_counts_of_layer_wise_pruning(layout: Layout, sparsity: float, biases: bool) -> None:
    drawn = [recipes.at_random(7, RandomMask(sparsity, draw, biases), layout) for draw in range(2)]
    row = np.random.default_rng(0).normal(size=layout.size)
    pruned = recipes.by_magnitude(row, None, layout, sparsity=sparsity, scope="layer", biases=biases)
    for entries in tensors(layout, biases=True):
        assert {mask[entries].sum() for mask in drawn} == {pruned[entries].sum()}
        assert pruned[entries].any()
    assert np.array_equal(*drawn) == (sparsity == 0.0)
    assert np.array_equal(drawn[0], recipes.at_random(7, RandomMask(sparsity, 0, biases), layout))
    assert np.array_equal(drawn[0], recipes.at_random(8, RandomMask(sparsity, 0, biases), layout)) == (sparsity == 0.0)


def test_a_random_mask_removes_every_entry_equally_often(layout: Layout) -> None:
    draws = 200
    mean = np.mean([recipes.at_random(seed, RandomMask(0.5), layout) for seed in range(draws)], axis=0)
    for entries in tensors(layout, biases=True):
        assert np.abs(mean[entries] - 0.5).max() < 5.5 * 0.5 / np.sqrt(draws)


def test_nested_random_masks_only_lose(layout: Layout) -> None:
    chain = [spec.mask for spec in Pruning(SPARSITIES).random_nested(DENSE)]
    drawn = [recipes.at_random(3, recipe, layout) for recipe in chain if isinstance(recipe, RandomMask)]
    assert len(drawn) == len(SPARSITIES)
    for wider, narrower, sparsity in zip(drawn, drawn[1:], SPARSITIES[1:], strict=False):
        assert not (narrower & ~wider).any()
        for entries in tensors(layout, biases=True):
            assert (~narrower[entries]).sum() == recipes.num_removed(len(entries), sparsity)


def test_a_permuted_mask_keeps_densities_and_nothing_else(layout: Layout) -> None:
    rng = np.random.default_rng(1)
    row, recipe = rng.normal(size=layout.size), Magnitude(DENSE, 0.5)
    like = recipes.resolve_mask(recipe, 3, layout, (row, None))
    permuted = [
        recipes.resolve_mask(Permuted(recipe, draw), seed, layout, (row, None))
        for draw, seed in ((0, 3), (1, 3), (0, 4))
    ]
    for mask in permuted:
        assert not np.array_equal(mask, like)
        assert [mask[s].sum() for s in tensors(layout, biases=True)] == [
            like[s].sum() for s in tensors(layout, biases=True)
        ]
    assert not np.array_equal(permuted[0], permuted[1])
    assert not np.array_equal(permuted[0], permuted[2])


@pytest.mark.parametrize(("size", "sparsity", "removed"), [(10, 0.25, 2), (10, 0.99, 9), (1, 0.9, 0), (7, 0.0, 0)])
def test_counts_are_rounded_and_one_weight_stays(size: int, sparsity: float, removed: int) -> None:
    assert recipes.num_removed(size, sparsity) == removed


def test_the_chain_of_iterative_pruning() -> None:
    pruning = Pruning(SPARSITIES, scope="global", biases=False, rewind_step=4)
    tickets = pruning.tickets(DENSE)
    assert [ticket.init for ticket in tickets] == [Rewind(DENSE, 4)] * 3
    for ticket, before, sparsity in zip(tickets, [DENSE, *tickets], SPARSITIES, strict=False):
        assert ticket.mask == Magnitude(before, sparsity, "global", biases=False)
        assert ticket.replace(init=DENSE.init, mask=None) == DENSE
    assert [ticket.init for ticket in Pruning(SPARSITIES).tickets(DENSE)] == [DENSE.init] * 3
    again = pruning.reinitialised(DENSE)
    assert [(spec.init, spec.mask) for spec in again] == [(Fresh(draw=1), ticket.mask) for ticket in tickets]


def test_controls_have_the_sparsities_and_the_start_of_the_tickets() -> None:
    pruning = Pruning(SPARSITIES, rewind_step=4)
    for control in (pruning.random, pruning.random_nested):
        specs = control(DENSE)
        assert [spec.init for spec in specs] == [Rewind(DENSE, 4)] * 3
        assert [spec.mask.sparsity for spec in specs if isinstance(spec.mask, RandomMask)] == list(SPARSITIES)
        assert len({spec.key for spec in specs}) == 3


@pytest.mark.parametrize("family", ["tickets", "random", "random_nested", "reinitialised"])
def test_more_levels_keep_the_networks_of_the_first(family: str) -> None:
    fewer, more = (getattr(Pruning(levels), family)(DENSE) for levels in (SPARSITIES, (*SPARSITIES, 0.6)))
    assert more[: len(fewer)] == fewer


@pytest.mark.parametrize(
    ("sparsities", "fault"),
    [
        ((), "at least one level"),
        ((0.5, 1.0), r"sparsity 1\.0 must be more than 0 and less than 1"),
        ((0.0,), "sparsity 0.0"),
        ((float("nan"),), "sparsity nan"),
        ((0.5, 0.2), "must increase"),
        ((0.5, 0.5), "must increase"),
    ],
)
def test_impossible_levels_are_refused(sparsities: tuple[float, ...], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        Pruning(sparsities)


def test_schedules_of_sparsities() -> None:
    assert geometric(0.8, 3) == (0.2, 0.36, 0.488)
    assert schedule(None, 0.8, 3) == SPARSITIES
    assert schedule([0.1, 0.7], 0.8, 3) == (0.1, 0.7)
    assert [Pruning(SPARSITIES).level_near(wanted) for wanted in (0, 0.27, 0.29, 0.99)] == [0, 0, 1, 2]


@pytest.mark.parametrize("step", [0, 4])
def test_a_rewound_network_starts_from_checkpoint_times_mask(tmp_path: Path, step: int) -> None:
    tickets = Pruning(SPARSITIES[:2], rewind_step=step).tickets(DENSE)
    lab = Lab(Store(tmp_path, "here"))
    dense, first, second = lab.train(Request((DENSE, *tickets), steps=(0, step)))
    start = dense.row(step)
    for ticket, before, sparsity in ((first, dense, SPARSITIES[0]), (second, first, SPARSITIES[1])):
        layout = lab.assembler.blueprints.layout(DENSE)
        mask = recipes.by_magnitude(before.row(), before.mask, layout, sparsity=sparsity, scope="layer", biases=True)
        assert ticket.mask is not None
        assert np.array_equal(ticket.mask, mask)
        assert np.array_equal(ticket.row(0), np.where(mask, start, np.float32(0)))
        assert np.all(ticket.row()[~mask] == 0)
        trained = mask & (start != 0)
        assert np.mean(ticket.row()[trained] != start[trained]) > 0.9
