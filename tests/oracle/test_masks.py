"""Masks against an obvious second implementation, and what a pruned network starts from and keeps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from torch import nn

from expzoo.analysis.pruning import Pruning
from expzoo.config.registry import build
from expzoo.engine import recipes
from expzoo.lab.request import Request
from expzoo.spec.layout import Layout
from expzoo.spec.spec import Fresh, Magnitude, Permuted, RandomMask, Rewind
from expzoo.system.randomness import member_seed

LAYOUT = Layout.of(nn.Sequential(nn.Linear(7, 5), nn.Linear(5, 5, bias=False), nn.Linear(5, 3)))
SPARSITIES = (0.0, 0.01, 0.2, 0.5, 0.866, 0.999)


def obvious_entries(layout, biases):
    """Of each tensor that is pruned: its name and the indices of its entries in a row."""
    for name, shape, start in zip(layout.names, layout.shapes, layout.offsets, strict=True):
        if biases or len(shape) > 1:
            yield name, [start + i for i in range(int(np.prod(shape)))]


def obvious_by_magnitude(row, kept, layout, sparsity, scope, biases, last=None):
    own = {} if last is None else {"2.weight": last, "2.bias": last}
    groups = [(own.get(name, sparsity), entries) for name, entries in obvious_entries(layout, biases)]
    if scope == "global":
        groups = [(sparsity, [index for _, entries in groups for index in entries])]
    mask = [True] * layout.size
    for removed, entries in groups:
        removed_before = [index for index in entries if not kept[index]]
        others = sorted((index for index in entries if kept[index]), key=lambda index: (abs(float(row[index])), index))
        count = min(round(len(entries) * removed), len(entries) - 1)
        for index in (removed_before + others)[:count]:
            mask[index] = False
    return np.array(mask)


def random_row(seed, ties=False):
    row = np.random.default_rng(seed).normal(size=LAYOUT.size).astype(np.float32)
    return np.round(row) if ties else row


@pytest.mark.parametrize("biases", [True, False])
@pytest.mark.parametrize("scope", ["layer", "global"])
@pytest.mark.parametrize("ties", [True, False])
def test_magnitude_masks_are_those_of_the_obvious_loop(scope, biases, ties):
    for seed, sparsity in itertools.product(range(5), SPARSITIES):
        row = random_row(seed, ties)
        for kept in (np.ones(LAYOUT.size, bool), np.random.default_rng(seed).random(LAYOUT.size) > sparsity / 2):
            found = recipes.by_magnitude(row, kept, LAYOUT, sparsity=sparsity, scope=scope, biases=biases)
            assert found.dtype == bool
            assert np.array_equal(found, obvious_by_magnitude(row, kept, LAYOUT, sparsity, scope, biases))
        unmasked = recipes.by_magnitude(row, None, LAYOUT, sparsity=sparsity, scope=scope, biases=biases)
        everything = np.ones(LAYOUT.size, bool)
        assert np.array_equal(unmasked, obvious_by_magnitude(row, everything, LAYOUT, sparsity, scope, biases))


@pytest.mark.parametrize("biases", [True, False])
def test_the_last_layer_may_have_a_sparsity_of_its_own(base, biases):
    for seed, (sparsity, last) in enumerate(itertools.product(SPARSITIES, SPARSITIES)):
        row, kept = random_row(seed), random_row(seed + 100) > -0.5
        recipe = Magnitude(base, sparsity, "layer", biases, last=last)
        found = recipes.resolve_mask(recipe, seed, LAYOUT, (row, kept))
        assert np.array_equal(found, obvious_by_magnitude(row, kept, LAYOUT, sparsity, "layer", biases, last))
    with pytest.raises(ValueError, match=r"a last layer of sparsity 0\.5 needs the scope layer"):
        Magnitude(base, 0.2, "global", last=0.5)
    with pytest.raises(ValueError, match=r"sparsity 1 must be"):
        Magnitude(base, 0.2, last=1)


def test_seven_rounds_with_half_the_rate_in_the_last_layer_leave_what_was_published():
    """21.1, 13.5 and 3.6 % of the weights of LeNet-300-100 after 7, 9 and 15 rounds (Frankle & Carbin 2019)."""
    layout = Layout.of(build("model", "lenet_300_100", (1, 28, 28), 10))
    row = np.random.default_rng(0).normal(size=layout.size)
    weights = np.concatenate([np.arange(part.start, part.stop) for _, part in layout.weights(biases=False)])
    assert len(weights) == 266_200
    for rounds, left in ((7, 21.1), (9, 13.5), (15, 3.6)):
        sparsity, last = 1 - 0.8**rounds, 1 - 0.9**rounds
        mask = recipes.by_magnitude(row, None, layout, sparsity=sparsity, scope="layer", biases=False, last=last)
        assert round(100 * mask[weights].mean(), 1) == left


def test_of_equal_magnitudes_the_earlier_goes_first_and_the_sign_does_not_matter():
    row = np.zeros(LAYOUT.size, np.float32)
    row[:35] = [1.0, -1.0] * 17 + [0.5]
    mask = recipes.by_magnitude(row, None, LAYOUT, sparsity=3 / 35, scope="layer", biases=False)
    assert np.flatnonzero(~mask[:35]).tolist() == [0, 1, 34]


@pytest.mark.parametrize("biases", [True, False])
def test_every_tensor_loses_its_exact_count_but_never_everything(biases):
    for sparsity in SPARSITIES:
        wanted = RandomMask(sparsity, biases=biases)
        for mask in (
            recipes.by_magnitude(random_row(1), None, LAYOUT, sparsity=sparsity, scope="layer", biases=biases),
            recipes.at_random(1, wanted, LAYOUT),
        ):
            pruned = {name for name, _ in obvious_entries(LAYOUT, biases)}
            for name, entries in obvious_entries(LAYOUT, biases=True):
                removed = round(len(entries) * sparsity) if name in pruned else 0
                assert (~mask[entries]).sum() == min(removed, len(entries) - 1)
            assert mask.sum() == LAYOUT.size - sum(
                (~mask[entries]).sum() for _, entries in obvious_entries(LAYOUT, True)
            )


def test_global_pruning_may_empty_a_tensor_but_not_the_network():
    row = random_row(2)
    row[LAYOUT.offsets[1] : LAYOUT.offsets[1] + 5] = 1e-6
    mask = recipes.by_magnitude(row, None, LAYOUT, sparsity=0.5, scope="global", biases=True)
    assert not mask[LAYOUT.offsets[1] : LAYOUT.offsets[1] + 5].any()
    assert (~mask).sum() == round(LAYOUT.num_parameters * 0.5)


@pytest.mark.parametrize("biases", [True, False])
def test_random_masks_within_one_another_are_nested_and_have_the_same_counts(biases):
    within, before = None, np.ones(LAYOUT.size, bool)
    for sparsity in SPARSITIES[1:]:
        within = RandomMask(sparsity, 4, biases, within)
        mask = recipes.at_random(3, within, LAYOUT)
        assert not (mask & ~before).any()
        assert mask.sum() == recipes.at_random(3, RandomMask(sparsity, 4, biases), LAYOUT).sum()
        before = mask


def test_random_masks_depend_on_the_seed_and_the_draw_and_on_nothing_else():
    first = recipes.at_random(0, RandomMask(0.5), LAYOUT)
    assert np.array_equal(first, recipes.at_random(0, RandomMask(0.5), LAYOUT))
    assert not np.array_equal(first, recipes.at_random(1, RandomMask(0.5), LAYOUT))
    assert not np.array_equal(first, recipes.at_random(0, RandomMask(0.5, draw=1), LAYOUT))


def test_every_entry_is_removed_equally_often_at_random():
    entries = [index for _, several in obvious_entries(LAYOUT, biases=False) for index in several]
    kept = np.mean([recipes.at_random(seed, RandomMask(0.5, biases=False), LAYOUT) for seed in range(2000)], axis=0)
    assert np.abs(kept[entries] - 0.5).max() < 5 * 0.5 / np.sqrt(2000) + 0.02  # an odd tensor keeps one more


def test_permuted_masks_keep_the_count_of_every_tensor_and_nothing_else():
    like = recipes.by_magnitude(random_row(3), None, LAYOUT, sparsity=0.6, scope="global", biases=True)
    permuted = [recipes.permute_mask(seed, like, draw, LAYOUT) for seed, draw in itertools.product(range(3), range(3))]
    for mask in permuted:
        for _, entries in obvious_entries(LAYOUT, biases=True):
            assert mask[entries].sum() == like[entries].sum()
        assert mask.sum() == like.sum()
    assert len({mask.tobytes() for mask in [like, *permuted]}) == 10


def test_recipes_are_resolved_from_the_row_and_mask_of_their_network(base):
    row, kept = random_row(5), random_row(6) > 0
    magnitude = Magnitude(base, 0.7, "global", biases=False)
    expected = obvious_by_magnitude(row, kept, LAYOUT, 0.7, "global", False)
    assert np.array_equal(recipes.resolve_mask(magnitude, 9, LAYOUT, (row, kept)), expected)
    shuffled = recipes.resolve_mask(Permuted(magnitude, draw=2), 9, LAYOUT, (row, kept))
    assert np.array_equal(shuffled, recipes.permute_mask(9, expected, 2, LAYOUT))
    with pytest.raises(ValueError, match="needs the row"):
        recipes.resolve_mask(magnitude, 9, LAYOUT, None)


# Trained networks.

LOOKS = (0, 1, 7, 20, 60)


@pytest.fixture(params=["adam", "sgd"])
def dense(base, request):
    decay = {"name": request.param, "weight_decay": 0.01}
    return base.replace(optimizer=type(base.optimizer).from_config("optimizer", decay))


@pytest.mark.parametrize(("scope", "rewind_step"), [("layer", 0), ("global", 20)])
def test_a_ticket_starts_bitwise_from_checkpoint_times_mask_and_pruned_weights_stay_zero(
    dense, open_lab, rewind_step, scope
):
    members = [dense.replace(seed=member_seed(0, index)) for index in range(3)]
    pruning = Pruning((0.3, 0.6), scope, biases=True, rewind_step=rewind_step)
    lab = open_lab()
    sources = lab.train(Request(tuple(members), steps=(rewind_step,)))
    tickets = lab.train(Request(tuple(t for member in members for t in pruning.tickets(member)), steps=LOOKS))
    layout = lab.assembler.blueprints.layout(dense)
    for source, chain in zip(sources, zip(tickets[::2], tickets[1::2], strict=True), strict=True):
        before, kept = source, np.ones(len(source.row()), bool)
        for ticket, sparsity in zip(chain, pruning.sparsities, strict=True):
            expected = obvious_by_magnitude(before.row(), kept, layout, sparsity, scope, True)
            assert np.array_equal(ticket.mask, expected)
            assert not (ticket.mask & ~kept).any()
            start = np.where(expected, source.row(rewind_step), np.float32(0))
            assert ticket.row(0).tobytes() == start.tobytes()
            for step in LOOKS:
                assert not ticket.row(step)[~expected].any()
            assert (ticket.row()[expected] != ticket.row(0)[expected]).mean() > 0.5  # what is left was trained
            before, kept = ticket, expected


def test_a_mask_keeps_the_padding_of_a_row_at_zero(dense, open_lab):
    [trained] = open_lab().train([dense.replace(mask=RandomMask(0.5))])
    layout = open_lab().assembler.blueprints.layout(dense)
    padding = np.ones(layout.size, bool)
    for _, entries in obvious_entries(layout, biases=True):
        padding[entries] = False
    assert padding.any()
    assert not trained.row()[padding].any()


def test_a_mask_of_sparsity_zero_changes_no_bit(base, open_lab):
    plain, masked = open_lab().train([base, base.replace(mask=RandomMask(0.0))])
    assert plain.key != masked.key
    assert plain.row().tobytes() == masked.row().tobytes()


def test_controls_start_where_they_should(base, open_lab):
    pruning = Pruning((0.5,))
    lab = open_lab()
    specs = [base, *pruning.tickets(base), *pruning.random(base), *pruning.reinitialised(base)]
    dense, ticket, random, reinitialised = lab.train(Request(tuple(specs), steps=(0,)))
    assert np.array_equal(random.row(0), np.where(random.mask, dense.row(0), 0))
    assert not np.array_equal(random.mask, ticket.mask)
    assert random.mask.sum() == ticket.mask.sum()
    assert np.array_equal(reinitialised.mask, ticket.mask)
    [fresh] = lab.train([base.replace(init=Fresh(draw=1))])
    assert np.array_equal(reinitialised.row(0), np.where(ticket.mask, fresh.row(0), 0))
    assert not np.array_equal(fresh.row(0), dense.row(0))
    [again] = lab.train([base.replace(init=Rewind(base, 0))])
    assert again.row().tobytes() == dense.row().tobytes()  # the same start under another key


@pytest.mark.parametrize("sparsity", [1, 1.0, 1.5, -0.1, float("nan")])
def test_impossible_sparsities_are_refused(base, sparsity):
    for make in (lambda: RandomMask(sparsity), lambda: Magnitude(base, sparsity), lambda: Pruning((sparsity,))):
        with pytest.raises(ValueError, match=r"sparsity .* must be"):
            make()
