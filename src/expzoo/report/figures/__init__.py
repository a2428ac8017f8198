"""Drawing, and only drawing: one house style for every figure. What is drawn was measured elsewhere.

from expzoo.study import figures

figure, (axes,) = figures.canvas()
figures.curve(axes, x, values, "ticket")     # values (seeds, points): the mean and its 95 % interval
figures.name_curves(axes)
"""

from expzoo.report.figures.draw import Series, bars, curve, interval, legend, masks, name_curves
from expzoo.report.figures.files import save, save_all
from expzoo.report.figures.forest import forest
from expzoo.report.figures.style import ARMS, Style, canvas, style

__all__ = [
    "ARMS",
    "Series",
    "Style",
    "bars",
    "canvas",
    "curve",
    "forest",
    "interval",
    "legend",
    "masks",
    "name_curves",
    "save",
    "save_all",
    "style",
]
