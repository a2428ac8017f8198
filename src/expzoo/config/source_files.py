"""What Python files say, whatever they are formatted like, and which files of one's own they import.

Each file is read once a process, as Python imports it once, so that what is hashed is what runs. Nothing is imported.
"""

from __future__ import annotations

import ast
import hashlib
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from expzoo.config.homes import homes
from expzoo.system.console import say

_PACKAGE = Path(__file__).resolve().parents[1]
_STANDARD = Path(sysconfig.get_path("stdlib"))
_THIRD_PARTY = {"site-packages", "dist-packages"}
_UNSAID = frozenset({"annotation", "returns", "type_comment", "ctx", "kind"})  # fields of trees that compute nothing
_WORD = re.compile(r"[^\W\d]\w*")

Stamp = tuple[int, int]


@dataclass(frozen=True)
class Source:
    """A file as it was read: the sha256 of what it computes, the words of its texts, the modules that it imports."""

    digest: str
    words: frozenset[str]
    imports: frozenset[str]


_read: dict[Path, tuple[Stamp, Source]] = {}
_said: dict[Path, Stamp] = {}


def source(file: Path) -> Source:
    """What `file` said when this process read it first; a line on standard error once it says something else.

    Comments, docstrings, annotations and layout are no part of what a file computes. What is no
    Python counts byte by byte.
    """
    stamp = _stamp(file)
    if file not in _read:
        _read[file] = stamp, _source(file)
    before, found = _read[file]
    if stamp != before and stamp != _said.get(file):
        _said[file] = stamp
        if _source(file) != found:
            told = "what follows is of its earlier source, and kept as such: start again to use the new one"
            say(f"{file} was changed after this process had read it: {told}", file=sys.stderr)
    return found


def of_plugin(file: Path) -> list[Source]:
    """The source of a plugin's file and of what it imports of its own home, or of its author's modules beside it.

    The standard library, installed packages and expzoo itself are no author's own.
    """
    places = [home.plugins for home in homes() if home.plugins]
    plugins = next(folder for folder in places if file.is_relative_to(folder))
    home, names = plugins, {"expzoo.plugins": places}
    if (plugins.parent / "__init__.py").exists():  # of an installed package, of which `sys.path` may not know
        home = plugins.parent
        names[home.name] = [home]
    waiting, found = [file], dict[Path, Source]()
    while waiting:
        if (path := waiting.pop()) not in found:
            found[path] = source(path)
            imported = (other for module in found[path].imports for other in _files(module, path, names))
            waiting += (other for other in imported if _is_own(other, home))
    return list(found.values())


def words(value: object) -> Iterator[str]:
    """Every word in the texts of nested mappings and sequences, keys included."""
    if isinstance(value, str):
        yield from _WORD.findall(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from words(key)
            yield from words(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from words(item)


def _stamp(file: Path) -> Stamp:
    try:
        facts = file.stat()
    except OSError:
        return 0, -1
    return facts.st_mtime_ns, facts.st_size


def _source(file: Path) -> Source:
    try:
        content = file.read_bytes()
    except OSError:
        content = b""
    try:
        tree = ast.parse(content)
        digest = hashlib.sha256(repr(_plain(tree)).encode("utf-8", "backslashreplace")).hexdigest()
    except (SyntaxError, ValueError, RecursionError):
        return Source(hashlib.sha256(content).hexdigest(), frozenset(), frozenset())
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return Source(digest, frozenset(word for text in texts for word in words(text)), frozenset(_imports(tree)))


def _plain(node: Any) -> Any:
    """A tree as nested tuples, the same in every version of Python: fields that are empty are left out."""
    if isinstance(node, list):
        return tuple(map(_plain, node))
    if not isinstance(node, ast.AST):
        return node
    fields = {name: value for name, value in ast.iter_fields(node) if name not in _UNSAID}
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and ast.get_docstring(node):
        fields["body"] = node.body[1:]
    said = ((name, _plain(value)) for name, value in fields.items() if value is not None and value != [])
    return (type(node).__name__, *said)


def _imports(tree: ast.AST) -> Iterator[str]:
    """The modules that may be meant, a dot before them for each level of a relative import."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                start = "." * level + (module or "")
                yield from (start + ("" if start.endswith(".") else ".") + alias.name for alias in names)
                yield start


def _files(module: str, importer: Path, names: Mapping[str, list[Path]]) -> Iterator[Path]:
    """The files that importing `module` from the file `importer` runs."""
    absolute = module.lstrip(".")
    parts = absolute.split(".") if absolute else []
    if level := len(module) - len(absolute):
        yield from _below([importer.parents[level - 1]], parts)
        return
    for prefix, folders in names.items():
        if absolute.startswith(f"{prefix}."):
            yield from _below(folders, absolute.removeprefix(f"{prefix}.").split("."))
    yield from _below([Path(entry) if entry else Path.cwd() for entry in sys.path], parts)


def _below(folders: list[Path], parts: list[str]) -> Iterator[Path]:
    """The files of a module and of the packages that it is in, below the first folder that has any."""
    for folder in folders:
        places = [folder.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
        candidates = (file for place in places for file in (place.with_suffix(".py"), place / "__init__.py"))
        if found := [file.resolve() for file in candidates if _exists(file)]:
            yield from found
            return


@cache
def _exists(file: Path) -> bool:
    return file.is_file()


def _is_own(file: Path, home: Path) -> bool:
    if file.is_relative_to(home):
        return True
    return not (file.is_relative_to(_PACKAGE) or file.is_relative_to(_STANDARD) or _THIRD_PARTY & set(file.parts))
