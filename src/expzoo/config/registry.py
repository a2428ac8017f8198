"""Plugins: one file each, read from its syntax tree, so that no plugin is imported before it is used."""

from __future__ import annotations

import inspect
import keyword
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from expzoo.config import declaration
from expzoo.config.homes import OWN, Home, homes, look, owner, stamps
from expzoo.config.options import REQUIRED, convert, storable
from expzoo.config.source_files import of_plugin
from expzoo.system.errors import BadInput, PluginError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from expzoo.config.declaration import Declaration

KINDS = {
    "dataset": "datasets",
    "model": "models",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "loss": "losses",
    "stop": "stops",
    "constraint": "constraints",
    "parametrisation": "parametrisations",
    "trainer": "trainers",
    "logger": "loggers",
    "analysis": "analyses",
}
"""Kind of plugin that a config chooses -> the folder of its files."""

LOOKED_UP = {"metric": "metrics", "probe": "probes"}
"""Kind of plugin that an analysis asks for by name -> the folder of its files; it is no part of a config."""

OF_HYDRA = {"launcher": "launchers", "sweeper": "sweepers"}
"""Kind of plugin that runs the jobs of a multirun -> the folder of its files; it is chosen in a group of Hydra's."""

FOLDERS = KINDS | LOOKED_UP | OF_HYDRA
"""Every kind of plugin -> the folder of its files."""

SHARED = ("analysis", "logger")
"""Kinds of which a config has several: each option is a node below the kind."""

MAY_BE_NONE = ("logger",)
"""Those of them of which a config may have none."""

NOTHING = {"constraint": "free", "parametrisation": "plain"}
"""Kinds that a network may be without, and the option that says so; such a kind is not in the network's key."""


def _chance(metric: Any, targets: Any, outputs: int) -> float:
    """What answers get that do not depend on the input: the worst of a metric that says no more."""
    return metric.worst(outputs) if metric.worst else float("nan")


OPTIONAL: dict[str, dict[str, Any]] = {
    "dataset": {"redraws": False, "DOWNLOADS": False, "INPUTS": None, "TARGETS": None, "SCORES": None, "LOSS": None},
    "loss": {"worst": None, "of_probabilities": False},
    "model": {"solve": None, "READS": (), "SIZE": None, "LOSS": None},
    "optimizer": {"noisy": False},
    "parametrisation": {"prunes": False},
    "schedule": {"batches": None},
    "stop": {"best": None},
    "metric": {"UNIT": "", "BETTER": None, "worst": None, "chance": _chance},
    "analysis": {"NEEDS": (), "HOME": ()},
}
"""What a class of a kind may say (see `spec.contracts`), and what it has said if it does not."""

GIVEN = {"model": ("inputs", "outputs")}
"""The positional parameters that the framework supplies, by kind."""

WORDS_OF_YAML = frozenset({"true", "false", "null", "none", "nan", "inf", "on", "off", "yes", "no"})
"""Names that YAML reads as something else."""

Class = TypeVar("Class", bound=type)


@look
def index() -> dict[str, dict[str, Path]]:
    """Kind -> name -> file; BadInput if a file name is unusable or two homes use the same one."""
    return _index(places := homes(), stamps(places))


@cache
def _index(places: tuple[Home, ...], state: tuple[int, ...]) -> dict[str, dict[str, Path]]:
    found: dict[str, dict[str, Path]] = {kind: {} for kind in FOLDERS}
    for home in (place.plugins for place in places if place.plugins):
        for kind, folder in FOLDERS.items():
            for file in sorted((home / folder).glob("[!_]*.py")):
                _refuse_name(file)
                if other := found[kind].get(file.stem):
                    raise BadInput(f"two files are called {chosen_by(kind)}={file.stem}: {other} and {file}")
                found[kind][file.stem] = file
    return found


def _refuse_name(file: Path) -> None:
    name = file.stem
    if not name.isidentifier() or name != name.lower() or keyword.iskeyword(name) or name in WORDS_OF_YAML:
        raise BadInput(f"{file}: a plugin is called by a lower-case identifier that is no word of YAML, not {name!r}")


def available(kind: str) -> list[str]:
    """The names of all plugins of a kind; BadInput with the nearest kinds if it is none."""
    if kind not in FOLDERS:
        raise BadInput(f"there is no kind of plugin called {kind}: {nearest(kind, FOLDERS)}")
    return sorted(index()[kind])


def spelled(word: str) -> str:
    """`~logger` and `logger=null` as Hydra reads them: of several choices none is left, nothing is taken away."""
    for kind in MAY_BE_NONE:
        if word in (f"~{kind}", f"{kind}=null"):
            return f"{kind}=[]"
    return word


def chosen_by(kind: str) -> str:
    """What a command line chooses a plugin of this kind by: `model`, `hydra/launcher`."""
    return f"hydra/{kind}" if kind in OF_HYDRA else kind


def path(kind: str, name: str) -> Path:
    """The file of a plugin; BadInput with the nearest names if there is none."""
    if name not in (known := index().get(kind, {})):
        raise BadInput(f"there is no {chosen_by(kind)}={name}: {nearest(name, available(kind))}")
    return known[name]


def is_own(kind: str, name: str) -> bool:
    """Whether a plugin is one of the package's own."""
    return owner(path(kind, name)) == OWN


def declared(kind: str, name: str) -> Declaration:
    """What the plugin `kind=name` declares; BadInput with its owner if its file does not fit."""
    file = path(kind, name)
    try:
        return read(file)
    except BadInput as error:
        raise BadInput(f"{chosen_by(kind)}={name} of {owner(file)} cannot be read: {error}") from None


def defaults(kind: str, name: str) -> dict[str, Any]:
    """The options of a plugin that have a default, with it."""
    options = declared(kind, name).options
    return {key: convert(option.kind, option.default) for key, option in options.items() if option.default != REQUIRED}


def complete(kind: str, name: str, options: dict[str, Any]) -> dict[str, Any]:
    """All options of a plugin, converted, with its defaults for the rest; BadInput with every fault."""
    values, faults = _checked(kind, name, options)
    if faults:
        raise BadInput("\n".join(faults))
    return values


def load(kind: str, name: str) -> type:
    """The class of a plugin, imported now; PluginError if the import raises."""
    file, module = path(kind, name), f"expzoo.plugins.{FOLDERS[kind]}.{name}"
    if not is_own(kind, name):
        of_plugin(file)  # so that what is imported now is what keys are made from
    try:
        return getattr(import_module(module), read(file).class_name)
    except BadInput:
        raise
    except Exception as error:
        raise PluginError(f"{chosen_by(kind)}={name} of {owner(file)}", file, "imported") from error


def build(kind: str, name: str, /, *given: Any, **options: Any) -> Any:
    """The plugin, constructed from checked options and from what the framework gives by position.

    Raises BadInput for an option that is unknown, missing or out of range and for a ValueError of
    the constructor or of another of its kind that it builds, and PluginError for any other
    exception of the plugin.
    """
    return maker(kind, name, options)(*given)


def maker(kind: str, name: str, options: dict[str, Any]) -> Callable[..., Any]:
    """What makes the plugin with these options, as `build` does, for who needs many: all is looked up and checked."""
    values = complete(kind, name, options)
    made = load(kind, name)

    def make(*given: Any) -> Any:
        try:
            return made(*given, **values)
        except ValueError as error:
            where = f"{node(kind, name)}: "
            raise BadInput(
                "\n".join(where + line.removeprefix(where) for line in str(error).splitlines() or [""])
            ) from error
        except Exception as error:
            file = path(kind, name)
            raise PluginError(f"{chosen_by(kind)}={name} of {owner(file)}", file, "constructed") from error

    return make


def build_node(kind: str, node: Mapping[str, Any], *given: Any) -> Any:
    """The plugin of a config node, whose `name` says which it is and whose other keys are its options; as `build`."""
    return build(kind, node["name"], *given, **{key: value for key, value in node.items() if key != "name"})


def check(kind: str, name: str, options: dict[str, Any], given: tuple[Any, ...] = ()) -> list[str]:
    """Every fault of a plugin's options, its constructor's included; empty if it can be built."""
    try:
        build_node(kind, {**options, "name": name}, *given)
    except BadInput as error:
        return str(error).splitlines()
    return []


def node(kind: str, name: str) -> str:
    """Where the options of a plugin are in a config; of one that is looked up, its name."""
    if kind in LOOKED_UP:
        return name
    return f"{kind}.{name}" if kind in SHARED else chosen_by(kind).replace("/", ".")


def _checked(kind: str, name: str, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """All options converted, the defaults among them, and what is wrong with them."""
    known, where = declared(kind, name).options, node(kind, name)
    values, faults = {}, [f"{where} has no {key}: {nearest(key, known)}" for key in options if key not in known]
    for key, option in known.items():
        value = options.get(key, option.default)
        try:
            values[key] = convert(option.kind, value)
        except ValueError as error:
            missing = f"{where}.{key} has no value: give {where}.{key}=..."
            faults.append(missing if value == REQUIRED else f"{where}.{key} {error}")
    return values, faults


def read(file: Path) -> Declaration:
    """What a plugin file declares, from its syntax tree; BadInput "file:line: why" if it does not fit."""
    return declaration.read(file, GIVEN.get(_kind(file), ()))


def _kind(file: Path) -> str:
    """The kind of plugin whose folder `file` is in."""
    return next((kind for kind, folder in FOLDERS.items() if folder == file.parent.name), "")


def register(cls: Class) -> Class:
    """Mark the class that a plugin file is for; TypeError if its real signature is not the one its source shows.

    What the class may say and does not is set to what that means, so that nobody has to ask whether it is there.
    """
    file = Path(inspect.getfile(cls))
    given = GIVEN.get(_kind(file), ())
    real = {
        p.name: (p.annotation, REQUIRED if p.default is p.empty else storable(p.default), p.kind)
        for p in inspect.signature(cls, eval_str=True).parameters.values()
        if p.name not in given
    }
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    seen = {key: (option.kind, storable(option.default), keyword_only) for key, option in read(file).options.items()}
    if real != seen:
        raise TypeError(f"{file}: the signature of {cls.__name__} is {real}, but its source says {seen}")
    for name, unsaid in OPTIONAL.get(_kind(file), {}).items():
        if not hasattr(cls, name):
            setattr(cls, name, unsaid)
    return cls
