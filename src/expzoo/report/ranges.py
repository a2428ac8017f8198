"""The small pictures of the page's table: an effect, its interval, no effect and the smallest effect that matters."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from expzoo.science import wording
from expzoo.science.verdicts import Outcome, Verdict

_WIDTH, _HEIGHT, _MARGIN = 320, 26, 8
_STROKE = Markup('<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/>')
_PICTURE = Markup(
    '<svg class="range" viewBox="0 0 {} {}" preserveAspectRatio="xMinYMid" role="img" aria-label="{}">{}</svg>'
)


def span(verdicts: Sequence[Verdict]) -> tuple[float, float]:
    """The scale that verdicts of one unit share: it holds zero, every interval and what decides."""
    numbers = [0.0]
    for verdict in verdicts:
        numbers += [verdict.effect, *verdict.interval, *wording.thresholds(verdict)]
    finite = [number for number in numbers if math.isfinite(number)]
    low, high = min(finite), max(finite)
    return (low, high) if low < high else (low - 1.0, high + 1.0)


def draw(verdict: Verdict, scale: tuple[float, float]) -> Markup:
    """The verdict's numbers on the scale; nothing if no effect was measured."""
    low, high = scale

    def x_of(number: float) -> float:
        part, whole = number / 1024 - low / 1024, high / 1024 - low / 1024  # exact, and overflows nowhere
        return round(_MARGIN + (_WIDTH - 2 * _MARGIN) * part / whole, 2)

    if math.isnan(verdict.effect):
        return Markup("")
    middle = _HEIGHT / 2
    parts = [_STROKE.format("zero", x_of(0), x_of(0), 1, _HEIGHT - 1)]
    parts += [_STROKE.format("least", x_of(end), x_of(end), 3, _HEIGHT - 3) for end in wording.thresholds(verdict)]
    if wording.has_interval(verdict):
        parts.append(_STROKE.format("bar", *map(x_of, verdict.interval), middle, middle))
    parts.append(mark(verdict.verdict, x_of(verdict.effect), middle, 5))
    said = f"{wording.effect(verdict)}, interval {wording.interval(verdict)}"
    return _PICTURE.format(_WIDTH, _HEIGHT, said, Markup("").join(parts))


def mark(outcome: str, x: float, y: float, size: float) -> Markup:
    """The sign of an outcome around (x, y): a disc, a cross, a diamond or a square, apart without colour."""
    if outcome == "supported":
        return Markup('<circle class="mark" cx="{}" cy="{}" r="{}"/>').format(x, y, size)
    arm, half = 0.55 * size, 0.85 * size
    quarter = {
        "not supported": [(0.0, -arm), (size - arm, -size), (size, arm - size)],
        "inconclusive": [(0.0, -1.1 * size)],
        "withheld": [(half, -half)],
    }[outcome]
    corners = []
    for _ in range(4):
        corners += quarter
        quarter = [(-down, across) for across, down in quarter]
    return Markup('<polygon class="mark" points="{}"/>').format(
        " ".join(f"{x + across:.2f},{y + down:.2f}" for across, down in corners)
    )


def guide() -> list[tuple[str, Markup, str]]:
    """Each outcome with an example and what it means."""
    examples: list[tuple[Outcome, float, str]] = [
        ("supported", 2.9, "The whole interval lies beyond the smallest effect, on the claimed side."),
        ("not supported", 0.1, "The whole interval lies short of it: no such effect, or the opposite one."),
        ("inconclusive", 1.3, "The interval holds the smallest effect: these seeds cannot tell."),
        ("withheld", 2.2, "A control with a known answer failed, so the measurement is not trusted."),
    ]
    return [(outcome, draw(_example(outcome, effect), (-1.0, 5.0)), text) for outcome, effect, text in examples]


def _example(outcome: Outcome, effect: float) -> Verdict:
    return Verdict(
        claim="example",
        statement="",
        effect=effect,
        unit="",
        interval=(effect - 0.8, effect + 0.8),
        level=0.95,
        n=6,
        verdict=outcome,
        published="",
        source="",
        smallest_effect=1.0,
        direction="greater",
        rule="paired t",
    )
