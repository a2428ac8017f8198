"""Random numbers from counters: known answers, an independent Philox, and the statistics that can go wrong."""

from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from expzoo.system.randomness import integers, member_seed, permutation, stable_hash, uniforms, words

_MASK = 2**64 - 1


def obvious_philox(counter, key):
    """One block of Philox4x64-10, as Salmon et al. 2011 write it."""
    (a, b, c, d), (low, high) = counter, key
    for _ in range(10):
        first, second = 0xD2E7470EE14C6C93 * a, 0xCA5A826395121157 * c
        a, b, c, d = second >> 64 ^ b ^ low, second & _MASK, first >> 64 ^ d ^ high, first & _MASK
        low, high = low + 0x9E3779B97F4A7C15 & _MASK, high + 0xBB67AE8584CAA73B & _MASK
    return [a, b, c, d]


def obvious_words(seed, purpose, counters, count):
    digest = hashlib.sha256(f"{seed}/{purpose}/{counters}".encode()).digest()
    key = [int.from_bytes(digest[start : start + 8], "little") for start in (0, 8)]
    blocks = (obvious_philox([block, 0, 0, 0], key) for block in itertools.count(1))
    return list(itertools.islice(itertools.chain.from_iterable(blocks), count))


@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ([0] * 4, [0] * 2, "16554d9eca36314c db20fe9d672d0fdc d7e772cee186176b 7e68b68aec7ba23b"),
        ([_MASK] * 4, [_MASK] * 2, "87b092c3013fe90b 438c3c67be8d0224 9cc7d7c69cd777b6 a09caebf594f0ba0"),
        (
            [0x243F6A8885A308D3, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89],
            [0x452821E638D01377, 0xBE5466CF34E90C6C],
            "a528f45403e61d95 38c72dbd566e9788 a5a1610e72fd18b5 57bd43b5e52b7fe6",
        ),
    ],
)
@pytest.mark.check("D8")
def test_the_oracle_gives_the_known_answers_of_random123(counter, key, answer):
    assert [f"{word:016x}" for word in obvious_philox(counter, key)] == answer.split()


@pytest.mark.parametrize(("seed", "purpose", "counter"), [(0, "order", 0), (3, "init", 7), (2**62, "mask/a.b", [4, 5])])
def test_words_are_philox_of_the_hashed_key(seed, purpose, counter):
    counters = [counter] if isinstance(counter, int) else counter
    found = words(seed, purpose, counter, 11)
    assert found.dtype == np.uint64
    assert found.tolist() == obvious_words(seed, purpose, counters, 11)


def test_the_first_words_never_change():
    assert words(0, "order", 0, 4).tolist() == [
        2181172768313957871,
        8683821611249599315,
        5806530182597349919,
        9874232920723816356,
    ]
    assert words(1, "order", 0, 2).tolist() == [3585510435349419125, 12697064036479202085]
    assert member_seed(0, 0) == 5814367041917012105
    assert member_seed(1, 0) == 3127796050237048473
    assert stable_hash("a", "b") == 7350028596945713534


def test_numbers_depend_on_the_counter_only_and_not_on_what_was_drawn_before_or_how_much():
    first = uniforms(5, "noise", 3, 1000)
    uniforms(5, "noise", 2, 17)
    assert np.array_equal(uniforms(5, "noise", 3, 10), first[:10])
    assert np.array_equal(uniforms(5, "noise", [3], 1000), first)


@pytest.mark.check("D8")
def test_a_hundred_thousand_keys_have_as_many_streams():
    keys = itertools.product(range(100), ("order", "init", "mask/w", "mask/b", "label noise"), range(200))
    assert len({int(words(*key, 1)[0]) for key in keys}) == 100_000


def test_a_hundred_thousand_members_have_as_many_seeds():
    seeds = {member_seed(run, index) for run in range(100) for index in range(1000)}
    assert len(seeds) == 100_000
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_parts_are_hashed_with_their_types_and_borders():
    parts = [("ab",), ("a", "b"), ("b", "a"), (1,), ("1",), (1, 1), (11,), ("",), (), ("a;str:1:b",), (-1,), (True,)]
    assert len({stable_hash(*part) for part in parts}) == len(parts)


def test_a_larger_population_keeps_its_first_members():
    seeds = [member_seed(7, index) for index in range(20)]
    assert seeds[:10] == [member_seed(7, index) for index in range(10)]
    assert not set(seeds) & {member_seed(8, index) for index in range(20)}


def test_uniforms_lie_in_the_unit_interval_and_are_uniform():
    numbers = uniforms(1, "test", 0, 200_000)
    assert numbers.dtype == np.float64
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.array_equal(numbers * 2.0**53, np.floor(numbers * 2.0**53))
    assert kstest(numbers, "uniform").pvalue > 1e-3


def test_integers_fill_their_range_evenly():
    numbers = integers(1, "test", 0, 70_000, 7)
    assert numbers.dtype == np.int64
    assert chisquare(np.bincount(numbers, minlength=7)).pvalue > 1e-3
    assert set(integers(1, "test", 1, 50, 1)) == {0}


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10, 1001])
def test_permutations_hold_every_number_once(count):
    order = permutation(4, "order", 2, count)
    assert order.dtype == np.int64
    assert sorted(order) == list(range(count))


def test_all_permutations_of_four_are_equally_likely():
    seen = [tuple(permutation(seed, "order", 0, 4)) for seed in range(4800)]
    assert len(set(seen)) == 24
    assert chisquare([seen.count(order) for order in set(seen)]).pvalue > 1e-3


def correlations(streams):
    """The correlation of each stream with the next one."""
    return [np.corrcoef(one, other)[0, 1] for one, other in itertools.pairwise(streams)]


@pytest.mark.check("D8")
def test_neighbours_are_independent():
    count = 10_000
    by_seed = [uniforms(seed, "init", 0, count) for seed in range(50)]
    by_step = [uniforms(0, "order", step, count) for step in range(50)]
    by_member = [uniforms(member_seed(0, index), "init", 0, count) for index in range(50)]
    by_purpose = [uniforms(0, f"mask/{name}", 0, count) for name in range(50)]
    for streams in (by_seed, by_step, by_member, by_purpose):
        assert np.abs(correlations(streams)).max() < 5 / np.sqrt(count)


def test_successive_words_and_bits_are_independent():
    drawn = words(9, "test", 0, 100_000)
    numbers = drawn.astype(np.float64)
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 5 / np.sqrt(len(drawn))
    ones = [int((drawn >> np.uint64(bit) & np.uint64(1)).sum()) for bit in range(64)]
    assert np.abs(np.array(ones) - 50_000).max() < 5 * np.sqrt(25_000)
