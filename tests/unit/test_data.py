"""The pure functions that finite datasets share."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.stats import binomtest, chisquare

from expzoo.components import datasets
from expzoo.system.cache import Recent
from expzoo.system.randomness import permutation


def obvious_stream(order, seed, length, size):
    """One example after another, for ever."""
    epoch, seen = 0, []
    while len(seen) < length:
        seen += list(permutation(seed, "order", epoch, size)) if order == "shuffled" else list(range(size))
        epoch += 1
    return seen[:length]


@pytest.mark.parametrize("order", ["shuffled", "fixed"])
@pytest.mark.parametrize(("batch_size", "size"), [(1, 1), (4, 12), (5, 12), (12, 12), (7, 10)])
def test_batches_cut_the_endless_stream_of_epochs(order, batch_size, size):
    stream = np.reshape(obvious_stream(order, 3, 30 * batch_size, size), (30, batch_size))
    for start, stop in ((0, 30), (0, 1), (11, 12), (7, 30), (12, 24), (5, 5), (0, 0), (12, 12)):
        indices = datasets.batches(order, 3, start, stop, batch_size, size)
        assert indices.dtype == np.int64
        assert indices.shape == (stop - start, batch_size)
        assert np.array_equal(indices, stream[start:stop])


def test_every_epoch_sees_every_example_once_in_an_order_of_its_own():
    epochs = datasets.batches("shuffled", 1, 0, 40, 25, 100).reshape(10, 100)
    assert (np.sort(epochs) == np.arange(100)).all()
    assert len({tuple(epoch) for epoch in epochs}) == 10
    assert not np.array_equal(epochs, datasets.batches("shuffled", 2, 0, 40, 25, 100).reshape(10, 100))


def test_full_batches_are_the_whole_set():
    assert datasets.batches("full", 1, 5, 8, 4, 4).tolist() == [[0, 1, 2, 3]] * 3
    assert datasets.batches("full", 1, 5, 5, 4, 4).shape == (0, 4)


def test_impossible_requests_for_batches_are_refused():
    with pytest.raises(ValueError, match="5 to 3"):
        datasets.batches("fixed", 0, 5, 3, 1, 1)
    with pytest.raises(ValueError, match="did you mean shuffled"):
        datasets.batches("shufled", 0, 0, 1, 1, 1)


def test_fifty_steps_take_little_more_than_their_epochs():
    def fastest(work):
        times = []
        for _ in range(30):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        return min(times)

    one_epoch = fastest(lambda: permutation(1, "order", 900, 4000))
    # Steps 36000..36049 touch three epochs at most: anything that goes through the 900 before them fails here.
    assert fastest(lambda: datasets.batches("shuffled", 1, 36000, 36050, 100, 4000)) < 100 * one_epoch


@pytest.mark.parametrize(("labels", "wrong"), [("other", 1.0), ("any", 0.9)])
@pytest.mark.parametrize("rate", [0.05, 0.15, 0.6])
def test_the_rate_of_wrong_labels_is_the_promised_one(labels, wrong, rate):
    y = np.arange(100_000) % 10
    noisy = datasets.noisy_labels(y, rate, 10, labels, seed=11)
    assert binomtest(int((noisy != y).sum()), len(y), rate * wrong).pvalue > 1e-3
    shift = (noisy - y)[noisy != y] % 10
    assert chisquare(np.bincount(shift, minlength=10)[1:]).pvalue > 1e-3
    assert noisy.dtype == np.int64


def test_noise_at_its_ends_and_the_two_kinds_of_it():
    y = np.arange(5000) % 10
    assert np.array_equal(datasets.noisy_labels(y, 0.0, 10, "other", 1), y)
    assert (datasets.noisy_labels(y, 1.0, 10, "other", 1) != y).all()
    assert binomtest(int((datasets.noisy_labels(y, 1.0, 10, "any", 1) == y).sum()), 5000, 0.1).pvalue > 1e-3
    with pytest.raises(ValueError, match="known: any, other"):
        datasets.noisy_labels(y, 0.5, 10, "wrong", 1)


def test_more_examples_and_more_noise_keep_the_noise_there_was():
    y = np.arange(1000) % 10
    little, much = (datasets.noisy_labels(y, rate, 10, "other", 4) for rate in (0.1, 0.3))
    assert np.array_equal(datasets.noisy_labels(y[:300], 0.1, 10, "other", 4), little[:300])
    assert np.array_equal(much[little != y], little[little != y])
    assert not np.array_equal(datasets.noisy_labels(y, 0.1, 10, "other", 5), little)


def test_views_are_what_they_say():
    assert datasets.view_positions("plain", 6, 1, 0).tolist() == [0, 1, 2, 3, 4, 5]
    assert datasets.view_positions("flipped", 6, 1, 0).tolist() == [5, 4, 3, 2, 1, 0]
    shuffled = {tuple(datasets.view_positions("shuffled", 6, 1, seed)) for seed in range(300)}
    assert all(sorted(order) == list(range(6)) for order in shuffled)
    assert len(shuffled) > 200
    chunks = {tuple(datasets.view_positions("chunk_shuffled", 7, 3, seed)) for seed in range(100)}
    blocks = [(0, 1, 2), (3, 4, 5), (6,)]
    orders = ((0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    assert chunks == {blocks[i] + blocks[j] + blocks[k] for i, j, k in orders}


def test_random_views_are_never_the_plain_one():
    for seed in range(50):
        assert datasets.view_positions("shuffled", 2, 1, seed).tolist() == [1, 0]
        assert datasets.view_positions("chunk_shuffled", 4, 2, seed).tolist() == [2, 3, 0, 1]


@pytest.mark.parametrize(
    ("view", "length", "chunk_size", "message"),
    [("shuffled", 1, 1, "at least 2 positions"), ("chunk_shuffled", 6, 6, "chunk_size 6"), ("plan", 6, 1, "plain")],
)
def test_impossible_views_are_refused(view, length, chunk_size, message):
    with pytest.raises(ValueError, match=message):
        datasets.view_positions(view, length, chunk_size, 0)


def test_sizes_of_training_and_of_its_pool():
    assert datasets.training_sizes(100, None, 0) == (100, 100)
    assert datasets.training_sizes(100, None, 30) == (70, 100)
    assert datasets.training_sizes(100, 40, 30) == (40, 100)
    assert datasets.training_sizes(100, 90, 30) == (90, 120)


def test_faults_of_sizes():
    assert list(datasets.training_faults(100, None, 10, "shuffled", 90)) == []
    assert list(datasets.training_faults(100, 5, 0, "full", 90)) == []
    assert list(datasets.training_faults(100, None, 11, "fixed", 90)) == [
        "batch_size 90 is more than the 89 training examples"
    ]
    assert "leaves none" in "".join(datasets.training_faults(100, None, 100, "full", 1))
    with pytest.raises(ValueError, match=r"^one; two$"):
        datasets.refuse(["one", "two"])


def test_recent_values_are_made_once_and_the_oldest_is_forgotten():
    made = []
    recent = Recent(2)

    def value(key):
        return recent.get(key, lambda: made.append(key) or key * 10)

    assert [value(key) for key in (1, 2, 1, 3, 1, 2)] == [10, 20, 10, 30, 10, 20]
    assert made == [1, 2, 3, 2]
    assert len(recent) == 2


def test_a_shared_split_refuses_writing_but_leaves_its_source_alone():
    x, y = np.zeros((3, 2), np.float32), np.zeros(3, np.int64)
    split = datasets.frozen_split(x, y)
    assert not split.x.flags.writeable
    assert not split.y.flags.writeable
    assert x.flags.writeable
    assert y.flags.writeable
    assert datasets.frozen_split(x.astype(float), y.astype(np.int32)).y.dtype == np.int64
