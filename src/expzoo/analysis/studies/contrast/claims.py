"""Claims in words: which cells are compared, by how much, and under which conditions it must hold."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from expzoo.analysis.studies.contrast.looks import NUMBER, STEPS, Look
from expzoo.analysis.studies.contrast.selecting import Selector, Terms, minus, words_of
from expzoo.analysis.studies.contrast.words import (
    BOUNDS,
    CHANCE,
    PEAKS,
    SHARED,
    SUBJECTS,
    TEXTS,
    TRENDS,
    WORDS,
    ClaimWords,
    Condition,
    Form,
    check_words,
    middle,
    texts,
)
from expzoo.system.errors import BadInput, nearest

if TYPE_CHECKING:
    from expzoo.analysis.studies.contrast.arms import Arm, Level
    from expzoo.analysis.studies.contrast.reading import Reader
    from expzoo.science.claims import Direction

CONTROL = "control of "
FEWEST_OF_PEAK = 3  # levels: an end on both sides
_CALLED = re.compile(r"[\w.-]{1,120}")
_SUCCESS = re.compile(rf"(?P<of>.+?) *(?P<sign><=|>=) *(?P<bound>{NUMBER})")


class ClaimReader:
    """Reads claims about the cells of a contrast; its arms, factors and measures by name."""

    def __init__(
        self, arms: Mapping[str, Arm], factors: Mapping[str, Mapping[Level, Any]], looks: dict[str, Look]
    ) -> None:
        self.select, self.factors, self.looks = Selector(arms, factors, self._look), factors, looks

    def read(self, name: str, node: Reader) -> ClaimWords | None:
        """The claim of a node; None if something in it is wrong, which is then among the faults."""
        before = len(node.faults)
        if not _CALLED.fullmatch(name):
            node.fault("a claim is called by letters, digits, _ . and -")
        node.only(WORDS)
        found = self._read(name, node)
        if node.has("control"):
            control = node.at("control")
            control.only(word for word in WORDS if word not in ("control", "for_each"))
            read = self._read(f"{CONTROL}{name}", control)
            found = replace(found, control=read) if found and read else found
        return found if len(node.faults) == before else None

    def _read(self, name: str, node: Reader) -> ClaimWords | None:
        subjects = [word for word in SUBJECTS if node.has(word)]
        if len(subjects) > 1:
            node.fault(f"is about one of {', '.join(subjects)}, not several")
            return None
        if subjects == ["all"]:
            return self._all(name, node)
        subject = subjects[0] if subjects else ""
        before = len(node.faults)
        direction, bound = self._bound(node, subject)
        success_of, success = self._success(node.at("success")) if node.has("success") else ("", "")
        of = success_of or self._look(node.at("of"), next(iter(self.looks)))
        scale: Any = node.at("scale").one_of(("plain", "log", "log_odds"), "plain")
        conditions, form = self._conditions(node, subject)
        form = "rates" if form == "pairs" and success else form
        check_words(node, subject, form, exact=name.startswith(CONTROL))
        self._check_quantities(node, form, conditions, of)
        by = node.at("within" if direction == "equivalent" else "by").number(0.0, 0.0)
        if node.has("between"):
            bound, by = middle(node.at("between"))
        if len(node.faults) > before:
            return None
        return ClaimWords(
            name=name,
            form=form,
            conditions=tuple(replace(condition, of=of) for condition in conditions),
            direction=direction,
            reference=bound,
            by=by,
            of=of,
            scale="log" if subject in ("ratio", "exponent_of") else scale,
            success=success,
            each=node.has("for_each"),
            per=node.at("over").text() if subject in ("slope_of", "exponent_of") else "",
            exponent=subject == "exponent_of",
            **texts(node),
        )

    def _check_quantities(self, node: Reader, form: Form, conditions: Sequence[Condition], of: str) -> None:
        """A fault for means where arms are counted, and for chance where there is none."""
        means = any(len(c.plus) > 1 or len(c.minus) > 1 for c in conditions)
        if form in ("rate", "rates") and means:
            node.fault("a rate is of one arm, not of the mean of several")
        terms = [term for condition in conditions for term in condition.plus + condition.minus]
        if form in ("rate", "rates") and any(term.of for term in terms):
            node.fault("`success` says what is measured: an arm has no `of` here")
        for condition in conditions:
            looks = [self.looks[term.of or of] for term in condition.plus + condition.minus]
            if len({(look.metric, look.when == "steps") for look in looks}) > 1:
                node.fault(f"compares {' with '.join(dict.fromkeys(look.text for look in looks))}: of one metric only")
        if CHANCE in [node.at(word).node for word in BOUNDS]:
            for name in dict.fromkeys(term.of or of for term in terms):
                if not self.looks[name].by_chance:
                    node.fault(f"{self.looks[name].text} has no chance level")

    def _look(self, node: Reader, default: str) -> str:
        """The measure that a claim is of: one of those that have a name, or a text that says it."""
        text = node.text(default)
        text = next((name for name, look in self.looks.items() if look.text == text), text)
        if text not in self.looks:
            try:
                self.looks[text] = Look.parse(text)
            except BadInput as error:
                named = "/" not in text and " " not in text
                why = f"there is no measure called {text}: {nearest(text, self.looks)}" if named else str(error)
                node.fault(why)
                return default
        return text

    def measure(self, node: Reader, text: str) -> str:
        """A measure, or a success, in the words under which its picture is drawn."""
        if not _SUCCESS.fullmatch(text) or text.startswith(STEPS):
            return self._look(node.instead(text), "")
        of, success = self._success(node.instead(text))
        return f"{of} {success}"

    def _success(self, node: Reader) -> tuple[str, str]:
        """A measure, and what it must be for a network to be a success."""
        found = _SUCCESS.fullmatch(node.text())
        if not found:
            node.fault(f"{node.text()!r} is no success: write it like 'board_success/test >= 100'")
            return next(iter(self.looks)), ""
        return self._look(node.instead(found["of"]), ""), f"{found['sign']} {found['bound']}"

    def _bound(self, node: Reader, subject: str) -> tuple[Direction, Any]:
        """The direction and the number it is about; of a pair the number is 0."""
        given = [word for word in BOUNDS if node.has(word)]
        if subject in ("monotone_of", *PEAKS):
            for word in given:
                node.fault(f"{subject} says by itself what is claimed: it has no {word}")
            return ("greater" if node.at("rising").truth(default=True) else "less"), 0.0
        if len(given) != 1:
            node.fault(f"says one of {', '.join(BOUNDS)}, not {' and '.join(given) or 'none'}")
            return "greater", 0.0
        word, below = given[0], node.at(given[0])
        direction: Direction = "equivalent" if word in ("equal", "between") else word  # type: ignore[assignment]
        if word == "between" and not subject:
            node.fault(f"between two numbers is one of {', '.join(SUBJECTS[:-1])}: say which")
        if not subject or word == "between":
            return direction, 0.0
        if below.node != CHANCE:
            return direction, below.number()
        if subject != "value_of":
            below.fault("only the value_of an arm has a chance level")
        return direction, CHANCE

    def _conditions(self, node: Reader, subject: str) -> tuple[list[Condition], Form]:
        """What is compared, at every level that the claim must hold for."""
        quantified = node.at("for_all").text() or node.at("for_each").text()
        if quantified and quantified not in self.factors:
            node.fault(f"there is no factor {quantified}: {nearest(quantified, self.factors)}")
            quantified = ""
        fixed = self.select.levels(node.at("at"))
        cases = [(level, fixed | {quantified: level}) for level in self.factors[quantified]] if quantified else []
        found: list[Condition] = []
        form: Form = "pairs"
        for level, levels in cases or [("", fixed)]:
            of_level, form = self._compared(node, subject, levels)
            if quantified and node.has("for_each"):
                if len(of_level) > 1:
                    node.fault("for_each is of one comparison at every level, not of several: say for_all")
                of_level = [replace(condition, name=f"{quantified} {level}") for condition in of_level]
            found += of_level
        return found, form

    def _compared(self, node: Reader, subject: str, levels: Mapping[str, Level]) -> tuple[list[Condition], Form]:
        if subject in TRENDS:
            return self._trend(node, subject, levels)
        if subject in ("value_of", "rate_of"):
            terms = self.select.terms(node.at(subject), levels)
            return [Condition(words_of(terms), terms)], "value" if subject == "value_of" else "rate"
        if subject == "difference_of" and not any(
            isinstance(item.node, list | tuple) for item in node.at(subject).items()
        ):
            return self._pair(node.at(subject), levels), "pairs"
        if subject == "difference_of":
            pairs = [self.select.pair(item, levels) for item in node.at(subject).items()]
            if len(pairs) != 2:
                node.at(subject).fault("is of two arms, or of two pairs: [[a, b], [c, d]] is (a - b) - (c - d)")
                return [], "pairs"
            (a, b), (c, d) = pairs
            name = f"({words_of(a)} - {words_of(b)}) - ({words_of(c)} - {words_of(d)})"
            return [Condition(name, a + minus(b), c + minus(d))], "pairs"
        if not (word := subject or next((word for word in ("greater", "less", "equal") if node.has(word)), "")):
            return [], "pairs"
        return self._pair(node.at(word), levels), "ratio" if subject == "ratio" else "pairs"

    def _pair(self, node: Reader, levels: Mapping[str, Level]) -> list[Condition]:
        treatment, baseline = self.select.pair(node, levels)
        return [Condition(f"{words_of(treatment)} - {words_of(baseline)}", treatment, baseline)]

    def _trend(self, node: Reader, subject: str, levels: Mapping[str, Level]) -> tuple[list[Condition], Form]:
        factor = node.at("over").one_of(self.factors)
        if not factor:
            return [], "value"
        peak = subject.removesuffix("_of")
        if factor in levels:
            node.fault(f"is over {factor}, which `at`, for_all or for_each hold fixed")
        steps = [self.select.terms(node.at(subject), {**levels, factor: level}) for level in self.factors[factor]]
        if subject in PEAKS and len(steps) < FEWEST_OF_PEAK:
            node.fault(f"a {peak} is of at least {FEWEST_OF_PEAK} levels, and {factor} has {len(steps)}")
        followed = zip(self.factors[factor], steps, strict=True)
        if any(dict(term.cell.levels)[factor] != level for level, terms in followed for term in terms):
            node.at(subject).fault(f"names a level of {factor}, over which it is followed")
        if subject in PEAKS:
            if any(len(terms) != 1 for terms in steps):
                node.at(subject).fault(f"a {peak} is of one arm")
            name = f"the {peak} of {_followed(steps, factor)} over {factor}"
            levelled = tuple(term for terms in steps for term in terms)
            return [Condition(name, levelled if peak == "peak" else minus(levelled))], "peak"
        if subject == "monotone_of":
            pairs = itertools.pairwise(steps)
            return [Condition(f"{words_of(b)} - {words_of(a)}", b, a) for a, b in pairs], "pairs"
        numbers = [level for level in self.factors[factor] if isinstance(level, int | float)]
        if len(numbers) != len(steps) or any(isinstance(number, bool) for number in numbers):
            node.fault(f"a slope is over numbers: the levels of {factor} are not")
            return [], "value"
        if subject == "exponent_of" and min(numbers) <= 0:
            node.fault(f"an exponent is over positive numbers: a level of {factor} is {min(numbers)}")
            return [], "value"
        x = [math.log(number) if subject == "exponent_of" else float(number) for number in numbers]
        mean = sum(x) / len(x)
        spread = sum((value - mean) ** 2 for value in x)
        weights = [(value - mean) / spread for value in x]
        terms = tuple(
            term._replace(weight=weight * term.weight)
            for weight, own in zip(weights, steps, strict=True)
            for term in own
        )
        return [Condition(f"the slope of {_followed(steps, factor)} over {factor}", terms)], "value"

    def _all(self, name: str, node: Reader) -> ClaimWords | None:
        """A claim of several parts, each of which must hold; what they share is said once, beside `all`."""
        shared = {word: node.node[word] for word in SHARED if node.has(word)}
        for word in node.mapping():
            if word in WORDS and word not in ("all", *SHARED, *TEXTS, "control"):
                node.fault(f"beside `all` there is no {word}: it stands in the parts")
        parts: list[ClaimWords] = []
        items = node.at("all").items()
        for index, item in enumerate(items):
            item.only(word for word in WORDS if word not in ("all", "control", "for_each", *TEXTS))
            if isinstance(item.node, Mapping):
                bound = "within" if "equal" in item.node else "by"
                own = {word: value for word, value in shared.items() if word in (bound, *SHARED[2:])}
                if part := self._read(f"{name}[{index}]", item.instead({**own, **item.node})):
                    parts.append(part)
        if not parts:
            if not items:
                node.fault("`all` names no part")
            return None
        first = parts[0]
        for part in parts[1:]:
            same = ("form", "direction", "reference", "by", "scale", "success")
            if different := [word for word in same if getattr(part, word) != getattr(first, word)]:
                node.fault(f"the parts of `all` share their {', '.join(different)}")
        of = {part.of for part in parts}
        conditions = [
            replace(condition, name=f"{condition.name} in {part.of}" if len(of) > 1 else condition.name)
            for part in parts
            for condition in part.conditions
        ]
        return replace(first, name=name, conditions=tuple(conditions), **texts(node))


def _followed(steps: Sequence[Terms], factor: str) -> str:
    """What is followed over the levels of a factor."""
    cells = [term.cell for terms in steps for term in terms]
    without = (replace(cell, levels=tuple(level for level in cell.levels if level[0] != factor)) for cell in cells)
    return " and ".join(dict.fromkeys(cell.words for cell in without))
