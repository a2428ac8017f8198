"""Plugins: one file each, read from its syntax tree, so that no plugin is imported before it is used."""

from __future__ import annotations

import inspect
import keyword
import os
import sys
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from expzoo.config import declaration
from expzoo.config.options import REQUIRED, convert, storable
from expzoo.system.errors import BadInput, PluginError, nearest

if TYPE_CHECKING:
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

FOLDERS = KINDS | LOOKED_UP
"""Every kind of plugin -> the folder of its files."""

SHARED = ("analysis",)
"""Kinds of which a config has several: each option is a node below the kind."""

NOTHING = {"constraint": "free", "parametrisation": "plain"}
"""Kinds that a network may be without, and the option that says so; such a kind is not in the network's key."""

GIVEN = {"model": ("inputs", "outputs")}
"""The positional parameters that the framework supplies, by kind."""

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = _PACKAGE.parent.parent
# A folder called plugins beside site-packages is none of ours: only a checkout has a pyproject.toml there.
HOME = _CHECKOUT if _PACKAGE.parent.name == "src" and (_CHECKOUT / "pyproject.toml").is_file() else _PACKAGE
"""The folder that holds the package's own conf/ and plugins/."""

_GROUP = "expzoo.plugins"
_WORDS_OF_YAML = frozenset({"true", "false", "null", "none", "nan", "inf", "on", "off", "yes", "no"})

Class = TypeVar("Class", bound=type)


@dataclass(frozen=True)
class Home:
    """A place of plugins: who it belongs to, the folder of its kind folders, and its presets and experiments."""

    owner: str
    plugins: Path
    conf: Path | None = None


def homes() -> tuple[Home, ...]:
    """Every home of plugins, the package's own first; nothing is imported."""
    folders = [Path(folder).absolute() for folder in os.environ.get("EXPZOO_PLUGINS", "").split(os.pathsep) if folder]
    if absent := [str(folder) for folder in folders if not folder.is_dir()]:
        raise BadInput(f"EXPZOO_PLUGINS names what is not a folder: {', '.join(absent)}")
    own = Home("expzoo", HOME / "plugins", HOME / "conf")
    here = Home("the working directory", Path.cwd() / "plugins", Path.cwd() / "plugins" / "conf")
    given = [Home("EXPZOO_PLUGINS", folder, folder / "conf") for folder in folders]
    found: dict[Path, Home] = {}
    for home in (own, *_installed(), here, *given):
        found.setdefault(home.plugins.resolve(), home)  # in a checkout, the working directory may be the package's own
    return tuple(found.values())


@cache
def _installed() -> tuple[Home, ...]:
    """The homes of installed packages that have an entry point in the group `expzoo.plugins`."""
    # Looking into the files first saves the start of every command the fifteen milliseconds of importlib.metadata.
    announcements = (file for folder in sys.path for file in Path(folder).glob("*-info/entry_points.txt"))
    if not any(_GROUP in file.read_text(errors="replace") for file in announcements):
        return ()
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    found = []
    for entry in entry_points(group=_GROUP):
        distribution = entry.dist.name if entry.dist else entry.value
        try:
            spec = find_spec(entry.value)
        except Exception:  # noqa: BLE001 - a name with a dot imports its package, which may raise anything
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise BadInput(f"{distribution}: its entry point {entry.name} = {entry.value} is not an installed package")
        folder = Path(spec.submodule_search_locations[0])
        if not (folder / "plugins").is_dir() and not (folder / "conf").is_dir():
            told = f"{entry.value} has neither plugins/ nor conf/: was it packaged without them?"
            raise BadInput(f"{distribution}: {told}")
        found.append(Home(distribution, folder / "plugins", folder / "conf"))
    return tuple(found)


def index() -> dict[str, dict[str, Path]]:
    """Kind -> name -> file; BadInput if a file name is unusable or two homes use the same one."""
    return _index(places := homes(), _stamps(places))


def _stamps(places: tuple[Home, ...]) -> tuple[int, ...]:
    """Other numbers once a file was added or removed, as from a notebook."""
    roots = [root for home in places for root in (home.plugins, home.conf) if root and root.is_dir()]
    return tuple(folder.stat().st_mtime_ns for root in roots for folder in sorted(root.iterdir()) if folder.is_dir())


@cache
def _index(places: tuple[Home, ...], stamps: tuple[int, ...]) -> dict[str, dict[str, Path]]:
    found: dict[str, dict[str, Path]] = {kind: {} for kind in FOLDERS}
    for home in places:
        for kind, folder in FOLDERS.items():
            for file in sorted((home.plugins / folder).glob("[!_]*.py")):
                _refuse_name(file)
                if file.stem in found[kind]:
                    raise BadInput(f"two files are called {kind}={file.stem}: {found[kind][file.stem]} and {file}")
                found[kind][file.stem] = file
    return found


def _refuse_name(file: Path) -> None:
    name = file.stem
    if not name.isidentifier() or name != name.lower() or keyword.iskeyword(name) or name in _WORDS_OF_YAML:
        raise BadInput(f"{file}: a plugin is called by a lower-case identifier that is no word of YAML, not {name!r}")


def available(kind: str) -> list[str]:
    """The names of all plugins of a kind; BadInput with the nearest kinds if it is none."""
    if kind not in FOLDERS:
        raise BadInput(f"there is no kind of plugin called {kind}: {nearest(kind, FOLDERS)}")
    return sorted(index()[kind])


def groups() -> list[str]:
    """What can be chosen on the command line: the kinds of plugin and the folders of conf/."""
    return sorted({"experiment", *KINDS, *presets()})


def options(group: str) -> list[str]:
    """The names that a group can be given: plugins, presets, experiments."""
    return sorted({*index().get(group, ()), *presets().get(group, ())})


def yaml_file(group: str, name: str) -> Path:
    """The file of a preset or an experiment."""
    return presets()[group][name]


def presets() -> dict[str, dict[str, Path]]:
    """Group -> name -> YAML file; BadInput if a name is used twice, since one file would silently hide the other."""
    return _presets(places := homes(), _stamps(places))


@cache
def _presets(places: tuple[Home, ...], stamps: tuple[int, ...]) -> dict[str, dict[str, Path]]:
    found, taken = dict[str, dict[str, Path]](), _index(places, stamps)
    for home in places:
        for file in sorted(home.conf.glob("[!.]*/*.yaml")) if home.conf else ():
            group = file.parent.name
            names = found.setdefault(group, {})
            if other := names.get(file.stem) or taken.get(group, {}).get(file.stem):
                raise BadInput(f"two files are called {group}={file.stem}: {other} and {file}")
            names[file.stem] = file
    return found


def path(kind: str, name: str) -> Path:
    """The file of a plugin; BadInput with the nearest names if there is none."""
    if name not in (known := index().get(kind, {})):
        raise BadInput(f"there is no {kind}={name}: {nearest(name, available(kind))}")
    return known[name]


def owner(file: Path) -> str:
    """Who a plugin's file belongs to: a distribution's name, or what names its folder."""
    return next((home.owner for home in homes() if file.is_relative_to(home.plugins)), "an unknown owner")


def declared(kind: str, name: str) -> Declaration:
    """What the plugin `kind=name` declares; BadInput with its owner if its file does not fit."""
    file = path(kind, name)
    try:
        return read(file)
    except BadInput as error:
        raise BadInput(f"{kind}={name} of {owner(file)} cannot be read: {error}") from None


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
    try:
        return getattr(import_module(module), read(file).class_name)
    except BadInput:
        raise
    except Exception as error:
        raise PluginError(f"{kind}={name} of {owner(file)}", file, "imported") from error


def build(kind: str, name: str, /, *given: Any, **options: Any) -> Any:
    """The plugin, constructed from checked options and from what the framework gives by position.

    Raises BadInput for an option that is unknown, missing or out of range and for a ValueError of the constructor or of
    another of its kind that it builds, and PluginError for any other exception of the plugin.
    """
    values = complete(kind, name, options)
    made = load(kind, name)
    try:
        return made(*given, **values)
    except ValueError as error:
        raise BadInput(f"{node(kind, name)}: {str(error).removeprefix(node(kind, name) + ': ')}") from error
    except Exception as error:
        file = path(kind, name)
        raise PluginError(f"{kind}={name} of {owner(file)}", file, "constructed") from error


def check(kind: str, name: str, options: dict[str, Any], given: tuple[Any, ...] = ()) -> list[str]:
    """Every fault of a plugin's options, its constructor's included; empty if it can be built."""
    try:
        build(kind, name, *given, **{key: value for key, value in options.items() if key != "name"})
    except BadInput as error:
        return str(error).splitlines()
    return []


def node(kind: str, name: str) -> str:
    """Where the options of a plugin are in a config; of one that is looked up, its name."""
    if kind in LOOKED_UP:
        return name
    return f"{kind}.{name}" if kind in SHARED else kind


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
    """Mark the class that a plugin file is for; TypeError if its real signature is not the one its source shows."""
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
    return cls
