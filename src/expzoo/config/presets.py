"""Presets and experiments: the YAML files of every home, and what a group can be given.

A preset is a file `conf/<group>/NAME.yaml`, or, if only one experiment has a use for it, the part `presets.<group>` of
`conf/experiment/NAME.yaml`: it is then called as the experiment, which chooses it like any other, and no list shows it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.config.homes import Home, homes, stamps
from expzoo.config.registry import KINDS, SHARED, index
from expzoo.system.errors import BadInput, closest, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPERIMENT, PRESETS = "experiment", "presets"

CARRIED = tuple(kind for kind in KINDS if kind not in SHARED)
"""The groups of which an experiment's file may hold a preset."""

_BLOCK = re.compile(r"^presets:(?P<same_line>.*)\n(?P<below>(?:[ \t].*\n|[ \t]*(?:#.*)?\n)*)", re.MULTILINE)
_KEY = re.compile(r" +(\w+) *:(?: |$)")


def groups() -> list[str]:
    """What can be chosen on the command line: the kinds of plugin and the folders of conf/."""
    return sorted({EXPERIMENT, *KINDS, *presets()})


def options(group: str) -> list[str]:
    """The names that a group can be given: plugins, presets, experiments."""
    return sorted({*index().get(group, ()), *presets().get(group, ())})


def listed(group: str) -> list[str]:
    """The names without those of the presets that experiments keep to themselves."""
    return [name for name in options(group) if not is_carried(group, name)]


def hint(group: str, name: str) -> str:
    """The option of a group that looks most like `name`, or else all that are listed."""
    return nearest(name, known if closest(name, known := options(group)) else listed(group))


def yaml_file(group: str, name: str) -> Path:
    """The file of a preset or an experiment."""
    return presets()[group][name]


def is_carried(group: str, name: str) -> bool:
    """Whether this is a preset in the file of an experiment."""
    file = presets().get(group, {}).get(name)
    return group != EXPERIMENT and file is not None and file.parent.name == EXPERIMENT


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
    """What a YAML file holds, as plain data that is not to be changed; errors of YAML, OmegaConf or the system."""
    return _content(file, file.stat().st_mtime_ns)


def presets() -> dict[str, dict[str, Path]]:
    """Group -> name -> YAML file; BadInput if a name is used twice, since one file would silently hide the other."""
    places = homes()
    return _presets(places, stamps(places) + tuple(file.stat().st_mtime_ns for file in _experiments(places)))


def _experiments(places: tuple[Home, ...]) -> Iterator[Path]:
    return (file for home in places if home.conf for file in sorted((home.conf / EXPERIMENT).glob("[!.]*.yaml")))


@cache
def _presets(places: tuple[Home, ...], state: tuple[int, ...]) -> dict[str, dict[str, Path]]:
    found, taken = dict[str, dict[str, Path]](), index()
    folders = [home.conf for home in places if home.conf]
    files = [(file.parent.name, file) for folder in folders for file in sorted(folder.glob("[!.]*/*.yaml"))]
    carried = [(group, file) for file in _experiments(places) for group in _carried(file)]
    for group, file in files + carried:
        names = found.setdefault(group, {})
        if other := names.get(file.stem) or taken.get(group, {}).get(file.stem):
            raise BadInput(f"two files are called {group}={file.stem}: {other} and {file}")
        names[file.stem] = file
    return found


def _carried(file: Path) -> list[str]:
    """The groups of which an experiment's file holds a preset; what is wrong with it is said when it is chosen."""
    text = file.read_text(encoding="utf-8", errors="replace") + "\n"
    block = _BLOCK.search(text)
    if not block:
        return []
    lines = [line for line in block["below"].splitlines() if line.partition("#")[0].strip()]
    depth = [len(line) - len(line.lstrip()) for line in lines]
    keys = [_KEY.match(line) for line, spaces in zip(lines, depth, strict=True) if spaces <= depth[0]]
    if all(keys) and not block["same_line"].partition("#")[0].strip():  # YAML would take milliseconds a file
        names = [key[1] for key in keys if key]
    else:
        try:
            held = content(file)[PRESETS]
        except Exception:  # noqa: BLE001 - whatever is wrong with it
            held = {}
        names = [str(name) for name in held] if isinstance(held, dict) else []
    return [name for name in names if name in CARRIED]


@cache
def _content(file: Path, state: int) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(OmegaConf.load(file))
