"""Presets and experiments: the YAML files of every home, and what a group can be given.

A preset is a file `conf/<group>/NAME.yaml`, or, if only one experiment has a use for it, the part
`presets.<group>` of `conf/experiment/NAME.yaml`: it is then called as the experiment, which chooses
it like any other, and no list shows it.
"""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from expzoo.config.homes import Home, homes, look, stamps
from expzoo.config.registry import KINDS, SHARED, index
from expzoo.system.errors import BadInput, closest, nearest
from expzoo.system.yaml_text import Limits, load, text_of

EXPERIMENT, PRESETS = "experiment", "presets"

CARRIED = tuple(kind for kind in KINDS if kind not in SHARED)
"""The groups of which an experiment's file may hold a preset."""

_LIMITS = Limits(values=10_000)  # which take a second to read
_HEAD = 512  # characters, as many as Hydra looks at

_BLOCK = re.compile(r"^presets:(?P<same_line>.*)\n(?P<below>(?:[ \t].*\n|[ \t]*(?:#.*)?\n)*)", re.MULTILINE)
_KEY = re.compile(r" +(\w+) *:(?: |$)")
_ASIDE = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|\s#.*""")  # quoted texts and comments
_PARTS = re.compile(r"[{}\[\]]|(\w+) *:\s")


def groups() -> list[str]:
    """What can be chosen on the command line: the kinds of plugin and the folders of conf/."""
    return sorted({EXPERIMENT, *KINDS, *presets()})


def options(group: str) -> list[str]:
    """The names that a group can be given: plugins, presets, experiments."""
    return sorted({*index().get(group, ()), *presets().get(group, ())})


def listed(group: str) -> list[str]:
    """The names without those of the presets that experiments keep to themselves."""
    return all_listed().get(group, [])


def all_listed() -> dict[str, list[str]]:
    """Group -> its names, without those of the presets that experiments keep to themselves."""
    plugins, files = index(), presets()
    return {
        group: sorted(
            {*plugins.get(group, ())}
            | {name for name, file in files.get(group, {}).items() if group == EXPERIMENT or not _is_experiment(file)}
        )
        for group in {EXPERIMENT, *plugins, *files}
    }


def hint(group: str, name: str) -> str:
    """The option of a group that looks most like `name`, or else all that are listed."""
    return nearest(name, known if closest(name, known := options(group)) else listed(group))


def yaml_file(group: str, name: str) -> Path:
    """The file of a preset or an experiment."""
    return presets()[group][name]


def is_carried(group: str, name: str) -> bool:
    """Whether this is a preset in the file of an experiment."""
    return group in CARRIED and _is_experiment(presets().get(group, {}).get(name))


def _is_experiment(file: Path | None) -> bool:
    return file is not None and file.parent.name == EXPERIMENT


def file_of(config: str) -> str:
    """The file of the config `group/name`, as an error names it."""
    group, _, name = config.rpartition("/")
    return f"{EXPERIMENT if is_carried(group, name) else group}/{name}.yaml"


def variants(experiment: str) -> list[str]:
    """The experiments that build upon this one; files that cannot be read are none."""
    found = []
    for name, file in presets().get(EXPERIMENT, {}).items():
        try:
            defaults = content(file)["defaults"]
        except Exception:  # noqa: BLE001 - whatever is wrong with the file is said when it is chosen
            continue
        if isinstance(defaults, list) and experiment in defaults:
            found.append(name)
    return found


def content(file: Path) -> Any:
    """What a YAML file holds, as plain data that is not to be changed; BadInput if it is none, OSError."""
    return _content(file, file.stat().st_mtime_ns)


def head(file: Path) -> str:
    """The beginning of a YAML file, where Hydra looks for its package."""
    return source_text(file)[:_HEAD]


def shown(file: Path) -> str:
    """A YAML file as an error names it: group/NAME.yaml."""
    return f"{file.parent.name}/{file.name}"


def source_text(file: Path) -> str:
    """The text of a YAML file; BadInput if it is too large, no UTF-8, or lies elsewhere than the link to it does."""
    folder = file.parents[1]
    if not file.resolve().is_relative_to(folder.resolve()):
        raise BadInput(f"{shown(file)}: it is a link to a place outside of {folder}: copy the file")
    return text_of(file, source=shown(file))


@look
def presets() -> dict[str, dict[str, Path]]:
    """Group -> name -> YAML file; BadInput if a name is used twice, since one file would silently hide the other."""
    places = homes()
    return _presets(places, (*stamps(places), *map(_edited, places)))


def _edited(home: Home) -> int:
    """Another number once an experiment was edited."""
    folder = home.conf / EXPERIMENT if home.conf else None
    if folder is None or not folder.is_dir():
        return 0
    with os.scandir(folder) as files:
        return sum(file.stat().st_mtime_ns for file in files)


@cache
def _presets(places: tuple[Home, ...], state: tuple[int, ...]) -> dict[str, dict[str, Path]]:
    found, taken = dict[str, dict[str, Path]](), index()
    folders = [home.conf for home in places if home.conf]
    files = [(file.parent.name, file) for folder in folders for file in sorted(folder.glob("[!.]*/[!.]*.yaml"))]
    carried = [(group, file) for folder, file in files if folder == EXPERIMENT for group in _carried(file)]
    for group, file in files + carried:
        names = found.setdefault(group, {})
        if other := names.get(file.stem) or taken.get(group, {}).get(file.stem):
            raise BadInput(f"two files are called {group}={file.stem}: {other} and {file}")
        names[file.stem] = file
    return found


def _carried(file: Path) -> list[str]:
    """The groups of which an experiment's file holds a preset; what is wrong with it is said when it is chosen."""
    try:
        text = source_text(file) + "\n"
    except (BadInput, OSError):
        return []
    block = _BLOCK.search(text)
    if not block:
        return []
    # To read YAML would take milliseconds a file, and a tenth of a second for the first.
    in_braces = block["same_line"].lstrip().startswith("{")
    names = _keys_in_braces(text[block.start() :]) if in_braces else _keys_in_lines(block["below"])
    if names is None:
        try:
            held = content(file)[PRESETS]
        except Exception:  # noqa: BLE001 - whatever is wrong with it
            held = {}
        names = [str(name) for name in held] if isinstance(held, dict) else []
    return [name for name in names if name in CARRIED]


def _keys_in_lines(text: str) -> list[str] | None:
    """The keys of a mapping that is written below its own key; None if they are written in an unusual way."""
    lines = [line for line in text.splitlines() if line.partition("#")[0].strip()]
    depth = [len(line) - len(line.lstrip()) for line in lines]
    keys = [_KEY.match(line) for line, spaces in zip(lines, depth, strict=True) if spaces <= depth[0]]
    return [key[1] for key in keys if key] if all(keys) else None


def _keys_in_braces(text: str) -> list[str]:
    """The keys of the mapping in braces with which the text begins."""
    depth, keys = 0, []
    for part in _PARTS.finditer(_ASIDE.sub("", text.partition(":")[2])):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(part[0], 0)
        if not depth:
            break
        if part[1] and depth == 1:
            keys.append(part[1])
    return keys


@cache
def _content(file: Path, state: int) -> Any:
    held = load(source_text(file), source=shown(file), limits=_LIMITS, exponents=True)
    return {} if held is None else held
