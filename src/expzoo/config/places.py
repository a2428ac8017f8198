"""Where in an experiment's file something stands: the line that an error is about."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from expzoo.config.options import is_nested
from expzoo.config.presets import EXPERIMENT, content, presets
from expzoo.config.registry import declared

if TYPE_CHECKING:
    from collections.abc import Iterator

_FAULT = re.compile(r"(?P<node>analysis\.\w+): (?P<where>.*)")

_ITEM = re.compile(r"\[(?P<index>\d{1,9})\]\.?")

DEPTH = 3  # keys: analysis, its name and the option
NOWHERE = (0, 0, Path())


def located(line: str, experiment: str) -> str:
    """A fault in the options of an analysis, with the file and the line that say it, if an experiment's file does."""
    found = _FAULT.match(line)
    if not found or not _is_read_from_a_file(found["node"].partition(".")[2]):
        return line
    path = f"{found['node']}.{found['where']}"
    files = dict.fromkeys(file for name in re.findall(r"\w+", experiment) for file in _files(name))
    depth, number, file = max(
        ((*_place(file, path), file) for file in files), key=lambda place: place[0], default=NOWHERE
    )
    return f"{file.parent.name}/{file.name}:{number}: {line}" if depth >= DEPTH else line


def _is_read_from_a_file(analysis: str) -> bool:
    """Whether an analysis has options that are mappings, which are written in files; others are typed as well."""
    return any(is_nested(option.kind) for option in declared("analysis", analysis).options.values())


def experiment_text(experiment: str) -> str:
    """The files of an experiment and of those that it builds upon, as YAML documents; "" if there are none here."""
    files = [file for name in re.findall(r"\w+", experiment) for file in _files(name)]
    return "---\n".join(file.read_text(encoding="utf-8-sig") for file in dict.fromkeys(files))


def _files(experiment: str) -> Iterator[Path]:
    """The file of an experiment, then those of the experiments that it builds upon."""
    known = presets().get(EXPERIMENT, {})
    if experiment in known:
        yield known[experiment]
        held = content(known[experiment])
        for base in held.get("defaults") or [] if isinstance(held, dict) else []:
            if isinstance(base, str) and base != experiment:
                yield from _files(base)


def _place(file: Path, path: str) -> tuple[int, int]:
    """How many keys on the way that `path` begins with a file has, and the line of the last."""
    import yaml

    node: yaml.Node | None = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    line, rest, depth = 0, path, 0
    while rest:
        if isinstance(node, yaml.SequenceNode) and (item := _ITEM.match(rest)):
            if int(item["index"]) >= len(node.value):
                break
            node = node.value[int(item["index"])]
            line, rest = node.start_mark.line + 1, rest[item.end() :]
        elif isinstance(node, yaml.MappingNode):
            keys = {str(key.value): (key, value) for key, value in node.value}
            fitting = [name for name in keys if re.match(re.escape(name) + r"(?=$|[.\[:]| must )", rest)]
            if not fitting:
                break
            name = max(fitting, key=len)
            key, node = keys[name]
            line, rest, depth = key.start_mark.line + 1, rest[len(name) :].removeprefix("."), depth + 1
        else:
            break
    return depth, line
