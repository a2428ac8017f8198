"""Reading nested options word by word: every fault is kept with its place, so that all are said at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from expzoo.science.verdicts import UNPRINTABLE
from expzoo.system.errors import nearest

MISSING = object()

INSTEAD = {
    "path": "a path is {average: {of: [a, b]}} with sweep: {init.share: [0, 0.5, 1]}",
    "match": "arms are matched by stop.steps, or by a measure such as score/test at first loss/train <= 0.1",
    "minimum_at": "say dip_of: ARM, over: SETTING",
    "against": "say over: SETTING",
    "needs": "needs: [...] stands beside claims and is of all of them",
    "level": "the level follows from the words of a claim",
    "rule": "the rule follows from the words of a claim",
}
"""What one may look for, and how it is said."""


class Reader:
    """One node of nested options and where it stands; the faults of a whole tree are in one list."""

    def __init__(self, node: Any, where: str = "", faults: list[str] | None = None) -> None:
        self.node, self.where = node, where
        self.faults = [] if faults is None else faults

    def fault(self, why: str) -> None:
        """Keep what is wrong with this node."""
        line = f"{self.where}: {why}" if self.where else why
        if line not in self.faults:
            self.faults.append(line)

    def at(self, name: str) -> Reader:
        """The node below, None if there is none."""
        node = self.node.get(name) if isinstance(self.node, Mapping) else None
        return Reader(node, f"{self.where}.{name}" if self.where else name, self.faults)

    def instead(self, node: Any) -> Reader:
        """Another node in this one's place."""
        return Reader(node, self.where, self.faults)

    def has(self, name: str) -> bool:
        """Whether there is a node of this name below."""
        return isinstance(self.node, Mapping) and self.node.get(name) is not None

    def mapping(self) -> dict[str, Reader]:
        """The nodes below by name; a fault if this is no mapping."""
        if self.node is None:
            return {}
        if not isinstance(self.node, Mapping):
            self.fault(f"must be a mapping of names, not {_short(self.node)}")
            return {}
        return {str(name): self.at(str(name)) for name in self.node}

    def only(self, known: Iterable[str]) -> None:
        """A fault for each name below that is none of these."""
        known = tuple(known)
        for name in self.mapping():
            if name not in known:
                self.fault(f"has no {name}: {INSTEAD.get(name) or nearest(name, known)}")

    def items(self) -> list[Reader]:
        """The nodes of a list; a fault if this is none."""
        if not isinstance(self.node, list | tuple):
            self.fault(f"must be a list, not {_short(self.node)}")
            return []
        return [Reader(item, f"{self.where}[{index}]", self.faults) for index, item in enumerate(self.node)]

    def text(self, default: str = "") -> str:
        """A text; a fault if it is something else."""
        if self.node is None:
            return default
        if not isinstance(self.node, str):
            self.fault(f"must be a text, not {_short(self.node)}")
            return default
        if UNPRINTABLE.search(self.node):
            self.fault(f"holds control characters: {_short(self.node)}")
            return default
        return self.node

    def number(self, default: float = 0.0, low: float = -math.inf) -> float:
        """A finite number of at least `low`; a fault if it is something else."""
        if self.node is None:
            return default
        if isinstance(self.node, bool) or not isinstance(self.node, int | float) or not low <= self.node < math.inf:
            least = f" of at least {low:g}" if low > -math.inf else ""
            self.fault(f"must be a number{least}, not {_short(self.node)}")
            return default
        return float(self.node)

    def whole(self, default: int, low: int = 0) -> int:
        """A whole number of at least `low`; a fault if it is something else."""
        if self.node is None:
            return default
        if type(self.node) is not int or self.node < low:
            self.fault(f"must be a whole number of at least {low}, not {_short(self.node)}")
            return default
        return self.node

    def truth(self, *, default: bool) -> bool:
        """True or false; a fault if it is something else."""
        if self.node is not None and not isinstance(self.node, bool):
            self.fault(f"must be true or false, not {_short(self.node)}")
        return self.node if isinstance(self.node, bool) else default

    def one_of(self, known: Iterable[str], default: str = "") -> str:
        """A text that is one of these; a fault with the nearest if it is another."""
        word = self.text(default)
        names = list(known)
        if word not in names and (self.node is None or isinstance(self.node, str)):
            self.fault(f"there is no {word!r} here: {nearest(word, names)}" if word else f"give one of {names}")
            return default
        return word


def settled(node: Any) -> Any:
    """The options with what a command line adds where it belongs: a.b.c=1 in a.b, if the file has a key a.b.

    A key with a dot in it cannot be typed; what is typed in its place makes a mapping in a mapping.
    """
    if isinstance(node, list | tuple):
        return [settled(item) for item in node]
    if not isinstance(node, Mapping):
        return node
    found = {str(key): value for key, value in node.items()}
    for key in [key for key in found if "." in key]:
        there, found = _taken(found, key.split("."))
        if there is not MISSING:
            found[key] = _over(found[key], there)
    return {key: settled(value) for key, value in found.items()}


def _taken(node: Mapping[str, Any], path: list[str]) -> tuple[Any, dict[str, Any]]:
    """What stands at the end of a path of at least one name, and the mapping without it."""
    first, *rest = path
    if first not in node:
        return MISSING, dict(node)
    if not rest:
        return node[first], {key: value for key, value in node.items() if key != first}
    if not isinstance(node[first], Mapping):
        return MISSING, dict(node)
    there, left = _taken(node[first], rest)
    if there is MISSING:
        return MISSING, dict(node)
    return there, {key: left if key == first else value for key, value in node.items() if left or key != first}


def _over(below: Any, above: Any) -> Any:
    """One mapping laid over another, at every depth; what is none is replaced."""
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}


def _short(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
