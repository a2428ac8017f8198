"""Arms: overrides of the base spec as they are typed on a command line, crossed, swept, and made from one another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from expzoo.config.registry import NOTHING
from expzoo.spec.spec import COMPONENTS, FINAL
from expzoo.system.errors import nearest

if TYPE_CHECKING:
    from expzoo.analysis.studies.contrast.reading import Reader

Level = str | int | float | bool
Levels = tuple[tuple[str, Level], ...]

BASE = "base"  # the one arm where none is named
AGAIN = "again"  # the level of an arm trained from other starts, for the control that is made by itself
PREVIOUS = "previous"
CHANGED = (*COMPONENTS, *NOTHING)
INITS = ("fresh", "rewind", "known", "sign_flip")
MASKS = ("magnitude", "random", "permuted", "same")
WORDS = ("init", "mask", "repeat", "dtype")
MOST_CELLS = 2000


@dataclass(frozen=True)
class Arm:
    """One arm: settings of the base spec by key, and from which other networks it starts."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    init: Reader | None = None
    mask: Reader | None = None
    times: int = 1
    chain_from: str = ""

    def sources(self) -> set[str]:
        """The arms that it is made from."""
        found = {self.chain_from} if self.chain_from else set()
        for reader in (self.init, self.mask):
            found |= set(_named(reader.node)) if reader else set()
        return found - {PREVIOUS}


@dataclass(frozen=True)
class Cell:
    """An arm at one level of every factor: what is trained once for each seed."""

    arm: str
    levels: Levels = ()
    again: bool = False

    def columns(self) -> dict[str, Level]:
        """What the records of its networks say."""
        return dict(self.levels) | {"again": self.again}

    @property
    def words(self) -> str:
        """Its name: `ticket, view plain`."""
        return ", ".join([self.arm, *(f"{factor} {level}" for factor, level in self.levels), *["again"] * self.again])


def read_arms(reader: Reader) -> dict[str, Arm]:
    """The arms of the node `arms`; the base alone if there are none."""
    found = {}
    for name, node in reader.mapping().items():
        if not name.replace("_", "a").isalnum():
            node.fault("an arm is called by letters, digits and _")
        parts = node.mapping()
        settings = {key: part.node for key, part in parts.items() if key not in ("init", "mask", "repeat")}
        for key in settings:
            _check_key(node, key)
        repeat = node.at("repeat")
        repeat.only(("from", "times"))
        init, mask = (_read_recipe(node, word, known) for word, known in (("init", INITS), ("mask", MASKS)))
        times, chain = repeat.at("times").whole(1, 1), repeat.at("from").text()
        found[name] = Arm(name, settings, init, mask, times, chain)
    arms = found or {BASE: Arm(BASE)}
    for arm in arms.values():
        for source in sorted(arm.sources() - {*arms}):
            reader.at(arm.name).fault(f"there is no arm called {source}: {nearest(source, arms)}")
    for name in arms:
        if _circular(name, arms):
            reader.at(name).fault("is made from itself")
    return arms


def read_factors(cross: Reader, sweep: Reader) -> dict[str, dict[Level, Mapping[str, Any]]]:
    """The factors that arms are crossed with: level -> settings, for `cross` as named and for `sweep` as listed."""
    factors: dict[str, dict[Level, Mapping[str, Any]]] = {}
    for name, node in cross.mapping().items():
        factors[name] = {}
        for level, part in node.mapping().items():
            for key in part.mapping():
                _check_key(part, key)
            factors[name][level] = part.node if isinstance(part.node, Mapping) else {}
    for key, node in sweep.mapping().items():
        _check_key(node, key)
        levels = [item.node for item in node.items()]
        if len(levels) < 2 or len({str(level) for level in levels}) < len(levels):
            node.fault("is swept over at least two different values")
        numbers = [level for level in levels if isinstance(level, int | float)]
        if len(numbers) == len(levels) and sorted(numbers) != numbers:
            node.fault("is swept in increasing order")
        factors[key] = {level: {key: level} for level in levels}
    return factors


def read_tune(reader: Reader) -> dict[str, list[Any]]:
    """The grid of settings that every arm is tuned over."""
    found = {}
    for key, node in reader.mapping().items():
        _check_key(node, key)
        found[key] = [item.node for item in node.items()]
        if not found[key]:
            node.fault("names no value to try")
    return found


def cells(arms: Mapping[str, Arm], factors: Mapping[str, Mapping[Level, Mapping[str, Any]]]) -> Iterator[Cell]:
    """Every arm at every combination of levels."""
    grid = list(itertools.product(*([(name, level) for level in levels] for name, levels in factors.items())))
    return (Cell(arm, levels) for arm in arms for levels in grid)


def _read_recipe(node: Reader, word: str, known: tuple[str, ...]) -> Reader | None:
    """The node of an init or a mask: one recipe with its options."""
    reader = node.at(word)
    if reader.node is None:
        return None
    names = reader.mapping()
    reader.only(known)
    if len(names) != 1:
        reader.fault(f"is one of {', '.join(known)}, with its options")
        return None
    [(name, options)] = names.items()
    if name not in known:
        return None
    _check_recipe(name, options)
    return reader


_RECIPES = {
    "fresh": ("draw",),
    "rewind": ("of", "step"),
    "known": ("name", "layers"),
    "sign_flip": ("of", "k", "seed"),
    "magnitude": ("of", "sparsity", "keep", "scope", "biases", "step"),
    "random": ("sparsity", "keep", "draw", "biases"),
    "permuted": ("of", "draw"),
    "same": ("of",),
}


def _check_recipe(name: str, options: Reader) -> None:
    options.only(_RECIPES[name])
    if "of" in _RECIPES[name] and not options.at("of").text():
        options.fault("needs `of`: the arm it is made from")
    if "sparsity" in _RECIPES[name] and options.has("sparsity") == options.has("keep"):
        options.fault("needs either `sparsity` or `keep`, the fraction that each repetition keeps")
    for word in ("sparsity", "keep"):
        if not 0 <= options.at(word).number(0.5) < 1:
            options.at(word).fault("must be at least 0 and below 1")
    if options.has("scope"):
        options.at("scope").one_of(("layer", "global"))
    for word in ("draw", "k", "seed"):
        options.at(word).whole(0)
    step = options.at("step").node
    if step is not None and step != FINAL and (type(step) is not int or step < 0):
        options.at("step").fault(f"must be a step or {FINAL}, not {step!r}")


def _check_key(node: Reader, key: str) -> None:
    """A fault for a key that is no setting of a spec."""
    kind, _, option = key.partition(".")
    if kind in CHANGED and "." not in option:
        return
    if key not in ("dtype", "init", "mask", "repeat"):
        known = [*CHANGED, *WORDS]
        node.fault(f"{key} is no setting of a network: {nearest(kind, known)}")


def _named(node: Any) -> Iterator[str]:
    """Every arm that a recipe names."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "of" and isinstance(value, str):
                yield value
            else:
                yield from _named(value)


def _circular(name: str, arms: Mapping[str, Arm], seen: tuple[str, ...] = ()) -> bool:
    if name in seen:
        return True
    return name in arms and any(_circular(source, arms, (*seen, name)) for source in arms[name].sources())
