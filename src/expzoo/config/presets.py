"""Presets and experiments: the YAML files of every home, and what a group can be given."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from expzoo.config.homes import Home, homes, stamps
from expzoo.config.registry import KINDS, index
from expzoo.system.errors import BadInput


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
    return _presets(places := homes(), stamps(places))


@cache
def _presets(places: tuple[Home, ...], state: tuple[int, ...]) -> dict[str, dict[str, Path]]:
    found, taken = dict[str, dict[str, Path]](), index()
    for home in places:
        for file in sorted(home.conf.glob("[!.]*/*.yaml")) if home.conf else ():
            group = file.parent.name
            names = found.setdefault(group, {})
            if other := names.get(file.stem) or taken.get(group, {}).get(file.stem):
                raise BadInput(f"two files are called {group}={file.stem}: {other} and {file}")
            names[file.stem] = file
    return found
