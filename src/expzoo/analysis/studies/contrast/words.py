"""The words of a claim, and which of them go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from expzoo.analysis.needs import refusal

if TYPE_CHECKING:
    from expzoo.analysis.studies.contrast.arms import Cell
    from expzoo.analysis.studies.contrast.reading import Reader
    from expzoo.analysis.studies.contrast.selecting import Terms
    from expzoo.science.claims import Direction
    from expzoo.science.statistics import Method

Form = Literal["pairs", "value", "ratio", "rate", "rates", "peak"]
Scale = Literal["plain", "log", "log_odds"]

METHODS: Mapping[Form, Method] = MappingProxyType(
    {
        "pairs": "paired t",
        "value": "one-sample t",
        "ratio": "paired t",
        "rate": "Clopper-Pearson",
        "rates": "Newcombe",
        "peak": "one-sample t",
    }
)
"""How the effect of each form is estimated; equality within something is TOST of what else is a t interval."""
CHANCE = "chance"
PEAKS = ("peak_of", "dip_of")
TRENDS = ("slope_of", "exponent_of", "monotone_of", *PEAKS)
SUBJECTS = ("value_of", "ratio", "rate_of", "difference_of", *TRENDS, "all")
RATED = ("", "rate_of", "difference_of")  # subjects that may be of rates
BOUNDS = ("greater", "less", "equal", "between")
TEXTS = ("statement", "source", "published", "note", "unit")
SHARED = ("by", "within", "of", "at", "scale", "success", "for_all")  # what the parts of `all` may have together
WORDS = (*SUBJECTS, *BOUNDS, *SHARED, "for_each", "over", "rising", *TEXTS, "control")


@dataclass(frozen=True)
class Condition:
    """One comparison, plus - minus, of what `of` names where a term names nothing else.

    Of a peak, plus has the levels of a factor in order.
    """

    name: str
    plus: Terms
    minus: Terms = ()
    of: str = ""

    def terms(self) -> Terms:
        """Every cell that it needs, with what is measured of it."""
        return tuple(term._replace(of=term.of or self.of) for term in (*self.plus, *self.minus))

    def cells(self) -> list[Cell]:
        """Every cell that it needs."""
        return [term.cell for term in self.terms()]


@dataclass(frozen=True)
class ClaimWords:
    """A claim as its file says it, checked: what science needs to know of it besides the numbers."""

    name: str
    form: Form
    conditions: tuple[Condition, ...]
    direction: Direction
    reference: float | Literal["chance"] = 0.0
    by: float = 0.0
    of: str = ""
    scale: Scale = "plain"
    success: str = ""
    each: bool = False
    per: str = ""
    exponent: bool = False
    statement: str = ""
    source: str = ""
    published: str = ""
    note: str = ""
    unit: str = ""
    control: ClaimWords | None = field(default=None, repr=False)

    def own_cells(self) -> list[Cell]:
        """Every cell that it is about, in order."""
        return list(dict.fromkeys(cell for condition in self.conditions for cell in condition.cells()))

    def cells(self) -> list[Cell]:
        """Every cell that it or its control needs, in order."""
        return list(dict.fromkeys(self.own_cells() + (self.control.cells() if self.control else [])))


def texts(node: Reader) -> dict[str, Any]:
    """What a claim says for people."""
    return {word: node.at(word).text() for word in TEXTS}


def middle(node: Reader) -> tuple[float, float]:
    """The middle of two numbers in order, and how far they are from it."""
    items = node.items()
    low, high = ([item.number() for item in items] + [0.0, 0.0])[:2]
    if len(items) != 2 or low >= high:
        node.fault("is between two numbers: [low, high]")
    return (low + high) / 2, (high - low) / 2


def check_words(node: Reader, subject: str, form: str, *, exact: bool) -> None:
    """A fault for each word that says nothing of a claim of this form; `exact` is a control, which may be of 0."""
    if node.has("equal") and not exact and node.at("within").node in (None, 0):
        node.fault("says that two things are equal: give `within`, the largest difference that is still none")
    pairs = [
        ("within", node.has("equal"), "`within` goes with `equal`"),
        ("by", not node.has("equal") and not node.has("between"), "`by` goes with greater and less"),
        ("over", subject in TRENDS, f"`over` goes with {', '.join(TRENDS)}"),
        ("rising", subject == "monotone_of", "`rising` goes with monotone_of"),
        ("for_each", not node.has("for_all"), "says for_all or for_each, not both"),
        ("of", not node.has("success"), "`success` says what is measured: leave out `of`"),
        ("success", form in ("rate", "rates") and subject in RATED, "only a rate has `success`"),
        ("scale", form in ("pairs", "peak") or subject == "slope_of", f"{subject or 'a rate'} has no scale of its own"),
    ]
    for word, sense, why in pairs:
        if node.has(word) and not sense:
            node.fault(why)
    if subject == "rate_of" and not node.has("success"):
        node.fault("a rate has `success`, such as 'board_success/test >= 100'")


def check_needs(node: Reader) -> None:
    """A fault for each text that says nothing that an experiment's other parts could be."""
    for item in node.items():
        if why := refusal(item.text()):
            item.fault(why)
