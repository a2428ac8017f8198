"""Shapes in annotations hold while tests run: jaxtyping's import hook, with beartype, on these packages.

Importing jaxtyping takes longer than some commands do in all, so a module imports it, and whatever
else only its annotations name, under `if TYPE_CHECKING`. jaxtyping takes an annotation with an
unknown name for `Any`; so that none is, those names are put into the module before it runs.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import jaxtyping
import pytest
from beartype import BeartypeConf, beartype

if TYPE_CHECKING:
    from types import ModuleType

PACKAGES = [
    "expzoo.science",
    "expzoo.analysis.studies",
    "expzoo.analysis.cohort",
    "expzoo.analysis.predictions",
    "expzoo.engine.blueprints",
    "expzoo.engine.evaluation",
    "expzoo.engine.program",
    "expzoo.engine.recipes",
    "expzoo.engine.unrolled",
    "expzoo.lab.lesson",
    "expzoo.lab.outer_loop",
    "expzoo.lab.trained",
]
_BEARTYPE = beartype(conf=BeartypeConf(is_pep484_tower=True))  # type checkers take an int for a float, too


_SHAPE = re.compile(r"""\b[A-Z]\w+\[[^\['"]*, ['"]""")  # as in Float[np.ndarray, "n classes"]
_jaxtyped = jaxtyping.jaxtyped


def jaxtyped(*, typechecker: Any) -> Callable[[Any], Any]:
    """jaxtyping's decorator, which leaves everything as it is that says no shape: it would only be slower."""
    checked = _jaxtyped(typechecker=typechecker)
    return lambda function: checked(function) if any(shapes_of(function)) else function


def shapes_of(function: Any) -> Iterator[str]:
    """The annotations of a function that say a shape, of a class those of its constructor."""
    annotations = getattr(function.__init__ if inspect.isclass(function) else function, "__annotations__", {})
    yield from (hint for hint in annotations.values() if isinstance(hint, str) and _SHAPE.search(hint))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """Beartype on the annotations with a shape; the others are pyrefly's, and tests break them on purpose."""
    function.__annotations__ = {name: hint for name, hint in function.__annotations__.items() if has_shape(hint)}
    return _BEARTYPE(function)


def has_shape(hint: Any) -> bool:
    """Whether a shape is said anywhere in an annotation."""
    return (inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray)) or any(map(has_shape, get_args(hint)))


def names_of_annotations(source: str) -> Iterator[tuple[str, Any]]:
    """What a module imports for its annotations alone, but for what it does from expzoo: that might be a circle."""
    for block in ast.parse(source).body:
        if not (isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"):
            continue
        for node in block.body:
            if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("expzoo"):
                module = importlib.import_module(node.module)
                yield from ((name.asname or name.name, getattr(module, name.name)) for name in node.names)
            elif isinstance(node, ast.Import):
                yield from ((name.asname or name.name, importlib.import_module(name.name)) for name in node.names)


def _install() -> None:
    if early := [name for name in sys.modules if any(f"{name}.".startswith(f"{package}.") for package in PACKAGES)]:
        raise RuntimeError(f"imported before their shapes could be checked: {', '.join(early)}")
    jaxtyping.jaxtyped = jaxtyped
    hook: Any = jaxtyping.install_import_hook(PACKAGES, "tests.shapes.check").hook
    find = hook.find_spec

    def find_spec(name: str, *rest: Any) -> ModuleSpec | None:
        spec = find(name, *rest)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            run, path = spec.loader.exec_module, Path(spec.loader.path)

            def exec_module(module: ModuleType) -> None:
                vars(module).update(names_of_annotations(path.read_text(encoding="utf-8")))
                run(module)

            spec.loader.exec_module = exec_module
        return spec

    hook.find_spec = find_spec


@pytest.fixture
def any_shape() -> Iterator[None]:
    """Checks nothing, for tests of what a function itself says about shapes that do not fit."""
    jaxtyping.config.update("jaxtyping_disable", value=True)
    yield
    jaxtyping.config.update("jaxtyping_disable", value=False)


_install()
