"""What others found, as numbers beside ours in the pictures, and where it was found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from expzoo.config import registry
from expzoo.system.errors import nearest

if TYPE_CHECKING:
    from expzoo.analysis.studies.contrast.arms import Cell
    from expzoo.analysis.studies.contrast.claims import ClaimReader
    from expzoo.analysis.studies.contrast.reading import Reader

HOMES = ("dataset", "model")


@dataclass(frozen=True)
class Published:
    """Published values of one measure by cell, in its unit, and where they stand."""

    source: str
    values: Mapping[Cell, float]


def read_published(node: Reader, claims: ClaimReader) -> dict[str, Published]:
    """By measure, or by success such as 'board_success/test >= 100', what was published of which cells."""
    found = {}
    for of, part in node.mapping().items():
        part.only(("source", "values"))
        if not part.at("source").text():
            part.fault("needs `source`: where these values are published")
        if not (values := part.at("values").mapping()):
            part.fault("needs `values`: arm -> value")
        cells = {}
        for name, value in values.items():
            terms = claims.select.terms(value.instead(name), {})
            cells |= {term.cell: value.number() for term in terms}
        found[claims.measure(part, of)] = Published(part.at("source").text(), cells)
    return found


def check_home(node: Reader) -> None:
    """A fault for each text that says no dataset or model, such as dataset=mnist1d or model=mlp|cnn1d."""
    for item in node.items():
        kind, _, names = item.text().partition("=")
        if kind not in HOMES or not names:
            item.fault(f"{item.text()!r} is no home: write it like dataset=mnist1d or model=mlp|cnn1d")
            continue
        for name in names.split("|"):
            if name not in (known := registry.available(kind)):
                item.fault(f"there is no {kind}={name}: {nearest(name, known)}")
