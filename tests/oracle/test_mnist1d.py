"""The dataset against the package of its authors, and against its own promises about sizes, views and draws."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from mnist1d.data import get_dataset_args, get_templates, make_dataset
from mnist1d.transform import transform

from expzoo.analysis.studies.mnist1d import generate
from expzoo.config import registry
from expzoo.system.randomness import member_seed, stable_hash

SMALL = {"num_samples": 200, "batch_size": 10}
MEMBER, OTHER = member_seed(0, 0), member_seed(0, 1)

PACKAGE_OPTIONS = [
    {"num_samples": 5000},
    {"num_samples": 5000, "seed": 7, "shuffle_seq": True},
    {"seed": 0},
    {"seed": 1},
    {"seed": 2**32 - 1},
    {"shuffle_seq": True},
    {"num_samples": 10, "train_split": 0.5},
    {"num_samples": 207},
    {"num_samples": 1999, "seed": 3},
    {"train_split": 0.37},
    {"train_split": 0.999},
    {"padding": [0, 0], "max_translation": 12},
    {"padding": [20, 20], "max_translation": 32},
    {"padding": [0, 100]},
    {"padding": [60, 61]},
    {"padding": [36, 600], "num_samples": 300},
    {"template_len": 1, "max_translation": 61},
    {"template_len": 40, "max_translation": 100},
    {"template_len": 13},
    {"scale_coeff": 0.0},
    {"scale_coeff": 2.0},
    {"scale_coeff": 7.5, "shuffle_seq": True},
    {"max_translation": 1},
    {"max_translation": 2},
    {"max_translation": 72},
    {"corr_noise_scale": 0.0},
    {"iid_noise_scale": 0.0},
    {"corr_noise_scale": 0.0, "iid_noise_scale": 0.0, "shear_scale": 0.0, "scale_coeff": 0.0},
    {"corr_noise_scale": 3.0, "iid_noise_scale": 1.5},
    {"shear_scale": 0.0},
    {"shear_scale": 10.0},
    {"final_seq_length": 2},
    {"final_seq_length": 37, "shuffle_seq": True},
    {"final_seq_length": 72},
    {"final_seq_length": 143},
    {"padding": [3, 9], "template_len": 12, "max_translation": 5, "final_seq_length": 21, "num_samples": 333},
    {"padding": [0, 1], "template_len": 1, "max_translation": 2, "final_seq_length": 5},
]


def dataset(**options):
    return registry.build("dataset", "mnist1d", **(SMALL | options))


def arguments(**options):
    return SimpleNamespace(**(vars(get_dataset_args()) | options))


def package(**options):
    return make_dataset(arguments(**options))


def raw_signals(args):
    """The package's examples before it standardises them, in its order."""
    np.random.seed(args.seed)  # noqa: NPY002 - the package draws from the global generator
    parts = get_templates()
    xs = [transform(parts["x"][k], parts["t"], args)[0] for k in range(10) for _ in range(args.num_samples // 10)]
    return np.stack(xs)[np.random.permutation(len(xs))]  # noqa: NPY002


def same(split, x, y):
    return split.x.tobytes() == np.asarray(x, np.float32).tobytes() and split.y.tobytes() == y.tobytes()


def rows(split):
    return {row.tobytes() for row in split.x}


@pytest.mark.parametrize("options", PACKAGE_OPTIONS, ids=str)
def test_equals_the_package_bit_for_bit(options):
    options = {"num_samples": 400} | options
    theirs = package(**options)
    ours = dataset(**options, batch_size=1)
    train, test = ours.split("train", MEMBER), ours.split("test", OTHER)
    assert same(train, theirs["x"], theirs["y"])
    assert same(test, theirs["x_test"], theirs["y_test"])
    assert (train.x.dtype, train.y.dtype, ours.inputs, ours.outputs) == ("float32", "int64", train.x.shape[1:], 10)


def test_equals_the_package_at_random_options():
    for trial in range(40):
        chance = np.random.default_rng(trial)
        low, template_len = int(chance.integers(0, 50)), int(chance.integers(1, 30))
        high = low + int(chance.integers(1, 40))
        options = {
            "num_samples": int(chance.integers(50, 120)),
            "train_split": float(chance.uniform(0.2, 0.9)),
            "padding": [low, high],
            "template_len": template_len,
            "max_translation": int(chance.integers(1, template_len + high + 1)),
            "scale_coeff": float(chance.uniform(0, 3)),
            "corr_noise_scale": float(chance.uniform(0, 1)),
            "iid_noise_scale": float(chance.uniform(0, 1)),
            "shear_scale": float(chance.uniform(0, 4)),
            "final_seq_length": int(chance.integers(2, 90)),
            "shuffle_seq": bool(chance.integers(2)),
            "seed": int(chance.integers(2**32)),
        }
        theirs = package(**options)
        ours = dataset(**options, batch_size=1)
        assert same(ours.split("train", 0), theirs["x"], theirs["y"]), options
        assert same(ours.split("test", 0), theirs["x_test"], theirs["y_test"]), options


def test_the_signals_are_the_packages_in_float64_where_no_place_is_interpolated():
    args = arguments(num_samples=100, final_seq_length=72, seed=9)
    ours = dataset(num_samples=100, final_seq_length=72, seed=9)
    assert np.array_equal(generate(ours.recipe, 9).x, raw_signals(args))


def test_the_generator_leaves_the_global_one_alone():
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    dataset(seed=5).split("train", MEMBER)
    np.testing.assert_equal(np.random.get_state(legacy=False), before)  # noqa: NPY002


def test_a_member_draw_is_the_package_at_the_identity():
    ours = dataset(draw="member")
    theirs = package(num_samples=200, seed=ours.identity(MEMBER) % 2**32)
    assert same(ours.split("train", MEMBER), theirs["x"], theirs["y"])


def test_identity_names_the_draw():
    frozen, own = dataset(), dataset(draw="member")
    assert frozen.identity(MEMBER) == frozen.identity(OTHER) == 42
    assert dataset(fresh=2).identity(MEMBER) == stable_hash(42, "fresh", 2)
    assert own.identity(MEMBER) == stable_hash(MEMBER, "fresh", 0) != own.identity(OTHER)
    assert not rows(own.split("train", MEMBER)) & rows(own.split("train", OTHER))
    assert dataset(draw="member", view="shuffled").identity(MEMBER) == own.identity(MEMBER)


@pytest.mark.parametrize("draw", ["frozen", "member"])
@pytest.mark.parametrize("shuffle_seq", [False, True])
def test_the_fresh_split_is_the_test_split_of_the_next_fresh_draw(draw, shuffle_seq):
    options = {"draw": draw, "shuffle_seq": shuffle_seq, "view": "shuffled", "test_size": 250}
    fresh, following = dataset(**options, fresh=3).split("fresh", MEMBER), dataset(**options, fresh=4)
    assert same(fresh, following.split("test", MEMBER).x, following.split("test", MEMBER).y)
    assert not rows(fresh) & rows(dataset(**options, fresh=3).split("test", MEMBER))


def order_between(plain, moved):
    """The order of positions that turns one example into another."""
    return np.argsort(plain)[np.argsort(np.argsort(moved))]


@pytest.mark.parametrize("fresh", [0, 2])
@pytest.mark.parametrize("moving", [{"shuffle_seq": True}, {"view": "shuffled"}])
def test_fresh_draws_and_further_blocks_keep_the_order_of_positions(moving, fresh):
    order = order_between(dataset().split("train", 0).x[0], dataset(**moving).split("train", 0).x[0])
    sizes = {"train_size": 500, "test_size": 300, "fresh": fresh}
    plain, moved = dataset(**sizes), dataset(**sizes, **moving)
    for name in ("train", "test", "fresh"):
        # The mean of all values is rounded in another order when shuffle_seq has moved them.
        np.testing.assert_allclose(moved.split(name, 0).x, plain.split(name, 0).x[:, order], rtol=0, atol=1e-6)


@pytest.mark.parametrize("shuffle_seq", [False, True])
def test_sizes_only_add_or_remove_at_the_end(shuffle_seq):
    own = dataset(shuffle_seq=shuffle_seq)
    for train_size, test_size in ((30, 7), (160, 40), (161, 41), (500, 900)):
        sized = dataset(shuffle_seq=shuffle_seq, train_size=train_size, test_size=test_size)
        for name, size in (("train", train_size), ("test", test_size)):
            split, ours = sized.split(name, MEMBER), own.split(name, MEMBER)
            assert len(split) == size
            shared = min(size, len(ours))
            assert same(split, [*ours.x[:shared], *split.x[shared:]], np.append(ours.y[:shared], split.y[shared:]))
    longer = dataset(shuffle_seq=shuffle_seq, train_size=700).split("train", MEMBER)
    assert same(sized.split("train", MEMBER), longer.x[:500], longer.y[:500])


def test_further_blocks_are_standardised_with_the_draw_itself():
    seeds = (42, stable_hash(42, "block", "train", 1) % 2**32)
    base, block = (raw_signals(arguments(num_samples=200, seed=seed)) for seed in seeds)
    expected = ((block - base.mean()) / base.std()).astype(np.float32)
    assert np.array_equal(dataset(train_size=560).split("train", MEMBER).x[360:], expected)


def test_extended_splits_stay_balanced_and_do_not_overlap():
    ours = dataset(train_size=700, validation_size=300, test_size=500, iid_noise_scale=0.1)
    splits = {name: ours.split(name, MEMBER) for name in ("train", "validation", "test", "fresh")}
    assert [len(split) for split in splits.values()] == [700, 300, 500, 500]
    assert len(set().union(*map(rows, splits.values()))) == 2000
    whole = np.concatenate([splits["train"].y, splits["validation"].y])
    assert np.bincount(whole[160:960]).tolist() == [80] * 10


def test_validation_comes_from_the_end_of_the_training_share():
    own, ours = dataset().split("train", 0), dataset(validation_size=35)
    assert same(ours.split("train", 0), own.x[:125], own.y[:125])
    assert same(ours.split("validation", 0), own.x[125:], own.y[125:])
    fewer = dataset(validation_size=35, train_size=50)
    assert same(fewer.split("validation", 0), own.x[125:], own.y[125:])
    with pytest.raises(ValueError, match="validation_size"):
        dataset().split("validation", 0)


@pytest.mark.parametrize("draw", ["frozen", "member"])
@pytest.mark.parametrize("view", ["shuffled", "flipped", "chunk_shuffled"])
def test_a_view_only_moves_positions_and_moves_them_alike_everywhere(view, draw):
    options = {"draw": draw, "train_size": 300, "test_size": 100, "validation_size": 20}
    plain, seen = dataset(**options), dataset(**options, view=view)
    order = order_between(plain.split("train", MEMBER).x[0], seen.split("train", MEMBER).x[0])
    assert sorted(order) == list(range(40)) != list(order)
    if view == "flipped":
        assert list(order) == list(range(39, -1, -1))
    if view == "chunk_shuffled":
        assert all(list(chunk) == list(range(chunk[0], chunk[0] + 5)) for chunk in order.reshape(8, 5))
    for name in ("train", "validation", "test", "fresh"):
        assert same(seen.split(name, MEMBER), plain.split(name, MEMBER).x[:, order], plain.split(name, MEMBER).y)


def test_label_noise_changes_training_labels_only():
    options = {"num_samples": 5000, "validation_size": 500}
    clean, noisy = dataset(**options), dataset(**options, label_noise=0.15)
    for name in ("validation", "test", "fresh"):
        assert same(noisy.split(name, 0), clean.split(name, 0).x, clean.split(name, 0).y)
    train, truth = noisy.split("train", 0), clean.split("train", 0)
    assert train.x.tobytes() == truth.x.tobytes()
    assert 0.1 < np.mean(train.y != truth.y) < 0.2
    shorter = dataset(num_samples=5000, train_size=300, label_noise=0.15).split("train", 0)
    assert np.array_equal(shorter.y, train.y[:300])


def test_noise_belongs_to_the_draw():
    own = dataset(draw="member", label_noise=0.5)
    flips = [own.split("train", seed).y != dataset(draw="member").split("train", seed).y for seed in (MEMBER, OTHER)]
    assert not np.array_equal(*flips)
    frozen = dataset(label_noise=0.5)
    assert np.array_equal(frozen.split("train", MEMBER).y, frozen.split("train", OTHER).y)


def test_splits_are_generated_once_and_cannot_be_written_to():
    ours = dataset()
    first, second = ours.split("train", MEMBER), ours.split("train", OTHER)
    assert np.shares_memory(first.x, second.x)
    for array in (first.x, first.y):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    members = dataset(draw="member", num_samples=20, batch_size=1)
    kept = members.split("train", 0)
    for seed in range(200):
        members.split("train", seed)
    assert same(members.split("train", 0), kept.x, kept.y)


def test_full_batches_report_their_size():
    ours = dataset(order="full", batch_size=100, train_size=30)
    assert ours.batch_size == 30
    assert ours.indices(MEMBER, 4, 6).tolist() == [list(range(30))] * 2
    assert dataset().indices(MEMBER, 3, 8).shape == (5, 10)
