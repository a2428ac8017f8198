"""What is made of networks that learn Life: fits, verdicts from records, pictures."""

from __future__ import annotations

import hashlib
import io
import math

import numpy as np
import pytest
from PIL import Image

from expzoo.analysis.studies.life import curves, pictures, verdicts
from expzoo.analysis.studies.life.fits import growth, half_width
from expzoo.analysis.studies.life.networks import BOARDS, CELLS, KNOWN, SUCCESS, Cell, is_essays
from expzoo.config.registry import build
from expzoo.report import figures
from expzoo.spec.component import Component
from expzoo.store import records

WIDTHS = np.array([1.0, 2.0, 5.0, 10.0, 20.0, 50.0])


@pytest.mark.parametrize("half", [2.0, 7.0, 30.0])
def test_half_of_the_networks_succeed_at_the_width_that_is_found(half):
    trials = np.full(len(WIDTHS), 1e6)
    rate = 1 / (1 + np.exp(-3 * (np.log(WIDTHS) - math.log(half))))
    assert half_width(rate * trials, trials, WIDTHS) == pytest.approx(half, rel=1e-4)


def test_a_width_that_is_not_reached_is_bounded():
    trials = np.full(len(WIDTHS), 20.0)
    assert half_width(np.zeros(6), trials, WIDTHS) == pytest.approx(50)
    assert half_width(trials, trials, WIDTHS) == pytest.approx(1)
    assert 5 < half_width(np.array([0.0, 0, 0, 20, 20, 20]), trials, WIDTHS) < 10


def flips(rates, seeds, salt):
    return (np.random.default_rng(salt).random((seeds, len(rates))) < rates).astype(float)


def test_growth_covers_what_is_true():
    widths = [1, 2, 5, 10, 20, 50]
    rates = [1 / (1 + np.exp(-3 * (np.log(WIDTHS) - math.log(half)))) for half in (3.0, 15.0)]
    sample = np.stack([flips(rate, 40, salt) for salt, rate in enumerate(rates)], 1)
    found = growth(sample, widths)
    assert found.low < 5 < found.high
    assert found.low > 1
    same = growth(np.stack([sample[:, 0], flips(rates[0], 40, 9)], 1), widths)
    assert same.low < 1 < same.high


def rows(cell, successes, trials, cells=95.0):
    """Records of a cell in which the first `successes` networks succeed."""
    found = []
    for seed in range(trials):
        done = seed < successes
        key = hashlib.sha256(f"{cell} {seed}".encode()).hexdigest()
        values = {SUCCESS: 100.0 * done, BOARDS: 100.0 if done else 30.0, CELLS: 100.0 if done else cells}
        common = {"key": key, "seed": seed, "step": 9, "split": "test", "end": True} | cell.columns()
        found += [common | {"metric": metric, "value": value} for metric, value in values.items()]
        found.append(common | {"split": "train", "metric": "late_fall", "value": float(seed)})
    return found


def hand_set(value=100.0):
    key = hashlib.sha256(b"known").hexdigest()
    common = {"key": key, "seed": 0, "step": 0, "split": "test", "end": False, "metric": SUCCESS, "value": value}
    return [common | Cell(KNOWN).columns()]


def judged(*parts):
    table = records.frame([row for part in parts for row in part])
    return {verdict.claim: verdict for verdict in verdicts.judge(table, np.array([(1, 67.0, 1.0), (2, 79.0, 12.0)]))}


def test_rates_are_judged_by_exact_intervals():
    found = judged(rows(Cell("plain"), 0, 200), rows(Cell("smooth"), 20, 100), hand_set())
    assert {name.partition(".")[2]: verdict.verdict for name, verdict in found.items()} == {
        "minimal_net_never_learns": "supported",
        "smooth_minimal_rarely_learns": "supported",
    }
    assert found["life.minimal_net_never_learns"].interval[1] == pytest.approx(1.83, abs=0.01)
    assert "0 of 200" in found["life.minimal_net_never_learns"].note
    too_often = judged(rows(Cell("plain"), 30, 200), hand_set())
    assert too_often["life.minimal_net_never_learns"].verdict == "not supported"


def test_nothing_is_said_if_the_hand_set_weights_fail():
    found = judged(rows(Cell("plain"), 0, 200), hand_set(0.0))
    assert found["life.minimal_net_never_learns"].verdict == "withheld"
    assert "0 of 1" in found["life.minimal_net_never_learns"].self_test


def test_width_needed_and_failed_cells_come_from_a_grid():
    sizes = {(1, 1): 2, (1, 5): 20, (1, 10): 20, (2, 1): 0, (2, 5): 2, (2, 10): 4}
    grid = [rows(Cell("smooth", n, m), count, 20, cells=80.0 + 2 * m) for (n, m), count in sizes.items()]
    found = judged(*grid, hand_set())
    assert found["life.width_needed_grows_with_steps"].verdict == "supported"
    assert "of 72 networks that failed, the loss of 56 still" in found["life.width_needed_grows_with_steps"].note
    halves = "1 step: half succeed at m = 1.9; 2 steps: half succeed at least at m = 10; of 72"
    assert halves in found["life.width_needed_grows_with_steps"].note
    assert found["life.cell_accuracy_hides_failure"].effect == pytest.approx((2 * 82 + 2 * 86 + 16 * 272 / 3) / 20)
    assert "54 failed networks, right in 30.0 % of the boards" in found["life.cell_accuracy_hides_failure"].note


def on_diamonds(cell, right):
    """Records of the enumeration of a cell's networks, of which the first `right` ones are right."""
    found = rows(cell, right, 20)
    return [row | {"split": "all"} for row in found if row["metric"] == SUCCESS]


def test_diamonds_are_counted_of_those_that_succeed():
    cells = [Cell("smooth", 2, m) for m in (1, 5)]
    tried = [on_diamonds(cells[0], 1), on_diamonds(cells[1], 3)]  # the one of m = 1 fails on the drawn boards
    found = judged(rows(cells[0], 0, 20), rows(cells[1], 4, 20), *tried, hand_set())
    note = found["life.cell_accuracy_hides_failure"].note
    assert "36 failed networks" in note
    assert "3 of 4 that succeed are right on all 8192 diamonds" in note


def test_many_steps_are_pooled_and_few_seeds_have_no_halves():
    few = [rows(Cell("smooth", n, m), 2 * (n == 1), 3) for n in (1, 2) for m in (1, 5, 10)]
    found = judged(*few, *[rows(Cell("smooth", 5, m), 0, 40) for m in (1, 20)], hand_set())
    assert found["life.width_needed_grows_with_steps"].verdict == "inconclusive"
    assert found["life.many_steps_never"].verdict == "supported"
    assert found["life.many_steps_never"].n == 80
    assert "0 of 80 networks, pooled" in found["life.many_steps_never"].note


def test_published_values_stand_beside_the_essays_game_only(base):
    part = Component.of
    game = base.replace(dataset=part("dataset", "life"), model=part("model", "life_net"), loss=part("loss", "bce"))
    assert is_essays(game)
    for other in ({"neighbourhood": "moore"}, {"rule": "B2/S23"}, {"edge": "torus"}):
        assert not is_essays(game.replace(dataset=other))
    table = records.frame([row for m in (1, 5) for row in rows(Cell("smooth", 1, m), 3, 8)])
    for essay in (True, False):
        for drawn in (curves.success(table, essay=essay), curves.correct(table, {1: (67.0, 1.0)}, essay=essay)):
            assert ("Rings" in drawn.caption) == essay


def flipped(successes, starts, ks=(0, 6)):
    """Records of sign flips: of each start four trials for each number of flips, of which so many succeed."""
    key = [hashlib.sha256(f"start {start}".encode()).hexdigest() for start in range(starts)]
    common = {"seed": 0, "step": 9, "split": "test", "end": True, "metric": SUCCESS}
    found = [
        common
        | {"key": of, "arm": "flipped", "k": k, "trial": trial, "of": of, "value": 100.0 * (trial < successes[k])}
        for of in key
        for k in ks
        for trial in range(4)
    ]
    again = {"arm": "again", "k": 0, "trial": 0, "value": 100.0}
    return records.frame([*found, *(common | again | {"key": of, "of": of} for of in key)])


def test_lucky_starts_are_judged_at_six_flips_and_more_of_them_settle():
    analysis = build("analysis", "life_sign_flips", ks=(0, 6))
    [few] = analysis.judge(flipped({0: 4, 6: 1}, 3), {})
    assert (few.verdict, few.n_needed, few.effect) == ("inconclusive", None, 25)
    assert few.note.endswith("100 % at 0, 25 % at 6; analysis.life_sign_flips.lucky=8 would settle it")
    [many] = analysis.judge(flipped({0: 4, 6: 1}, 10), {})
    assert many.verdict == "supported"
    [untried] = build("analysis", "life_sign_flips", ks=(0, 1)).judge(flipped({0: 4, 1: 4}, 10, (0, 1)), {})
    assert untried.note == "decided at 6 flips, which ks=[0, 1] does not have"


def test_a_game_is_an_animated_gif_that_marks_what_is_wrong(tmp_path):
    games = np.zeros((2, 5, 4, 4), np.uint8)
    games[0, 3, 1, 1] = 1
    figure = pictures.playing(games, "title", "caption")
    figures.save(figure, tmp_path)
    with Image.open(tmp_path / "playing.gif") as image:
        assert image.n_frames >= 2
        assert image.size == (9 * pictures.PIXELS, 4 * pictures.PIXELS)
    assert figure.data["wrong"].to_list() == [0, 0, 0, 1, 0]
    with Image.open(io.BytesIO(pictures.animation(games[:, 3:4]))) as image:
        assert image.convert("RGB").getpixel((12, 12)) == (0xC2, 0x41, 0x0C)


def test_errors_are_marked_where_they_are():
    boards, truth = np.zeros((2, 3, 3, 3), np.uint8)
    said = truth.copy()
    said[1, 2, 0] = 1
    figure = pictures.strip("title", "caption", boards, said, truth)
    crosses = [line for axes in figure.figure.axes for line in axes.lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(0, 2)]
    assert (figure.data["network"] != figure.data["truth"]).sum() == 1
