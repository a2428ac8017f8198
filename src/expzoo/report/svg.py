"""Takes a picture's SVG into a page: what only draws is kept, anything that could act, fetch or restyle is left out."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any, TypedDict
from xml.etree import ElementTree as ET

from expzoo.report.figures.colours import THEME
from expzoo.system.console import STEERS

MAX_CHARACTERS = 4_000_000
MAX_DEPTH = 60
MAX_PIXELS = 100_000_000
_SVG = "http://www.w3.org/2000/svg"
_DESCRIBES = (
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "http://creativecommons.org/ns#",
    "http://purl.org/dc/elements/1.1/",
)
_ELEMENTS = re.compile(
    "svg|g|defs|clipPath|path|use|rect|circle|ellipse|line|polyline|polygon|text|tspan|image",
)
_ATTRIBUTES = re.compile(
    "viewBox|d|x|y|x1|y1|x2|y2|cx|cy|r|rx|ry|width|height|points|transform|opacity|preserveAspectRatio",
)
_PROPERTIES = re.compile(
    "fill|fill-(opacity|rule)|stroke|stroke-(width|opacity|dasharray|dashoffset|linecap|linejoin|miterlimit)|opacity"
    "|text-anchor|font-(size|weight|style)|image-rendering|clip-path",
)
_PAINTS = ("fill", "stroke", "clip-path")
_VALUE = re.compile(r"[\w\s.,#%+-]*")
_LOCAL = re.compile(r"url\(#([\w.-]+)\)")
_PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=\s]*")
_DOCTYPE = re.compile(r"<!DOCTYPE[^<>\[\]]*>")


class Series(TypedDict):
    """One series of a panel.

    A point is its position on the picture, its name, its value and the ends of its interval.
    """

    label: str
    colour: str
    points: list[list[float | str | None]]


class Panel(TypedDict):
    """What can be pointed at in one panel: where it lies on the picture, what its points and values are called."""

    box: list[float]
    along: str
    point: str
    value: str
    series: list[Series]


def adopt(text: str, prefix: str, label: str) -> tuple[str, list[Panel]]:
    """The SVG `text` ready to stand in a page as an image called `label`, and the values it carries for pointing.

    Every id gets the prefix, so that two pictures never share one. The colours of the theme become the page's.

    Raises:
        ValueError: the text is too long, not XML, nested too deep, or no SVG with a viewBox.
    """
    root = _root(text)
    clean = _clean(root, prefix)
    for name in ("width", "height", "style"):
        clean.attrib.pop(name, None)
    clean.set("role", "img")
    clean.set("aria-label", _words(label) or "")
    return ET.tostring(clean, encoding="unicode"), _readings(root)


def only_draws(text: str) -> bool:
    """Whether an SVG is safe to be opened by itself: nothing in it acts or fetches, as in those that matplotlib writes.

    A page does not rest on it, which shows what `adopt` makes; the file is only offered beside the page.
    """
    try:
        root = _root(text)
    except ValueError:
        return False
    instructions = text.count("<?") - text.startswith("<?xml ")
    return not instructions and all(map(_is_still, root.iter()))


def _is_still(element: ET.Element) -> bool:
    space, _, name = str(element.tag).rpartition("}")
    described = space.removeprefix("{") in _DESCRIBES
    known = space == f"{{{_SVG}" and (_ELEMENTS.fullmatch(name) or name in ("metadata", "style", "title"))
    style = (element.text or "") + element.get("style", "") if name == "style" or "style" in element.attrib else ""
    fetches = "@" in style or "\\" in style or "url(" in _LOCAL.sub("", style)
    links = [value for key, value in element.attrib.items() if _local(key) == "href"]
    acts = any(_local(key).lower().startswith("on") for key in element.attrib)
    return bool(described or known) and not acts and not fetches and all(_reference(link, "") for link in links)


def is_png(content: bytes) -> bool:
    """Whether this begins as a PNG of a size that can be shown: a small file may stand for more than fits in memory."""
    width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
    return content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR" and 0 < width * height <= MAX_PIXELS


def _root(text: str) -> ET.Element:
    text = _DOCTYPE.sub("", text, count=1)
    if len(text) > MAX_CHARACTERS or "<!" in text.replace("<!--", ""):
        raise ValueError("an SVG must be short and without declarations")
    try:
        root = ET.fromstring(text)
    except (ET.ParseError, ValueError, RecursionError) as error:
        raise ValueError(f"not XML: {error}") from error
    if _local(root.tag) != "svg" or not root.get("viewBox"):
        raise ValueError("no SVG with a viewBox")
    return root


def _clean(element: ET.Element, prefix: str, depth: int = 0) -> ET.Element:
    if depth > MAX_DEPTH:
        raise ValueError(f"elements are nested deeper than {MAX_DEPTH}: no SVG of a figure")
    name = _local(element.tag)
    clean = ET.Element(name, _attributes(element, prefix))
    clean.text = _words(element.text) if name in ("text", "tspan") else None
    for child in element:
        if _ELEMENTS.fullmatch(_local(child.tag)):
            adopted = _clean(child, prefix, depth + 1)
            adopted.tail = _words(child.tail) if name in ("text", "tspan") else None
            clean.append(adopted)
    return clean


def _words(text: str | None) -> str | None:
    return STEERS.sub("\N{REPLACEMENT CHARACTER}", text) if text else text


def _attributes(element: ET.Element, prefix: str) -> dict[str, str]:
    kept: dict[str, str | None] = {}
    for qualified, value in element.attrib.items():
        name = _local(qualified)
        if name == "id":
            kept[name] = prefix + value
        elif name == "style":
            kept[name] = "; ".join(_declarations(value, prefix))
        elif name == "href":
            kept[name] = _reference(value, prefix)
        elif name in _PAINTS:
            kept[name] = _value(value, prefix)
        elif _ATTRIBUTES.fullmatch(name):
            kept[name] = value
    return {name: _words(value) or "" for name, value in kept.items() if value is not None}


def _declarations(style: str, prefix: str) -> list[str]:
    kept = []
    for declaration in style.split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":
            kept += _font(value)
        elif _PROPERTIES.fullmatch(name) and (safe := _value(value, prefix)) is not None:
            kept.append(f"{name}: {safe}")
    return kept


def _font(shorthand: str) -> list[str]:
    """Size and weight; the family is the page's."""
    before, _, _ = shorthand.partition("px")
    size = re.search(r"[\d.]+$", before)
    bold = re.search(r"\b(bold|[6-9]00)\b", before)
    return ([f"font-size: {size[0]}px"] if size else []) + (["font-weight: bold"] if bold else [])


def _value(value: str, prefix: str) -> str | None:
    if local := _LOCAL.fullmatch(value.strip()):
        return f"url(#{prefix}{local[1]})"
    return THEME.get(value.strip().lower(), value) if _VALUE.fullmatch(value) else None


def _reference(value: str, prefix: str) -> str | None:
    if value.startswith("#"):
        return f"#{prefix}{value[1:]}"
    if not _PICTURE.fullmatch(value):
        return None
    plain = "".join(value.split())
    return plain if is_png(base64.b64decode(plain.partition(",")[2][:64], validate=False)) else None


def _local(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _readings(root: ET.Element) -> list[Panel]:
    """The values that `figures` writes beside the drawing; none if they are not as it writes them."""
    texts = [element.text or "" for element in root if element.get("id") == "readings"]
    try:
        panels = json.loads(texts[0]) if texts else []
        return [_panel(panel) for panel in panels]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def _panel(panel: dict[str, Any]) -> Panel:
    left, top, right, bottom = panel["box"]
    return {
        "box": [_number(edge) for edge in (left, top, right, bottom)],
        "along": "y" if panel["along"] == "y" else "x",
        "point": str(panel["point"]),
        "value": str(panel["value"]),
        "series": [_series(series) for series in panel["series"]],
    }


def _series(series: dict[str, Any]) -> Series:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", series["colour"]):
        raise ValueError(f"{series['colour']} is no colour")
    points = [
        [
            _number(across),
            _number(down),
            str(name),
            _number(value),
            *(None if n is None else _number(n) for n in bounds),
        ]
        for across, down, name, value, *bounds in series["points"]
    ]
    return {"label": str(series["label"]), "colour": series["colour"], "points": points}


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return value
