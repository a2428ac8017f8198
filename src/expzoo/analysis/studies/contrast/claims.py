"""Claims in words: which cells are compared, by how much, and under which conditions it must hold."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from expzoo.analysis.studies.contrast.looks import Look
from expzoo.analysis.studies.contrast.selecting import Selector, Terms, minus, words_of
from expzoo.system.errors import BadInput, nearest

if TYPE_CHECKING:
    from expzoo.analysis.studies.contrast.arms import Arm, Cell, Level
    from expzoo.analysis.studies.contrast.reading import Reader
    from expzoo.science.claims import Direction

Form = Literal["pairs", "value", "ratio", "rate", "rates", "peak"]
Scale = Literal["plain", "log", "log_odds"]

CHANCE = "chance"
CONTROL = "control of "
SUBJECTS = ("value_of", "ratio", "rate_of", "difference_of", "slope_of", "exponent_of", "monotone_of", "peak_of", "all")
BOUNDS = ("greater", "less", "equal", "between")
_WORDS = (
    *SUBJECTS,
    *BOUNDS,
    *("by", "within", "of", "at", "for_all", "for_each", "over", "scale", "success", "rising"),
    *("statement", "source", "published", "note", "unit", "control"),
)
_SUCCESS = re.compile(r"(?P<of>.+?) *(?P<sign><=|>=) *(?P<bound>[-+]?\d+(?:\.\d+)?)")
_TRENDS = ("slope_of", "exponent_of", "monotone_of", "peak_of")


@dataclass(frozen=True)
class Condition:
    """One comparison, plus - minus of what `of` names; of a peak, plus has the levels of a factor in order."""

    name: str
    plus: Terms
    minus: Terms = ()
    of: str = ""

    def cells(self) -> list[Cell]:
        """Every cell that it needs."""
        return [cell for _, cell in (*self.plus, *self.minus)]


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
    statement: str = ""
    source: str = ""
    published: str = ""
    note: str = ""
    unit: str = ""
    control: ClaimWords | None = field(default=None, repr=False)

    def cells(self) -> list[Cell]:
        """Every cell that it or its control needs, in order."""
        own = [cell for condition in self.conditions for cell in condition.cells()]
        return list(dict.fromkeys(own + (self.control.cells() if self.control else [])))


class ClaimReader:
    """Reads claims about the cells of a contrast; its arms, factors and measures by name."""

    def __init__(
        self, arms: Mapping[str, Arm], factors: Mapping[str, Mapping[Level, Any]], looks: dict[str, Look]
    ) -> None:
        self.select, self.factors, self.looks = Selector(arms, factors), factors, looks

    def read(self, name: str, node: Reader) -> ClaimWords | None:
        """The claim of a node; None if something in it is wrong, which is then among the faults."""
        before = len(node.faults)
        node.mapping()
        node.only(_WORDS)
        found = self._read(name, node)
        if node.has("control"):
            control = self._read(f"{CONTROL}{name}", node.at("control"))
            found = replace(found, control=control) if found and control else found
        return found if len(node.faults) == before else None

    def _read(self, name: str, node: Reader) -> ClaimWords | None:
        subjects = [word for word in SUBJECTS if node.has(word)]
        if len(subjects) > 1:
            node.fault(f"is about one of {', '.join(subjects)}, not several")
            return None
        if subjects == ["all"]:
            return self._all(name, node)
        direction, bound = self._bound(node, with_pair=not subjects)
        texts: Any = {word: node.at(word).text() for word in ("statement", "source", "published", "note", "unit")}
        of = self._look(node.at("of"), next(iter(self.looks)))
        scale: Any = node.at("scale").one_of(("plain", "log", "log_odds"), "plain")
        conditions, form = self._conditions(node, subjects[0] if subjects else "", direction)
        conditions = [replace(condition, of=of) for condition in conditions]
        if subjects in (["ratio"], ["exponent_of"]):
            scale = "log"
        per = node.at("over").text() if subjects in (["slope_of"], ["exponent_of"]) else ""
        by = node.at("within" if direction == "equivalent" else "by").number(0.0, 0.0)
        reference: Any = bound
        if node.has("between"):
            low, high = (item.number() for item in [*node.at("between").items(), node, node][:2])
            reference, by = (low + high) / 2, (high - low) / 2
        if direction == "equivalent" and by <= 0 and not name.startswith(CONTROL):
            node.fault("says that two things are equal: give `within`, the largest difference that is still none")
        success = node.at("success").text()
        if success:
            of, success = self._success(node.at("success"))
            conditions = [replace(condition, of=of) for condition in conditions]
            form = "rates" if form == "pairs" else form
        if (form in ("rate", "rates")) != bool(success):
            node.fault("a rate, and nothing else, has `success`, such as 'board_success/test >= 100'")
        return ClaimWords(
            name,
            form,
            tuple(conditions),
            direction,
            reference,
            by,
            of,
            scale,
            success,
            node.has("for_each"),
            per,
            **texts,
        )

    def _look(self, node: Reader, default: str) -> str:
        """The measure that a claim is of: one of those that have a name, or a text that says it."""
        text = node.text(default)
        if text not in self.looks and "/" not in text and " " not in text:
            node.fault(f"there is no measure called {text}: {nearest(text, self.looks)}")
            return default
        if text not in self.looks:
            try:
                self.looks[text] = Look.parse(text)
            except BadInput as error:
                node.fault(str(error))
                return default
        return text

    def _success(self, node: Reader) -> tuple[str, str]:
        """A measure, and what it must be for a network to be a success."""
        found = _SUCCESS.fullmatch(node.text())
        if not found:
            node.fault(f"{node.text()!r} is no success: write it like 'board_success/test >= 100'")
            return next(iter(self.looks)), ""
        return self._look(node.instead(found["of"]), ""), f"{found['sign']} {found['bound']}"

    def _bound(self, node: Reader, *, with_pair: bool) -> tuple[Direction, Any]:
        """The direction and the number it is about; of a pair the number is 0."""
        given = [word for word in BOUNDS if node.has(word)]
        if node.has("monotone_of") or node.has("peak_of"):
            falling = node.at("rising").node is False
            return ("less" if falling else "greater"), 0.0
        if len(given) != 1:
            node.fault(f"says one of {', '.join(BOUNDS)}, not {' and '.join(given) or 'none'}")
            return "greater", 0.0
        word, below = given[0], node.at(given[0])
        direction: Direction = "equivalent" if word in ("equal", "between") else word  # type: ignore[assignment]
        if with_pair or word == "between":
            return direction, 0.0
        return direction, CHANCE if below.node == CHANCE else below.number()

    def _conditions(self, node: Reader, subject: str, direction: str) -> tuple[list[Condition], Form]:
        """What is compared, at every level that the claim must hold for."""
        quantified = node.at("for_all").text() or node.at("for_each").text()
        if quantified and quantified not in self.factors:
            node.fault(f"there is no factor {quantified}: {nearest(quantified, self.factors)}")
            quantified = ""
        fixed = self.select.levels(node.at("at"))
        cases = [(level, fixed | {quantified: level}) for level in self.factors[quantified]] if quantified else []
        found, form = [], "pairs"
        for level, levels in cases or [("", fixed)]:
            of_level, form = self._compared(node, subject, levels, direction)
            found += [replace(c, name=f"{quantified} {level}") if quantified else c for c in of_level]
        return found, form  # type: ignore[return-value]

    def _compared(
        self, node: Reader, subject: str, levels: Mapping[str, Level], direction: str
    ) -> tuple[list[Condition], Form]:
        if subject in _TRENDS:
            return self._trend(node, subject, levels)
        if subject in ("value_of", "rate_of"):
            terms = self.select.terms(node.at(subject), levels)
            return [Condition(words_of(terms), terms)], "value" if subject == "value_of" else "rate"
        if subject == "difference_of":
            pairs = [self.select.pair(item, levels) for item in node.at(subject).items()]
            if len(pairs) != 2:
                node.at(subject).fault("is of two pairs: [[a, b], [c, d]] is (a - b) - (c - d)")
                return [], "pairs"
            (a, b), (c, d) = pairs
            return [Condition("the difference of differences", a + minus(b), c + minus(d))], "pairs"
        word = subject or next((word for word in ("greater", "less", "equal") if node.has(word)), "greater")
        treatment, baseline = self.select.pair(node.at(word), levels)
        condition = Condition(f"{words_of(treatment)} - {words_of(baseline)}", treatment, baseline)
        return [condition], "ratio" if subject == "ratio" else "pairs"

    def _trend(self, node: Reader, subject: str, levels: Mapping[str, Level]) -> tuple[list[Condition], Form]:
        factor = node.at("over").one_of(self.factors)
        if not factor:
            return [], "value"
        steps = [self.select.terms(node.at(subject), {**levels, factor: level}) for level in self.factors[factor]]
        if subject == "peak_of":
            return [Condition(f"the peak over {factor}", tuple(term for terms in steps for term in terms))], "peak"
        if subject == "monotone_of":
            pairs = itertools.pairwise(steps)
            return [Condition(f"{words_of(b)} - {words_of(a)}", b, a) for a, b in pairs], "pairs"
        numbers = [level for level in self.factors[factor] if isinstance(level, int | float)]
        if len(numbers) != len(steps):
            node.fault(f"a slope is over numbers: the levels of {factor} are not")
            return [], "value"
        x = [math.log(number) if subject == "exponent_of" else float(number) for number in numbers]
        mean = sum(x) / len(x)
        spread = sum((value - mean) ** 2 for value in x)
        weights = [(value - mean) / spread for value in x]
        terms = tuple((weight * w, cell) for weight, own in zip(weights, steps, strict=True) for w, cell in own)
        return [Condition(f"the slope over {factor}", terms)], "value"

    def _all(self, name: str, node: Reader) -> ClaimWords | None:
        """A claim of several parts, each of which must hold; what they share is said once, beside `all`."""
        shared = {word: node.node[word] for word in node.node if word in ("by", "within", "of", "at", "scale")}
        parts: list[ClaimWords] = []
        for index, item in enumerate(node.at("all").items()):
            item.only(word for word in _WORDS if word != "control")
            if isinstance(item.node, Mapping):
                item.node = {**shared, **item.node}
            if part := self._read(f"{name}[{index}]", item):
                parts.append(part)
        if not parts:
            node.fault("`all` names no part")
            return None
        first = parts[0]
        for part in parts[1:]:
            same = ("form", "direction", "reference", "by", "scale", "success")
            if different := [word for word in same if getattr(part, word) != getattr(first, word)]:
                node.fault(f"the parts of `all` share their {', '.join(different)}")
        of = {part.of for part in parts}
        conditions = tuple(
            replace(condition, name=f"{condition.name} in {part.of}" if len(of) > 1 else condition.name)
            for part in parts
            for condition in part.conditions
        )
        texts: Any = {word: node.at(word).text() for word in ("statement", "source", "published", "note", "unit")}
        return replace(first, name=name, conditions=conditions, **texts)
