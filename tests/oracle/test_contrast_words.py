"""Words of a contrast that go beyond two arms: rates, dips, averages of networks, published values."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.contrasts import ARMS, CROSS, SEEN, SWEEP, TWO, made, seen, verdict

import expzoo
from expzoo.analysis.studies.contrast.building import Builder
from expzoo.config.registry import build
from expzoo.lab.request import Request
from expzoo.science.statistics import newcombe
from expzoo.spec.spec import Average, Spec

if TYPE_CHECKING:
    from expzoo.report.figures.figure import Figure

LINE = {"arms": {"a": {}, "b": {"init": {"fresh": {"draw": 1}}}, "path": {"init": {"average": {"of": ["a", "b"]}}}}}
SHARES = {"init.share": [0, 0.25, 1]}


def counted(arm: str, levels: Any, seed: int) -> float:
    """Successes: six of eight for a, three of eight for b, alike in both halves."""
    return float(seed % 4 < 3 if arm == "a" else seed in (0, 3, 6))


@pytest.mark.parametrize(("bound", "outcome"), [(-60, "supported"), (90, "not supported"), (30, "inconclusive")])
def test_a_difference_of_two_rates_against_a_bound_is_newcombes(bound: int, outcome: str) -> None:
    claim = {"difference_of": ["a", "b"], "success": "score/test >= 1", "greater": bound}
    found = verdict(counted, claim, arms=TWO)
    expected = newcombe((6, 3), (8, 8), level=0.95).scaled(100)
    assert (found.effect, *found.interval) == pytest.approx((expected.effect, expected.low, expected.high))
    assert (found.verdict, found.rule, found.reference) == (outcome, "Newcombe", bound)
    assert "a: 6 of 8; b: 3 of 8" in found.note


def test_a_difference_of_two_arms_may_be_at_most_something() -> None:
    claim = {"difference_of": ["a", "b"], "less": 10}
    assert verdict(seen, claim, arms=ARMS).verdict == "supported"
    assert verdict(seen, {**claim, "less": -20}, arms=ARMS).verdict == "not supported"


def test_a_dip_is_a_peak_turned_over() -> None:
    dip = lambda arm, levels, seed: 40.0 * (levels["model.width"] != 32) + 0.1 * SEEN["a", ""][seed]  # noqa: E731
    peak = lambda *of: -dip(*of)  # noqa: E731
    found = [
        verdict(value, {f"{word}_of": "a", "over": "model.width"}, arms={"a": {}}, sweep=SWEEP)
        for value, word in ((dip, "dip"), (peak, "peak"), (peak, "dip"))
    ]
    assert [one.verdict == "supported" for one in found] == [True, True, False]
    assert found[0].interval == pytest.approx(found[1].interval)


def test_a_path_is_averages_of_its_ends() -> None:
    start = Spec.from_config(expzoo.compose("stop.steps=20", "budget=smoke"))
    analysis = build("analysis", "contrast", **LINE, sweep=SHARES)
    builder = Builder(analysis.words.arms, analysis.words.factors)
    specs = {cell.words: builder.spec(start, cell) for cell in analysis.cells}
    ends = specs["a, init.share 0"], specs["b, init.share 0"]
    assert specs["path, init.share 0.25"] == start.replace(init=Average(ends, (0.75, 0.25)))
    assert len({spec.key for name, spec in specs.items() if name.startswith(("a,", "b,"))}) == 2
    soup = {**LINE["arms"], "soup": {"init": {"average": {"of": ["a", "b"], "shares": [0.9, 0.1], "step": 3}}}}
    plain = build("analysis", "contrast", arms=soup)
    made = {cell.words: Builder(plain.words.arms, {}).spec(start, cell) for cell in plain.cells}
    assert made["soup"] == start.replace(init=Average((made["a"], made["b"]), (0.9, 0.1), 3))
    assert made["path"] == start.replace(init=Average((made["a"], made["b"]), (0.5, 0.5)))


def test_an_average_starts_at_the_mean_of_the_weights(base: Spec, open_lab: Callable[..., Any]) -> None:
    short = base.replace(stop={"steps": 4})
    ends = short, short.replace(seed=short.seed + 1)
    averaged = [short.replace(init=Average(ends, (1 - share, share))) for share in (0.0, 0.25, 1.0)]
    networks = open_lab().train(Request((*ends, *averaged), steps=(0,)))
    first, second = (network.row() for network in networks[:2])
    starts = [network.row(0) for network in networks[2:]]
    assert np.array_equal(starts[0], first)
    assert np.array_equal(starts[2], second)
    assert np.allclose(starts[1], 0.75 * first + 0.25 * second, atol=1e-7)
    assert not np.array_equal(networks[3].row(), starts[1])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"arms": {"a": {}, "b": {"init": {"average": {"of": ["a"]}}}}}, "needs `of`: from 2 to 100 arms"),
        ({"arms": {"a": {}, "b": {"init": {"average": {"of": ["a", "x"]}}}}}, "there is no arm called x"),
        (
            {"arms": {"a": {}, "b": {"init": {"average": {"of": ["a", "a"], "shares": [0.5, 0.6]}}}}},
            "arms.b.init.average.shares: are one number for each arm, which add up to 1",
        ),
        ({"arms": TWO, "sweep": SHARES}, "sweep.init.share: is swept for an arm with"),
        ({**LINE, "sweep": {"init.share": [0, 2]}}, "sweep.init.share: is swept over numbers from 0"),
        ({"arms": {"a": {"init": {"path": {"of": ["a"]}}}}}, "has no path: a path is {average: {of: [a, b]}} with"),
        (
            {"arms": TWO, "claims": {"zoo.c": {"greater": ["a", "b"], "match": "steps"}}},
            "has no match: arms are matched",
        ),
        ({"home": ["dataset=mnist2d"]}, "home[0]: there is no dataset=mnist2d: did you mean mnist1d?"),
        ({"home": ["loss=mse"]}, "home[0]: 'loss=mse' is no home: write it like dataset=mnist1d"),
        ({"arms": TWO, "published": {"score": {"values": {"a": 1}}}}, "published.score: needs `source`"),
        ({"arms": TWO, "published": {"score": {"source": "x", "values": {"c": 1}}}}, "there is no arm called c"),
        ({"arms": TWO, "published": {"scor": {"source": "x", "values": {"a": 1}}}}, "there is no measure called scor"),
        ({"arms": TWO, "claims": {"zoo.c": {"dip_of": "a", "over": "view"}}, "cross": CROSS}, "a dip is of at least 3"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_said(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        build("analysis", "contrast", **options)


PUBLISHED = {
    "score": {"source": "a table", "values": {"a.plain": 70, "b.plain": 90}},
    "score/test >= 60": {"source": "a figure", "values": {"a.plain": 100}},
}
RATE = {"zoo.rate": {"rate_of": "a.plain", "success": "score/test >= 60", "greater": 5}}


def figures(away: bool, **options: Any) -> list[Figure]:
    analysis, table, arrays = made(seen, claims=RATE, published=PUBLISHED, **options)
    return list(analysis.draw(table, arrays | ({"away": np.ones(1)} if away else {})))


def test_published_values_are_marked_at_home_only() -> None:
    mean, success = figures(away=False, arms=TWO, cross=CROSS)
    assert (mean.name, success.name) == ("score", "success")
    assert mean.caption.endswith("Black dashes are published values, a table.")
    assert "at least 60. Intervals are exact, of 95 %. Black dashes are published values, a figure." in success.caption
    marks = [line for line in mean.figure.axes[0].lines if line.get_marker() == "_" and len(line.get_xdata())]
    assert [list(line.get_ydata()) for line in marks] == [[70, 90]]
    for picture in figures(away=True, arms=TWO, cross=CROSS):
        assert "published" not in picture.caption


def test_rates_over_a_sweep_have_exact_intervals() -> None:
    claim = {"zoo.rate": {"rate_of": {"arm": "a", "model.width": 8}, "success": "score/test >= 50", "greater": 5}}
    rings = {"score/test >= 50": {"source": "a figure", "values": {"a.8": 30}}}
    control = {"zoo.b": {"greater": ["a.64", "a.8"], "control": {"greater": ["b.64", "a.8"]}}}
    analysis, table, arrays = made(seen, arms=TWO, sweep=SWEEP, claims=claim | control, published=rings)
    _, picture = analysis.draw(table, arrays)
    shown = [line for line in picture.figure.axes[0].lines if line.get_label() == "a"]
    expected = [100 * float((SEEN["a", width] >= 50).mean()) for width in SWEEP["model.width"]]
    assert list(shown[0].get_ydata()) == pytest.approx(expected)
    assert picture.caption.endswith("Rings are published values, a figure.")
    assert not [line for line in picture.figure.axes[0].lines if line.get_label() == "b"]  # of a control alone


def test_a_contrast_knows_its_home() -> None:
    home = ("dataset=mnist1d", "model=mlp|cnn1d")
    assert tuple(build("analysis", "contrast", home=home).HOME) == home
