"""Modules that offer names of other modules and import nothing before it is used (PEP 562).

The names stand once, in the module's own block for type checkers, which thus see each with its type:

    if TYPE_CHECKING:
        from expzoo.store import records as records
        from expzoo.system.errors import BadInput as BadInput
    else:
        __getattr__, __dir__ = lazy(__name__, __file__)

An import that repeats its name is offered, as in a stub file; any other serves the module's own
annotations. A module is offered like any other name. The stand-in is in the other branch so that
type checkers still refuse a name that is not there.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def lazy(module: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a module; `__all__` is an attribute like the others."""

    def attribute(name: str) -> Any:
        sources = offered(file)
        if name == "__all__":
            return [*sources]
        if name in sources:
            return _imported(sources[name], name)
        from expzoo.system.errors import nearest

        raise AttributeError(f"module {module!r} has no attribute {name!r}: {nearest(name, sources)}")

    def names() -> list[str]:
        own = vars(sys.modules[module]).items()
        kept = (name for name, value in own if name.startswith("__") or isinstance(value, ModuleType))
        return sorted({*kept, *offered(file)})

    return attribute, names


@cache
def offered(file: str) -> dict[str, str]:
    """The names that the file of such a module offers -> the module that each is imported from."""
    import ast
    from pathlib import Path

    blocks = [node for node in ast.parse(Path(file).read_bytes(), file).body if isinstance(node, ast.If)]
    return {
        alias.name: node.module
        for block in blocks
        if isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if alias.asname == alias.name
    }


def _imported(module: str, name: str) -> Any:
    """What `from module import name` gives: an attribute, or else a module of that package."""
    found = import_module(module)
    try:
        return getattr(found, name)
    except AttributeError:
        return import_module(f"{module}.{name}")
