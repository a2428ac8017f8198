"""Reading nested options word by word: every fault is kept with its place, so that all are said at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from expzoo.science.verdicts import UNPRINTABLE
from expzoo.system.errors import nearest

MISSING = object()


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
                self.fault(f"has no {name}: {nearest(name, known)}")

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


def _short(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
