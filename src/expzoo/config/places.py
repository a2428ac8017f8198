"""Where in an experiment's file something stands: the line that an error is about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from expzoo.config.presets import EXPERIMENT, content, presets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FAULT = re.compile(r"(?P<node>analysis\.\w+): (?P<where>[^:\s]+): ")


def located(line: str, experiment: str) -> str:
    """A fault in the options of an analysis, with the file and the line that say it, if an experiment's file does."""
    found = _FAULT.match(line)
    if not found:
        return line
    for name in re.findall(r"\w+", experiment):
        for file in _files(name):
            if number := _line(file, f"{found['node']}.{found['where']}"):
                return f"{file.parent.name}/{file.name}:{number}: {line}"
    return line


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


def _line(file: Path, path: str) -> int | None:
    """The line of the deepest node on the way to `path`, None if the first steps are not there."""
    import yaml

    node, line, rest, depth = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader), None, path, 0
    while rest:
        if rest.startswith("[") and isinstance(node, yaml.SequenceNode):
            index, _, rest = rest[1:].partition("]")
            rest = rest.removeprefix(".")
            if int(index) >= len(node.value):
                break
            node = node.value[int(index)]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        keys = {key.value: (key, value) for key, value in node.value}
        fitting = [key for key in keys if re.match(re.escape(key) + r"(?=$|[.\[])", rest)]
        if not fitting:
            break
        name = max(fitting, key=len)
        key, node = keys[name]
        line, rest, depth = key.start_mark.line + 1, rest[len(name) :].removeprefix("."), depth + 1
    return line if depth > 2 else None  # beyond analysis, its name and the option
