"""Figures: fixed looks, intervals against SciPy, values that lie where the picture has them, and equal bytes."""

import csv
import json
import math
import subprocess
import sys
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from expzoo.report import figures
from expzoo.report.figures.draw import _spread
from expzoo.report.figures.figure import Figure
from expzoo.report.figures.files import readings
from expzoo.report.figures.sweep import Surface, SurfacePoint, _range
from expzoo.science.verdicts import Verdict

X = np.array([0.0, 20.0, 36.0, 48.8])
VALUES = np.array([[60.0, 62, 64, 61], [61, 63, 66, 60], [62, 62, 65, 59]])


def verdict(**changes):
    base = {
        "claim": "mnist1d.ticket_beats_dense",
        "statement": "The ticket beats the dense network.",
        "effect": 3.8,
        "unit": "pp",
        "interval": (2.9, 4.7),
        "level": 0.95,
        "n": 6,
        "verdict": "supported",
        "published": "+9 pp",
        "source": "a paper",
        "smallest_effect": 1.0,
        "direction": "greater",
        "rule": "paired t",
    }
    return Verdict(**(base | changes))


def curves(name="accuracy", *, cells=("=1+1", "ticket")):
    figure, (axes,) = figures.canvas()
    figures.curve(axes, X, VALUES, "ticket")
    figures.curve(axes, X, VALUES - 1.5, "<script>alert(1)</script>")
    axes.set(xlabel="sparsity (%)", ylabel="test accuracy (%)")
    figures.name_curves(axes)
    return Figure(name, "Accuracy", "Mean & interval.", figure, pl.DataFrame({"arm": cells, "value": [-1.0, 2.0]}))


def test_arms_of_many_figures_keep_their_looks():
    crowd = [figures.style(arm) for arm in ("random", "reinit", "wide")]
    assert figures.style("ticket") == figures.style("ticket", crowd) == figures.Style("#c2410c", "o")
    assert len({(look.colour, look.marker) for look in figures.ARMS.values()}) == len(figures.ARMS)


@pytest.mark.parametrize(
    "names", [("plain", "shuffled"), tuple("abcdefgh"), ("dense", "ticket", "wide", "late", "deep")]
)
def test_the_arms_of_one_figure_differ_in_colour_and_marker_and_look_the_same_in_all_its_panels(names):
    _, panels = figures.canvas(2)
    looks = [[figures.curve(axes, X, VALUES, name).style for name in names] for axes in panels]
    assert looks[0] == looks[1]
    assert len({look.colour for look in looks[0]}) == len({look.marker for look in looks[0]}) == len(names)


def grey(colour):
    return float(np.dot([int(colour[i : i + 2], 16) for i in (1, 3, 5)], [0.299, 0.587, 0.114])) / 255


def test_colours_stand_out_from_paper_and_from_the_dark():
    for look in figures.ARMS.values():
        assert 0.25 < grey(look.colour) < 0.6


def test_interval_equals_scipy_column_by_column_without_diverged_seeds():
    values = np.array([[1.0, math.nan, 5], [2, 3, math.nan], [4, 7, math.nan]])
    mean, low, high = figures.interval(values)
    for column in range(2):
        kept = values[:, column][np.isfinite(values[:, column])]
        expected = stats.t.interval(0.95, len(kept) - 1, kept.mean(), stats.sem(kept))
        assert (low[column], high[column]) == pytest.approx(expected)
        assert mean[column] == pytest.approx(kept.mean())
    assert mean[2] == 5
    assert math.isnan(low[2])
    assert math.isnan(high[2])


def test_a_curve_draws_mean_and_band():
    _, (axes,) = figures.canvas()
    line = figures.curve(axes, X, VALUES, "ticket")
    np.testing.assert_allclose(line.y, VALUES.mean(axis=0))
    (band,) = axes.collections
    edges = band.get_paths()[0].vertices[:, 1]
    assert (edges.min(), edges.max()) == pytest.approx((line.low.min(), line.high.max()))
    assert axes.get_ylim()[0] < edges.min() < edges.max() < axes.get_ylim()[1]


def test_a_mean_can_bring_its_own_band_or_none():
    _, (axes,) = figures.canvas()
    line = figures.curve(axes, X, VALUES[0], "dense", low=VALUES[0] - 1, high=VALUES[0] + 2, markers=0)
    assert line.high.tolist() == (VALUES[0] + 2).tolist()
    assert np.isnan(figures.curve(axes, X, VALUES[1], "random").low).all()
    assert len(axes.collections) == 1


@pytest.mark.parametrize("values", [VALUES[:, :3], VALUES[0, :2], VALUES[None]])
def test_a_curve_of_another_length_is_refused(values):
    _, (axes,) = figures.canvas()
    with pytest.raises(ValueError, match=r"ticket: values have shape .* not \(seeds, 4\)"):
        figures.curve(axes, X, values, "ticket")


def test_bars_stand_side_by_side_with_every_seed():
    _, (axes,) = figures.canvas()
    left = figures.bars(axes, ["pairs", "triples"], VALUES[:, :2], "ticket", position=(0, 2))
    right = figures.bars(axes, ["pairs", "triples"], VALUES[:, 2:], "random", position=(1, 2))
    assert [patch.get_height() for patch in axes.patches] == [61, *VALUES.mean(axis=0)[1:]]
    assert (left.x < right.x).all()
    seeds = [line for line in axes.lines if line.get_marker() == "."]
    assert sorted(y for line in seeds for y in line.get_ydata()) == sorted(VALUES.ravel())
    with pytest.raises(ValueError, match=r"not \(seeds, 3\)"):
        figures.bars(axes, ["a", "b", "c"], VALUES, "ticket")


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=8), st.floats(0.01, 0.5))
def test_names_keep_their_order_and_distance_and_stay_where_there_is_room(heights, gap):
    moved = _spread(heights, gap)
    order = np.argsort(heights, kind="stable")
    assert (np.diff(np.array(moved)[order]) > gap * (1 - 1e-9)).all()
    if len(heights) == 1 or np.diff(np.array(heights)[order]).min() >= gap * (1 + 1e-9):
        assert moved == pytest.approx(heights)
    assert sum(moved) == pytest.approx(sum(heights), abs=1e-9)


def test_masks_show_each_bit_under_its_caption():
    images = {"ticket": np.eye(3, 5), "random": np.ones((3, 5)), "none": np.zeros((3, 5))}
    figure = figures.masks(images, columns=2)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == list(images)
    for axes, image in zip(shown, images.values(), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array()[..., 3], image)
    with pytest.raises(ValueError, match="wrong: there is none"):
        figures.masks({})
    with pytest.raises(ValueError, match="flat"):
        figures.masks({"flat": np.ones(4)})


def test_the_forest_has_a_row_for_every_claim_and_a_panel_for_every_unit():
    nothing = verdict(claim="b", effect=math.nan, interval=(math.nan, math.nan), verdict="withheld")
    share = verdict(claim="c", unit="%", direction="equivalent", verdict="not supported").to_json()
    picture = figures.forest([verdict(), nothing, share])
    first, second = picture.figure.axes
    assert [text.get_text() for text in first.get_yticklabels()] == ["ticket beats dense", "b"]
    assert second.get_xlabel() == "effect (%)"
    assert picture.data["low"].to_list() == [2.9, None, 2.9]
    strokes = [segment[0][0] for lines in second.collections[:1] for segment in lines.get_segments()]
    assert strokes == [-1.0, 1.0]
    assert figures.forest([]).data.is_empty()


def test_equal_figures_give_equal_bytes(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        first = figures.save(curves(), tmp_path / folder)
    assert [path.name for path in first] == ["accuracy.png", "accuracy.svg", "accuracy.csv"]
    for path in first:
        assert path.read_bytes() == (tmp_path / "one" / path.name).read_bytes()
    assert sorted(tmp_path.rglob("*.*")) == sorted(tmp_path.rglob("accuracy.*"))


def test_saving_leaves_matplotlib_as_it_was(tmp_path):
    before = dict(mpl.rcParams)
    figures.save(curves(), tmp_path)
    assert dict(mpl.rcParams) == before


def test_pyplot_is_never_imported():
    program = "import sys; from expzoo.report import figures; figures.canvas(); sys.exit('{}' in sys.modules)"
    code = program.format("matplotlib.pyplot")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_numbers_are_saved_without_formulas(tmp_path):
    figures.save(curves(), tmp_path)
    with (tmp_path / "accuracy.csv").open() as file:
        assert list(csv.reader(file)) == [["arm", "value"], ["'=1+1", "-1.0"], ["ticket", "2.0"]]


@pytest.mark.parametrize("name", ["../up", "a/b", "", "A", "a" * 81, "nul\0", ".hidden", "a.b"])
def test_a_name_that_is_no_plain_file_name_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="figure name"):
        figures.save(curves(name), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_index_lists_every_figure_once(tmp_path):
    paths = figures.save_all([curves("a"), curves("b")], tmp_path / "figures")
    index = json.loads(paths[-1].read_text())
    assert index == [{"name": name, "title": "Accuracy", "caption": "Mean & interval."} for name in "ab"]
    with pytest.raises(ValueError, match="two figures are called a"):
        figures.save_all([curves("a"), curves("a")], tmp_path / "figures")


def test_values_lie_where_the_picture_has_its_markers(tmp_path):
    figures.save(curves(), tmp_path)
    root = ET.parse(tmp_path / "accuracy.svg").getroot()
    (metadata,) = [element for element in root if element.get("id") == "readings"]
    (panel,) = json.loads(metadata.text or "")
    width, height = map(float, (root.get("viewBox") or "").split()[2:])
    uses = {
        (float(use.get("x", 0)), float(use.get("y", 0)))
        for use in root.iter("{http://www.w3.org/2000/svg}use")
        if float(use.get("y", 0)) > 0
    }
    for series in panel["series"]:
        for across, down, *_ in series["points"]:
            assert min(math.dist((across * width, down * height), use) for use in uses) < 0.05
    assert [point[2] for point in panel["series"][0]["points"]] == ["0", "20", "36", "48.8"]
    assert panel["series"][0]["points"][1][3] == pytest.approx(62.3333)
    assert panel["value"] == "test accuracy (%)"


def test_networks_that_all_diverged_still_give_a_figure(tmp_path):
    figure, (left, right) = figures.canvas(1, 2)
    lost = np.full((3, 4), math.nan)
    figures.curve(left, X, lost, "ticket")
    figures.name_curves(left)
    figures.bars(right, ["a", "b", "c", "d"], lost, "ticket")
    figures.legend(right)
    assert len(figures.save(Figure("lost", "", "", figure, pl.DataFrame({"a": [1]})), tmp_path)) == 3
    assert [series["points"] for panel in readings(figure) for series in panel["series"]] == [[], []]


def test_a_logarithmic_axis_says_that_it_is(tmp_path):
    figure, (left, right) = figures.canvas(1, 2)
    left.set(xscale="log", xlabel="width", yscale="log", ylabel="log10 of the loss")
    right.set(xscale="log", ylabel="loss")
    figures.save(Figure("a", "A", "", figure, pl.DataFrame({"value": [1.0]})), tmp_path)
    labels = [axis.get_label_text() for axes in (left, right) for axis in (axes.xaxis, axes.yaxis)]
    assert labels == ["width (log scale)", "log10 of the loss", "", "loss"]


def test_a_shared_picture_carries_its_title_and_its_caption(tmp_path):
    plain, told = (
        Figure("a", title, caption, curves().figure, pl.DataFrame({"value": [1.0]}))
        for title, caption in (("A", "B"), ("A", "Letters $of$ a long caption. " * 20))
    )
    heights = []
    for one in (plain, told):
        figures.save(one, tmp_path)
        picture = mpl.image.imread(tmp_path / "a.png")
        heights.append(picture.shape[0])
        margins = picture[: int(0.25 * 200)], picture[-int(0.2 * 200) :]
        assert [(edge[..., :3].min() < 0.6) for edge in margins] == [True, True]
    assert heights[1] > heights[0] + 5 * 0.16 * 200 - 1
    assert int(curves().figure.get_figheight() * 200) < heights[0]
    assert "long caption" not in (tmp_path / "a.svg").read_text()  # the page says it beside the picture


def test_colours_do_not_stretch_what_intervals_allow():
    def ends(width):
        points = {(1, i): SurfacePoint(48.0 + 2 * i, 48 + 2 * i - width, 48 + 2 * i + width, 5) for i in (1, 2)}
        return _range(Surface("a", "A", "%", ("x", "y"), {"arm": points}), [50.0, 52.0])

    assert ends(0.1) == (50.0, 52.0)
    assert ends(10.0) == (41.0, 61.0)
