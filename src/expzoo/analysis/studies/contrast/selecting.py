"""Quantities in words: which arm, at which levels, on its own or averaged with others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from expzoo.analysis.studies.contrast.arms import Arm, Cell, Level
from expzoo.system.errors import nearest

if TYPE_CHECKING:
    from expzoo.analysis.studies.contrast.reading import Reader


class Term(NamedTuple):
    """A cell, what is measured of it, and its weight in a sum; `of` is empty for what the whole claim is of."""

    weight: float
    cell: Cell
    of: str = ""


Terms = tuple[Term, ...]
"""A weighted sum of cells' values, seed by seed."""

ENDS = {"first": 0, "last": -1}  # of a factor's levels, which may depend on the budget


class Selector:
    """Finds the cells that the words of a claim mean."""

    def __init__(
        self, arms: Mapping[str, Arm], factors: Mapping[str, Mapping[Level, Any]], look: Callable[[Reader, str], str]
    ) -> None:
        self.arms, self.factors, self.look = arms, factors, look

    def pair(self, node: Reader, levels: Mapping[str, Level]) -> tuple[Terms, Terms]:
        """The two quantities of a list."""
        items = node.items()
        if len(items) != 2:
            node.fault("is of two arms: [a, b]")
            return (), ()
        return self.terms(items[0], levels), self.terms(items[1], levels)

    def terms(self, node: Reader, levels: Mapping[str, Level]) -> Terms:
        """A quantity: an arm as `arm.level`, a mapping with the arm, levels and a measure, or the mean of several."""
        if isinstance(node.node, Mapping) and "mean" in node.node:
            node.only(("mean",))
            parts = [self.terms(item, levels) for item in node.at("mean").items()]
            if not parts:
                node.fault("is the mean of no arm")
            return tuple(term._replace(weight=term.weight / len(parts)) for terms in parts for term in terms)
        if isinstance(node.node, Mapping):
            named = {str(key): value for key, value in node.node.items()}
            own = self.levels(node, skip=("arm", "of"))
            of = self.look(node.at("of"), "") if node.has("of") else ""
            arm = str(named.get("arm", next(iter(self.arms)) if len(self.arms) == 1 else ""))
        else:
            (arm, own), of = self._split(node), ""
        if arm not in self.arms:
            node.fault(f"there is no arm called {arm}: {nearest(arm, self.arms)}")
            return ()
        chosen = {**levels, **own}
        if missing := [factor for factor in self.factors if factor not in chosen]:
            options = [f"{factor}: {spelt(next(iter(self.factors[factor]), '...'))}" for factor in missing]
            node.fault(f"{arm} was trained at several levels: say `at: {{{', '.join(options)}}}`, `for_all` or `over`")
            return ()
        return (Term(1.0, Cell(arm, tuple((factor, chosen[factor]) for factor in self.factors)), of),)

    def _split(self, node: Reader) -> tuple[str, dict[str, Level]]:
        """`arm.level.level` as the arm and its levels; with one arm its name may be left out."""
        whole = (
            str(node.node) if isinstance(node.node, int | float) and not isinstance(node.node, bool) else node.text()
        )
        arm, _, rest = whole.partition(".")
        if arm not in self.arms and len(self.arms) == 1 and self.factors:
            arm, rest = next(iter(self.arms)), whole
        own: dict[str, Level] = {}
        while rest:
            found = [
                (factor, level)
                for factor, levels in self.factors.items()
                for level in levels
                if factor not in own and (rest == spelt(level) or rest.startswith(f"{spelt(level)}."))
            ]
            if not found:
                known = [spelt(level) for levels in self.factors.values() for level in levels]
                node.fault(f"there is no level {rest}: {nearest(rest, known) if known else 'arms are not crossed'}")
                break
            factor, level = max(found, key=lambda one: len(spelt(one[1])))  # 1.5 begins with 1.
            own[factor] = level
            rest = rest[len(spelt(level)) + 1 :]
        return arm, own

    def levels(self, node: Reader, skip: tuple[str, ...] = ()) -> dict[str, Level]:
        """The levels of a mapping, which `first` and `last` may name."""
        found: dict[str, Level] = {}
        for factor, part in node.mapping().items():
            if factor in skip:
                continue
            if factor not in self.factors:
                node.fault(f"there is no factor {factor}: {nearest(factor, self.factors)}")
            elif isinstance(part.node, list | Mapping) or not (known := self.factors[factor]):
                part.fault(f"is one level, not {part.node}")
            elif part.node in known:
                found[factor] = next(level for level in known if level == part.node)
            elif part.node in ENDS:
                found[factor] = list(known)[ENDS[part.node]]
            else:
                part.fault(f"was not trained at {spelt(part.node)}: {nearest(spelt(part.node), map(spelt, known))}")
        return found


def spelt(level: Level | None) -> str:
    """A level as YAML has it."""
    words = {True: "true", False: "false", None: "null"}
    return words[level] if level is None or isinstance(level, bool) else str(level)


def minus(terms: Terms) -> Terms:
    """The terms with their signs turned."""
    return tuple(term._replace(weight=-term.weight) for term in terms)


def words_of(terms: Terms) -> str:
    """What a quantity is called."""
    words = [f"{term.cell.words} ({term.of})" if term.of else term.cell.words for term in terms]
    return words[0] if len(words) == 1 else f"the mean of {' and '.join(words)}"
