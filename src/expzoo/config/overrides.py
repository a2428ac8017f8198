"""What a command line asks for: options that exist, values to be tried, and the faults that its words alone show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, RangeSweep
from hydra.errors import HydraException

from expzoo.config.allowed import file_faults, hydra_fault, value_fault
from expzoo.config.explanations import explain
from expzoo.config.options import show
from expzoo.config.packages import is_plugin, package_fault
from expzoo.config.presets import CARRIED, EXPERIMENT, PRESETS, content, groups, hint, options, yaml_file
from expzoo.config.registry import MAY_BE_NONE, SHARED
from expzoo.config.sweeps import MAX_JOBS, bounded, cut, length, number
from expzoo.system.canonical import leaves
from expzoo.system.errors import BadInput, closest, nearest

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

_LISTS = (*SHARED, "experiment")


@dataclass(frozen=True)
class Value:
    """A value that the command line, or the experiment's file named in `where`, wants a key to have.

    `plus` is the word on the command line if it wants to add the key with a +.
    """

    key: str
    value: Any
    where: str = ""
    plus: str = ""


@dataclass
class Request:
    """What one job asks for; the lines of a chosen experiment count as typed, before the command line's own."""

    choices: dict[str, list[str]] = field(default_factory=dict)
    values: list[Value] = field(default_factory=list)
    hydra: list[str] = field(default_factory=list)
    typed: set[str] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    searched: bool = False  # a sweeper chooses from intervals

    @property
    def suspicious(self) -> bool:
        """Whether there is something to say that Hydra would not notice, or not before it has composed the config."""
        return bool(self.faults) or any(value.plus for value in self.values)

    def testable(self) -> list[Value]:
        """The values except those of a group that has no option, not even a stand-in, to try them on."""
        return [value for value in self.values if value.key.partition(".")[0] not in self.wrong - set(self.choices)]

    def overrides(self) -> list[str]:
        """The choices and Hydra's own settings as Hydra reads them; the experiment is among neither."""
        lists = {group: ",".join(names) for group, names in self.choices.items()}
        absent = tuple(f"{key.replace('/', '.')}." for key in self.wrong if key.startswith("hydra/"))
        hydra = [text for text in self.hydra if not text.lstrip("+").startswith(absent)]
        return [f"{g}=[{names}]" if g in SHARED else f"{g}={names}" for g, names in lists.items()] + hydra

    def choose(self, group: str, names: list[str], where: str = "") -> None:
        """Take these options of a group; one that does not exist is a fault, and the most similar one stands in."""
        known, stand_in = options(group), []
        for name in names:
            if name not in known:
                self.faults.append(f"{where}there is no {group}={name}: {hint(group, name)}")
                self.wrong.add(group)
            elif fault := package_fault(group, name):
                self.faults.append(f"{where}{fault}")
            stand_in.append(name if name in known else closest(name, known))
        if None not in stand_in:
            self.choices[group] = [name for name in stand_in if name]

    def add(self, text: str, parser: OverridesParser, *, multirun: bool) -> None:
        """Take one word of the command line."""
        name, _, written = text.partition("=")
        if not name.lstrip("+").startswith(("hydra.", "hydra/")) and (fault := value_fault(written)):
            self.faults.append(f"{cut(name)}: {fault}")
            return
        try:
            [override] = parser.parse_overrides([text])
        except (HydraException, ValueError):
            self.faults.append(f"cannot read {text}: quote what is unusual in it, as in key='\"a, b\"'")
            return
        if override.is_interval_sweep() and not self.searched:
            what = "sweep over a,b or range(1,3), or search with hydra/sweeper=optuna"
            self.faults.append(f"{text} has no end of values: {what}")
            return
        values = _values(override, parser)
        key = override.key_or_group
        if key == "hydra" or key.startswith(("hydra.", "hydra/")):
            self._add_hydra(override, values)
        elif override.is_delete():
            none = " or ".join(f"~{kind}" for kind in MAY_BE_NONE)
            self.faults.append(f"{text}: nothing can be taken away but by {none}, only be given another value")
        elif override.is_sweep_override() and not multirun:
            self.faults.append(f"{text} is a sweep: add -m, or write a list in brackets")
        elif key in groups() and not any(isinstance(value, dict) for value in values):
            self._add_choice(override, values)
        else:
            plus = text if override.is_add() or override.is_force_add() else ""
            whole = override.is_interval_sweep() and all(float(end).is_integer() for end in values)
            where = f"{text} (whole numbers are int({text.partition('=')[2]})): " if whole else ""
            self.values += [Value(key, value, where, plus) for value in values]

    def _add_hydra(self, override: Override, values: list[Any]) -> None:
        text = str(override.input_line)
        if override.is_sweep_override():
            self.faults.append(f"{text}: a setting of Hydra cannot be swept over")
        elif fault := _verbose_fault(override.get_key_element(), values[0]):
            self.faults.append(fault)
        elif fault := package_fault(key := override.get_key_element(), str(values[0])):
            self.faults.append(fault)
            if is_plugin(key, str(values[0])):  # whose options can be looked at without it
                self.hydra.append(text)
            else:
                self.wrong.add(key)
        elif fault := hydra_fault(override.get_key_element(), values[0], text):
            self.faults.append(fault)
        else:
            self.hydra.append(text)

    def _add_choice(self, override: Override, values: list[Any]) -> None:
        group, text = override.key_or_group, str(override.input_line)
        value = values[0]
        names = _words(value)
        plus = "+" if group == "experiment" else ""
        if override.package is not None or override.get_key_element() != f"{plus}{group}":
            self.faults.append(f"{text}: write {plus}{group}={text.partition('=')[2]}")
        if isinstance(value, list) and group not in _LISTS:
            self.faults.append(f"{text}: a config has one {group}, not a list of them")
        elif group in self.typed:
            self.faults.append(f"{text}: {group} is given twice")
        else:
            self.typed.add(group)
            self.choose(group, names)
        if group == "experiment":
            self._add_experiments([name for name in names if name in options(group)])

    def _add_experiments(self, names: Iterable[str]) -> None:
        below = Request()
        for name in names:
            below.read_experiment(name)
        self.choices = below.choices | {g: chosen for g, chosen in self.choices.items() if g != "experiment"}
        self.values = below.values + self.values
        self.wrong |= below.wrong - self.typed
        self.faults += below.faults

    def read_experiment(self, name: str, above: tuple[str, ...] = ()) -> None:
        """Take the lines of conf/experiment/`name`.yaml and of what it builds upon; `above` are built upon it."""
        where = f"{EXPERIMENT}/{name}.yaml: "
        try:
            faults = file_faults(EXPERIMENT, name)
            held = content(yaml_file(EXPERIMENT, name))
        except (BadInput, OSError) as error:
            self.faults.append(explain(error))
            return
        self.faults += faults
        if not isinstance(held, dict):
            return
        own: dict[str, list[str]] = {}
        defaults = held.get("defaults")
        for item in defaults if isinstance(defaults, list) else ():
            if item in (name, *above):
                self.faults.append(f"{where}it builds upon itself")
            elif isinstance(item, str) and item in options(EXPERIMENT):
                self.read_experiment(item, (name, *above))
            for key, chosen in item.items() if isinstance(item, dict) else ():
                group = str(key).removeprefix("override ").strip(" /").partition("@")[0]
                if group in groups() and (group in _LISTS or not isinstance(chosen, list)):
                    own[group] = _words(chosen)
                    self.choose(group, own[group], where)
        if PRESETS in held:
            self.faults += [where + fault for fault in _preset_faults(held[PRESETS], name, own)]
        values = {
            key: value for key, value in held.items() if isinstance(key, str) and key not in ("defaults", PRESETS)
        }
        good = ((key, value) for key, value in leaves(values) if not value_fault(value))
        self.values += [Value(key, value, where) for key, value in good if key.partition(".")[0] != "hydra"]


def _preset_faults(held: Any, name: str, chosen: dict[str, list[str]]) -> Iterator[str]:
    """What is wrong with the presets in the file of the experiment `name`, but for their values."""
    if not isinstance(held, dict):
        yield f"{PRESETS} holds presets by group, as in {PRESETS}: {{model: {{defaults: [mlp, _self_], width: 50}}}}"
        return
    for group, preset in held.items():
        if group not in CARRIED:
            yield f"{PRESETS} has no {group}: {nearest(str(group), CARRIED)}"
        elif not isinstance(preset, dict):
            yield f"{PRESETS}.{group} has to hold keys, not {show(preset)}"
        elif chosen.get(group) != [name]:
            yield f"{PRESETS}.{group} is not chosen: add override /{group}: {name} to the defaults"


def requests(texts: list[str], *, multirun: bool) -> list[Request]:
    """What is asked for, once for each combination of swept options; swept values are all of one request."""
    parser = OverridesParser.create(GlobalHydra.instance().config_loader() if multirun else None)
    searched = "hydra/sweeper=optuna" in texts
    texts, faults = bounded(texts, parser, multirun=multirun, searched=searched)
    variants = [_variants(text, parser) if multirun else [text] for text in texts]
    found = [Request(faults=faults)] if faults else []
    for job in product(*variants):
        request = Request(searched=searched)
        for text in job:
            request.add(text, parser, multirun=multirun)
        found.append(request)
    return found


def _variants(text: str, parser: OverridesParser) -> list[str]:
    try:
        [override] = parser.parse_overrides([text])
        if override.is_sweep_override() and override.key_or_group in groups():
            return [f"{override.get_key_element()}={name}" for name in override.sweep_string_iterator()]
    except (HydraException, ValueError):
        return [text]  # said when it is read again
    return [text]


def _values(override: Override, parser: OverridesParser) -> list[Any]:
    """The value of an override, or all that it sweeps over."""
    value = override.value()
    if isinstance(value, IntervalSweep):
        return [value.start, value.end]
    if isinstance(value, RangeSweep) and length(value) > MAX_JOBS:  # of a search, which takes only some of them
        return [number(value, 0), number(value, length(value) - 1)]
    if not override.is_sweep_override():
        return [value]
    texts = [f"{override.key_or_group}={value}" for value in override.sweep_string_iterator()]
    return [one.value() for one in parser.parse_overrides(texts)]


def _verbose_fault(key: str, value: Any) -> str:
    """Why Hydra cannot be made to say more in this way, empty if it can or nobody asks for it."""
    if key != "hydra.verbose" or isinstance(value, bool) or (value and all(isinstance(v, str) for v in _items(value))):
        return ""
    return (
        f"hydra.verbose must be true, false, the name of a logger such as expzoo, or a list of names, not {show(value)}"
    )


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _words(names: Any) -> list[str]:
    """The names of options in a list or alone, as they were typed."""
    return [name if isinstance(name, str) else show(name) for name in _items(names)]
