"""What an audit calls a difference, where it says that bits part, and which networks it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from expzoo.runs.audit.audit import chosen
from expzoo.runs.audit.differences import compare
from expzoo.store import records
from expzoo.store.network import Network

KEY = "ab" * 32
ROW = np.arange(5, dtype=np.float32)


def network() -> Network:
    measured = {"accuracy/test": {0: 10.0, 4: float("nan")}}
    losses = np.array([3, 2, 1, 0.5], np.float32)
    return Network(KEY, "finished", 4, {0: ROW, 2: ROW + 1, 4: ROW + 2}, losses, None, measured, {"best": 2})


def test_equal_networks_have_no_difference_and_only_what_both_have_is_compared() -> None:
    again = network()
    del again.rows[2]
    again.measured["loss/train"] = {4: 0.1}
    assert compare(KEY, "alone", network(), again) is None


def negative_zero(one: Network) -> None:
    one.rows[0] = one.rows[0].copy()
    one.rows[0][0] = -0.0


def other_loss(one: Network) -> None:
    one.losses = one.losses.copy()
    one.losses[1] = np.nextafter(one.losses[1], 9)


def other_rows(one: Network) -> None:
    one.rows |= {2: ROW, 4: ROW}


def later_row(one: Network) -> None:
    one.rows |= {4: ROW}


@pytest.mark.parametrize(
    ("change", "where"),
    [(negative_zero, (-1, 0)), (other_loss, (0, 1)), (other_rows, (0, 2)), (later_row, (2, 4))],
)
def test_bits_part_between_the_last_equal_and_the_first_other_step(change, where) -> None:
    again = network()
    change(again)
    found = compare(KEY, "alone", network(), again)
    assert found is not None
    assert (found.same, found.other) == where


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "diverged"}, "finished after 4 steps is stored, diverged after 4 came"),
        ({"mask": np.ones(5, bool)}, "its mask is another one"),
        ({"events": {"best": 0}}, "best is at step 2, and came at step 0"),
        (
            {"measured": {"accuracy/test": {0: 10.000000000000002}}},
            "accuracy/test after step 0 is stored as 10.0 and came as 10.000000000000002",
        ),
    ],
)
def test_what_else_differs_is_said(changes, said) -> None:
    found = compare(KEY, "alone", network(), replace(network(), **changes))
    assert found is not None
    assert (found.what, found.other) == (said, None)


def test_a_network_that_did_not_come_about_is_a_difference() -> None:
    assert compare(KEY, "kill", network(), None) is not None


def test_a_sample_depends_on_the_seed_alone_and_is_never_empty() -> None:
    keys = [f"{number:064x}" for number in range(100)]
    assert chosen(keys, 1.0, 0) == keys
    assert len(chosen(keys, 0.1, 0)) == 10
    assert len(chosen(keys, 0.001, 0)) == 1
    assert chosen(keys[::-1], 0.1, 0) == chosen(keys, 0.1, 0) != chosen(keys, 0.1, 1)
    assert set(chosen(keys, 0.1, 0)) < set(chosen(keys, 0.2, 0))


def test_rows_of_one_run_alone_are_not_compared(tmp_path: Path) -> None:
    def table(seconds: float, loss: float):
        row = {"key": KEY, "seed": 0, "arm": "a", "step": 0}
        times = {"split": records.THIS_RUN, "metric": "seconds", "value": seconds}
        return records.frame([row | times, row | {"split": "test", "metric": "loss", "value": loss}])

    assert records.equal(table(1.0, 0.5), table(2.0, 0.5))
    assert not records.equal(table(1.0, 0.5), table(1.0, 0.6))
