"""Figures as files: a picture with title and caption (png), one for the page with its values (svg), the numbers."""

from __future__ import annotations

import io
import json
import math
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np
import polars as pl
from matplotlib import rc_context
from matplotlib.figure import Figure as MatplotlibFigure

from expzoo.report.figures.colours import INK, MUTED, PAPER
from expzoo.report.figures.draw import Series
from expzoo.system.errors import BadInput
from expzoo.system.files import write_atomically
from expzoo.system.untrusted import quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Drawing

    from expzoo.report.figures.figure import Figure

INDEX = "figures.json"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")
_SVG = {"svg.hashsalt": "expzoo", "svg.fonttype": "none", "svg.image_inline": True}
_DPI = 200
_PER_INCH = 15  # letters of a caption
_LINE = 0.16  # inches between its lines
_FORMULA = r"^([=+\-@\t\r])"


def save(figure: Figure, folder: Path | str) -> list[Path]:
    """Write NAME.png, NAME.svg, NAME.csv and, if it moves, NAME.gif into an existing folder: equal bytes if equal.

    Raises:
        ValueError: the name is no plain file name.
    """
    if not NAME.fullmatch(figure.name):
        raise ValueError(f"figure name {figure.name!r} must be lower-case letters, digits, _ and -, at most 80")
    _say_logarithms(figure.figure)
    contents = {"png": _png(figure), "svg": _svg(figure.figure), "csv": _csv(figure.data)}
    contents |= {"gif": figure.animation} if figure.animation else {}
    paths = []
    for ending, content in contents.items():
        paths.append(Path(folder) / f"{figure.name}.{ending}")
        write_atomically(paths[-1], content)
    return paths


def save_all(figures: Iterable[Figure], folder: Path | str) -> list[Path]:
    """Save every figure into the folder, made if need be, and write figures.json: name, title and caption of each.

    Raises:
        ValueError: two figures share a name, one is no plain file name, or the folder is a link to elsewhere.
    """
    folder = Path(folder)
    if folder.is_symlink():
        raise BadInput(f"{quoted(folder)} is a link: nothing is written where it leads")
    folder.mkdir(parents=True, exist_ok=True)
    index: list[dict[str, str]] = []
    paths: list[Path] = []
    for figure in figures:
        if any(entry["name"] == figure.name for entry in index):
            raise ValueError(f"two figures are called {figure.name}")
        paths += save(figure, folder)
        index.append({"name": figure.name, "title": figure.title, "caption": figure.caption})
    write_atomically(folder / INDEX, (json.dumps(index, indent=2, ensure_ascii=False) + "\n").encode())
    return [*paths, folder / INDEX]


def readings(figure: Drawing) -> list[dict[str, Any]]:
    """What a page needs to show values where the reader points.

    Positions are fractions of the figure from its top left.

    One entry for each axes that has a `Series`: its box, its labels, and each series' points
    [across, down, name, value, low, high], where null is a number that does not exist.
    """
    panels = [(axes, [line for line in axes.lines if isinstance(line, Series)]) for axes in figure.axes]
    return [_panel(axes, lines) for axes, lines in panels if lines]


def _panel(axes: Axes, lines: list[Series]) -> dict[str, Any]:
    (left, bottom), (right, top) = axes.get_position().get_points().tolist()
    across = lines[0].across
    return {
        "box": [round(fraction, 5) for fraction in (left, 1 - top, right, 1 - bottom)],
        "along": "y" if across else "x",
        "point": "" if across or lines[0].names else axes.get_xlabel(),
        "value": axes.get_xlabel() if across else axes.get_ylabel(),
        "series": [
            {"label": str(line.get_label()), "colour": str(line.get_color()), "points": _points(axes, line)}
            for line in lines
        ],
    }


def _points(axes: Axes, line: Series) -> list[list[Any]]:
    figure = axes.get_figure(root=True)
    assert figure is not None
    size = figure.bbox.size
    names = line.names or tuple(f"{x:.6g}" for x in line.x)
    values = line.x if line.across else line.y
    points = []
    for x, y, name, *numbers in zip(line.x, line.y, names, values, line.low, line.high, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            across, up = (axes.transData.transform((x, y)) / size).tolist()
            plain = [float(f"{number:.6g}") if math.isfinite(number) else None for number in numbers]
            points.append([round(across, 5), round(1 - up, 5), name, *plain])
    return points


def _say_logarithms(figure: Drawing) -> None:
    """Say of each labelled axis whose scale is logarithmic that it is."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        label = axis.get_label_text()
        if axis.get_scale() == "log" and label and "log" not in label:
            axis.set_label_text(f"{label} (log scale)")


def _png(figure: Figure) -> bytes:
    """The picture between its title and its caption, so that it can be understood wherever it is shared."""
    width, height = figure.figure.get_size_inches()
    drawn = io.BytesIO()
    figure.figure.savefig(drawn, format="rgba", dpi=_DPI)
    pixels = np.frombuffer(drawn.getvalue(), np.uint8).reshape(-1, int(width * _DPI), 4)
    columns = int(width * _PER_INCH)
    title, caption = textwrap.fill(figure.title, columns * 9 // 12), textwrap.fill(figure.caption, columns)
    above, below = (_LINE * (text.count("\n") + 1) * size + 0.1 for text, size in ((title, 1.3), (caption, 1)))
    page = MatplotlibFigure(figsize=(width, height + above + below), dpi=_DPI, facecolor=PAPER)
    page.figimage(pixels, 0, round(below * _DPI))
    edge, high = 0.1 / width, page.get_figheight()
    page.text(edge, 1 - 0.08 / high, title, fontsize=12, fontweight="bold", color=INK, va="top", parse_math=False)
    page.text(edge, (below - 0.02) / high, caption, fontsize=9, color=MUTED, va="top", parse_math=False)
    buffer = io.BytesIO()
    page.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _svg(figure: Drawing) -> bytes:
    buffer = io.StringIO()
    with rc_context(_SVG):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    # after drawing, since the layout is only then where the picture has it
    values = json.dumps(readings(figure), ensure_ascii=False, separators=(",", ":"))
    head, end, tail = buffer.getvalue().rpartition("</svg>")
    return f'{head} <metadata id="readings">{escape(values)}</metadata>\n{end}{tail}'.encode()


def _csv(data: pl.DataFrame) -> bytes:
    """The numbers; text that a spreadsheet would run as a formula is led by an apostrophe."""
    text = [name for name, dtype in data.schema.items() if dtype == pl.String]
    safe = data.with_columns(pl.col(name).str.replace(_FORMULA, "'${1}") for name in text)
    safe.columns = [re.sub(_FORMULA, r"'\1", name) for name in safe.columns]
    return safe.write_csv().encode()
