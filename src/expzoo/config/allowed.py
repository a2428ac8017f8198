"""What a config may say, whoever wrote it: a YAML file of others, or a value, is data and does nothing but be read.

Hydra would import modules that YAML names, load files from anywhere and write where it is told; so
all of that is refused before Hydra sees it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hydra.plugins.config_source import ConfigSource

from expzoo.config.options import MAX_TEXT, show
from expzoo.config.paths import path_fault
from expzoo.config.presets import (
    EXPERIMENT,
    PRESETS,
    content,
    groups,
    head,
    hint,
    is_carried,
    options,
    shown,
    yaml_file,
)
from expzoo.config.registry import OF_HYDRA, SHARED
from expzoo.system.errors import nearest
from expzoo.system.yaml_text import LIMITS

OF_HYDRA_TYPED = (
    "hydra.run.dir",
    "hydra.sweep.dir",
    "hydra.sweep.subdir",
    "hydra/launcher",
    "hydra/sweeper",
    "hydra.verbose",
)
"""All that may be set of Hydra besides the options of its launcher and sweeper, and by nobody but who types."""

_NODES = tuple(f"hydra.{kind}." for kind in OF_HYDRA)
_MORE = "+hydra.launcher.additional_parameters."  # of SLURM's sbatch, which the launcher hands on
_NAME = re.compile(r"\w[\w-]*")
_OPENED = re.compile(r"\$\{")
_READS = re.compile(r"\$\{\s*(?P<what>[^\s:{}$]*)\s*(?P<end>[:}]?)")
_KEY = re.compile(r"\.*(\w|-)+((\.|\[)(\w|-)+\]?)*")
_RESOLVERS = ("budget", "oc.select")  # the others read the machine, or evaluate text
_BRACKETS = dict.fromkeys("([{", 1) | dict.fromkeys(")]}", -1)


def hydra_fault(key: str, value: Any, typed: str) -> str:
    """Why the setting `key` of Hydra's cannot be given this value on the command line, empty if it can."""
    group = key.startswith("hydra/")
    inside = key.startswith((*_NODES, _MORE)) and not any(part.startswith("_") for part in key.split("."))
    plain = all(isinstance(one, int | float | str | None) for one in (value if isinstance(value, list) else [value]))
    if not plain or not (inside or key in OF_HYDRA_TYPED):
        return f"{key} cannot be changed: {nearest(key, OF_HYDRA_TYPED)}"
    if group and not (isinstance(value, str) and _NAME.fullmatch(value)):
        return f"{typed}: {key} is chosen by its name, not by {show(value)}"
    if isinstance(value, str) and (fault := path_fault(value) if key in OF_HYDRA_TYPED else ""):
        return f"{key}: {fault}"
    return ""


def nesting_fault(text: str) -> str:
    """Why a text is too deep to be read, empty if it is not: parsers go down one call a bracket."""
    depth = deepest = 0
    for bracket in re.findall(r"[][(){}]", text):
        depth += _BRACKETS[bracket]
        deepest = max(deepest, depth)
    return f"more than {LIMITS.depth} brackets are open at once" if deepest > LIMITS.depth else ""


def value_fault(value: Any) -> str:
    """Why a config cannot hold this value, empty if it can: a text of it is too long, or reads something else."""
    if isinstance(value, Mapping):
        return next(filter(None, map(value_fault, value.values())), "")
    if isinstance(value, list | tuple):
        return next(filter(None, map(value_fault, value)), "")
    return _text_fault(value) if isinstance(value, str) else ""


def _text_fault(text: str) -> str:
    if len(text) > MAX_TEXT:
        return f"a text of {len(text):,} characters: at most {MAX_TEXT:,}"
    if "${" not in text:
        return ""
    if fault := nesting_fault(text):
        return fault
    for opened in _OPENED.finditer(text):
        found = _READS.match(text, opened.start())
        what, end = (found["what"], found["end"]) if found else ("", "")
        is_resolver = end == ":" and what in _RESOLVERS
        if what == "oc.select":  # the other key of the config, or else a value
            key, _, _ = text[found.end() :].partition(",") if found else ("", "", "")
            is_resolver = bool(_KEY.fullmatch(key)) and "hydra" not in re.split(r"[.\[\]]", key)
        is_key = end == "}" and _KEY.fullmatch(what) and "hydra" not in re.split(r"[.\[\]]", what)
        if not is_resolver and not is_key:
            said = text[opened.start() : opened.start() + 40].partition("}")[0]
            return f"{said}{'}' * (len(said) < 40)} is not read: only ${{budget:...}} and other keys of the config are"
    return ""


def file_faults(group: str, name: str) -> list[str]:
    """What the YAML file of a preset or an experiment must not say, each with the file; BadInput if it is no YAML."""
    file, found = yaml_file(group, name), list[str]()
    held, where = content(file), f"{shown(file)}: "
    if is_carried(group, name) and isinstance(held, dict) and isinstance(held.get(PRESETS), dict):
        held = held[PRESETS].get(group)
    elif fault := _header_fault(group, head(file)):
        found.append(fault)
    if not isinstance(held, dict):
        return [f"{where}it holds no keys"]
    found += _defaults_faults(group, [] if held.get("defaults") is None else held["defaults"])
    for key, value in held.items():
        if key == PRESETS and group == EXPERIMENT:
            own = value.items() if isinstance(value, dict) else ()
            carry = [of for of, preset in own if isinstance(preset, dict) and is_carried(of, name)]
            found += [fault.removeprefix(where) for of in carry for fault in file_faults(of, name)]
        elif key != "defaults":
            found += _key_faults(key, value)
    return [where + fault for fault in found]


def _key_faults(key: Any, value: Any) -> Iterator[str]:
    if not isinstance(key, str):
        yield f"{show(key)} is no name of a key"
    elif key.partition(".")[0] == "hydra":
        yield f"{key} is not set in a file, which is data: type hydra.run.dir=... and the like"
    else:
        yield from _value_faults(key, value)


def _header_fault(group: str, text: str) -> str:
    """Whether the lines before the first one say that the config goes where it belongs."""
    try:
        package = ConfigSource._get_header_dict(text)["package"]
    except ValueError as error:
        return str(error)
    if group == EXPERIMENT:
        return "" if package == "_global_" else "the first line has to be # @package _global_"
    return "" if package in (None, group, "_group_") else f"a preset of {group} has no # @package {package}"


def _value_faults(key: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _value_faults(f"{key}.{name}", inner)
    elif fault := value_fault(value):
        yield f"{key}: {fault}"


def _defaults_faults(group: str, defaults: Any) -> Iterator[str]:
    """A line for each of the defaults that is not the name of a known option of a known group."""
    if not isinstance(defaults, list):
        yield f"defaults has to be a list, not {show(defaults)}"
        return
    for item in defaults:
        if isinstance(item, str):
            if item != "_self_":
                yield from _unknown(group, item)
        elif isinstance(item, dict) and len(item) == 1:
            [(key, chosen)] = item.items()
            chosen_in = str(key).removeprefix("override ").strip().removeprefix("/")
            if chosen_in not in groups():
                yield f"defaults has {key}: {nearest(chosen_in, groups())}"
                continue
            if isinstance(chosen, list) and chosen_in not in (*SHARED, EXPERIMENT):
                yield f"defaults has {key}: a config has one {chosen_in}, not a list of them"
                continue
            for name in chosen if isinstance(chosen, list) else [chosen]:
                yield from _unknown(chosen_in, name)
        else:
            yield f"defaults holds {show(item)}: write a name, or override /GROUP: NAME"


def _unknown(group: str, name: Any) -> Iterator[str]:
    if name not in options(group):
        text = name if isinstance(name, str) else show(name)
        yield f"there is no {group}={text}: {hint(group, text)}"
