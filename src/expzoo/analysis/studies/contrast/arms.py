"""Arms: overrides of the base spec as they are typed on a command line, crossed, swept, and made from one another."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from expzoo.analysis.studies.contrast.recipes import INITS, MASKS, SHARE, is_line, named, read_recipe
from expzoo.config.registry import NOTHING
from expzoo.spec.measure import LOSS
from expzoo.spec.spec import COMPONENTS
from expzoo.store.records import COLUMNS
from expzoo.system.errors import nearest

if TYPE_CHECKING:
    from expzoo.analysis.studies.contrast.reading import Reader

Level = str | int | float | bool
Levels = tuple[tuple[str, Level], ...]

BASE = "base"  # the one arm where none is named
BY = "by"  # beside the settings that are tuned: what chooses them
AGAIN = "again"  # the level of an arm trained from other starts, for the control that is made by itself
PREVIOUS = "previous"
CHANGED = (*COMPONENTS, *NOTHING)
WORDS = ("init", "mask", "repeat", "learn", "dtype")
LEARN = {"outer_steps": 100, "inner_networks": 4, "hidden": 100, "last_losses": 200}  # of a learned activation
MOST_CELLS = 2000
MOST_TIMES = 100  # repetitions of a chain
RESERVED = (
    *COLUMNS,
    AGAIN,
    "measure",
    "end",
    "tuned",
    "tried",
    "best",
    "learned",
)  # columns of the records that are no factor


@dataclass(frozen=True)
class Arm:
    """One arm: settings of the base spec by key, and from which other networks it starts.

    `learn` says how its activation is learned, and `inner` the settings of the networks for which it is.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    init: Reader | None = None
    mask: Reader | None = None
    times: int = 1
    chain_from: str = ""
    learn: Mapping[str, Any] = field(default_factory=dict)
    inner: Mapping[str, Any] = field(default_factory=dict)

    def sources(self) -> set[str]:
        """The arms that it is made from."""
        return ({self.chain_from} if self.chain_from else set()) | (self.named() - {PREVIOUS})

    def named(self) -> set[str]:
        """The arms that its recipes name, `previous` among them."""
        return {name for reader in (self.init, self.mask) if reader for name in named(reader.node)}


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
    found = {name: _read_arm(name, node) for name, node in reader.mapping().items()}
    arms = found or {BASE: Arm(BASE)}
    for arm in arms.values():
        for source in sorted(arm.sources() - {*arms}):
            reader.at(arm.name).fault(f"there is no arm called {source}: {nearest(source, arms)}")
    for name in _circular(arms):
        reader.at(name).fault("is made from itself")
    if not reader.faults and (longest := _longest(arms)) > MOST_TIMES:
        reader.fault(f"are made from one another in a chain of {longest} networks: at most {MOST_TIMES}")
    return arms


def _read_arm(name: str, node: Reader) -> Arm:
    if not name.replace("_", "a").isalnum():
        node.fault("an arm is called by letters, digits and _")
    if name == PREVIOUS:
        node.fault(f"{PREVIOUS} is what an arm is repeated from: call it otherwise")
    settings = _settings(node, skip=("init", "mask", "repeat", "learn"))
    repeat = node.at("repeat")
    repeat.only(("from", "times"))
    init, mask = (read_recipe(node, word, known) for word, known in (("init", INITS), ("mask", MASKS)))
    learn, inner = _read_learn(node.at("learn"))
    arm = Arm(name, settings, init, mask, repeat.at("times").whole(1, 1), repeat.at("from").text(), learn, inner)
    if arm.times > MOST_TIMES:
        repeat.at("times").fault(f"is at most {MOST_TIMES}, not {arm.times}")
    if (PREVIOUS in arm.named()) != bool(arm.chain_from):
        node.fault(f"`repeat: {{from: ARM}}` and `of: {PREVIOUS}` go together, ARM being what the first is made from")
    return arm


def _read_learn(node: Reader) -> tuple[dict[str, Any], dict[str, Any]]:
    """How an activation is learned, and the settings of the networks for which it is."""
    if node.node is None:
        return {}, {}
    node.only(("activation",))
    options = node.at("activation")
    options.only(("from", "noise", *LEARN))
    if not options.has("from"):
        options.fault("needs `from`: settings of the networks for which it is learned, such as {dataset: digits}")
    found: dict[str, Any] = {name: options.at(name).whole(default, 1) for name, default in LEARN.items()}
    return found | {"noise": options.at("noise").number(0.1, 0.0)}, _settings(options.at("from"))


def read_factors(cross: Reader, sweep: Reader) -> dict[str, dict[Level, Mapping[str, Any]]]:
    """The factors that arms are crossed with: level -> settings, for `cross` as named and for `sweep` as listed."""
    factors: dict[str, dict[Level, Mapping[str, Any]]] = {}
    for name, node in cross.mapping().items():
        factors[name] = {}
        if name in RESERVED:
            node.fault("is a column of every table of records: call the factor otherwise")
        levels = node.mapping()
        for level, number in zip(levels, _numbers([*levels]) or levels, strict=True):
            factors[name][number] = _settings(levels[level])
        if not levels:
            node.fault("names no level")
    for key, node in sweep.mapping().items():
        if key != SHARE:
            _check_key(node, key)
        if key in factors:
            node.fault("is a factor of `cross`, too")
        factors[key] = {level: {key: level} for level in _swept(node)}
    return factors


def _numbers(levels: list[str]) -> list[Level]:
    """The levels of a factor as numbers, over which there are slopes, if all are; else none."""
    if all(level.isdecimal() for level in levels):
        return [int(level) for level in levels]
    try:
        found: list[Level] = [float(level) for level in levels]
    except ValueError:
        return []
    return found if all(math.isfinite(float(number)) for number in found) else []


def check_share(sweep: Reader, arms: Mapping[str, Arm], factors: Mapping[str, Mapping[Level, Any]]) -> None:
    """A fault where a line between two networks is swept that no arm lies on, or beyond its ends."""
    if SHARE in factors:
        node = sweep.at(SHARE)
        if not any(is_line(arm.init) for arm in arms.values()):
            node.fault("is swept for an arm with `init: {average: {of: [a, b]}}`, and there is none")
        if any(isinstance(level, str | bool) or not 0 <= level <= 1 for level in factors[SHARE]):
            node.fault("is swept over numbers from 0, the first of two networks, to 1, the second")


def _swept(node: Reader) -> list[Level]:
    """The values of a setting that is swept, which are all numbers or all texts or true and false."""
    levels = [item.node for item in node.items()]
    kinds = {float if type(level) is int else type(level) for level in levels}
    if kinds - {float, str, bool} or len(kinds) > 1:
        node.fault("is swept over numbers, or over names, or over true and false")
        return []
    if len(set(levels)) < max(len(levels), 2):
        node.fault("is swept over at least two different values")
    if kinds == {float} and sorted(levels) != levels:
        node.fault("is swept in increasing order")
    return levels


def read_tune(reader: Reader) -> dict[str, list[Any]]:
    """The grid of settings that every arm is tuned over."""
    found = {}
    for key, node in reader.mapping().items():
        if key == BY:
            continue
        _check_key(node, key)
        found[key] = [item.node for item in node.items()]
        if not found[key]:
            node.fault("names no value to try")
    if (points := math.prod(map(len, found.values()))) > MOST_CELLS:
        reader.fault(f"{points} combinations of settings: at most {MOST_CELLS}")
    return found


def read_tuned_by(reader: Reader) -> str:
    """The split by whose loss settings are chosen; "" for the score on validation data."""
    node, splits = reader.at(BY), ("train", "validation")
    said = node.text("")
    if said and said not in (known := [f"{LOSS}/{split}" for split in splits]):
        node.fault(f"{said} cannot choose settings: write {' or '.join(known)}, or leave it out for the score")
    if said and len(reader.mapping()) == 1:
        reader.fault("names no setting to try")
    return said.partition("/")[2]


def count(arms: Mapping[str, Arm], factors: Mapping[str, Mapping[Level, Any]]) -> int:
    """How many cells there are."""
    return len(arms) * math.prod(map(len, factors.values()))


def cells(arms: Mapping[str, Arm], factors: Mapping[str, Mapping[Level, Mapping[str, Any]]]) -> Iterator[Cell]:
    """Every arm at every combination of levels."""
    grid = list(itertools.product(*([(name, level) for level in levels] for name, levels in factors.items())))
    return (Cell(arm, levels) for arm in arms for levels in grid)


def _settings(node: Reader, skip: tuple[str, ...] = ()) -> dict[str, Any]:
    """The settings of a node by key: `model.width: 9`, or `model: {width: 9}`, which is what a command line makes."""
    found: dict[str, Any] = {}
    for key, part in node.mapping().items():
        if key in CHANGED and isinstance(part.node, Mapping):
            found |= {f"{key}.{option}": value for option, value in part.node.items()}
        elif key not in skip:
            found[key] = part.node
    for key in found:
        _check_key(node, key)
    return found


def _check_key(node: Reader, key: str) -> None:
    """A fault for a key that is no setting of a spec."""
    kind, _, option = key.partition(".")
    if key != "dtype" and (kind not in CHANGED or "." in option or key.endswith(".")):
        node.fault(f"{key} is no setting of a network: {nearest(kind, [*CHANGED, *WORDS])}")


def _circular(arms: Mapping[str, Arm]) -> list[str]:
    """The arms that are made from themselves, by way of others or not."""
    left = {name: arm.sources() & {*arms} for name, arm in arms.items()}
    while free := {name for name, sources in left.items() if not sources}:
        left = {name: sources - free for name, sources in left.items() if name not in free}
    return [name for name in left if _reaches(name, left)]


def _reaches(name: str, left: Mapping[str, set[str]]) -> bool:
    seen, found = set[str](), left[name]
    while new := found - seen:
        seen |= new
        found = {source for one in new for source in left.get(one, ())}
    return name in seen


def _longest(arms: Mapping[str, Arm]) -> int:
    """The longest chain of networks, each made from the one before; of arms that are not circular."""
    length: dict[str, int] = {}
    while len(length) < len(arms):
        for name, arm in arms.items():
            if arm.sources() <= {*length}:
                length[name] = arm.times + max((length[source] for source in arm.sources()), default=0)
    return max(length.values())
