"""Shapes in annotations are checked while tests run, all of them; the command line never pays for it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import jaxtyping
import numpy as np
import pytest
from tests import shapes

if TYPE_CHECKING:
    from types import FunctionType


def modules() -> Iterator[str]:
    """The modules whose shapes are checked."""
    for name in shapes.PACKAGES:
        yield name
        for module in pkgutil.walk_packages(getattr(importlib.import_module(name), "__path__", []), f"{name}."):
            yield module.name


def functions(module: str) -> Iterator[tuple[FunctionType, str]]:
    """Every function of a module, methods and properties too, with each of its annotations that says a shape."""
    found = importlib.import_module(module)
    classes = [kind for _, kind in inspect.getmembers(found, inspect.isclass) if kind.__module__ == module]
    for holder in (found, *classes):
        for value in vars(holder).values():
            function = getattr(value, "fget", getattr(value, "__func__", value))
            if inspect.isfunction(function) and function.__module__ == module:
                yield from ((function, hint) for hint in shapes.shapes_of(inspect.unwrap(function)))


def test_a_wrong_shape_is_refused() -> None:
    from expzoo.science.numerics.calibration import nll

    logits = np.log(np.full((3, 2), 0.5))
    assert nll(logits, np.array([0, 1, 1])) == pytest.approx(np.log(2))
    with pytest.raises(jaxtyping.TypeCheckError, match="labels"):
        nll(logits, np.array([0, 1]))
    with pytest.raises(jaxtyping.TypeCheckError, match="labels"):
        nll(logits, np.array([0.0, 1.0, 1.0]))


@pytest.mark.usefixtures("any_shape")
def test_a_test_may_ask_what_a_function_says_itself() -> None:
    from expzoo.science.numerics.calibration import fit_temperature

    with pytest.raises(ValueError, match=r"labels of shape \(2,\) are no examples"):
        fit_temperature(np.zeros((3, 2)), np.zeros(2, int))


def test_every_shape_is_checked() -> None:
    """With a name that is unknown at run time an annotation would be taken for Any."""
    found = [(module, *entry) for module in modules() for entry in functions(module)]
    assert len(found) > 100
    for module, function, hint in found:
        assert shapes.has_shape(eval(hint, vars(importlib.import_module(module)))), f"{module}: {hint}"
        assert function is not inspect.unwrap(function), f"{module}.{function.__name__}"


@pytest.mark.parametrize("module", ["science.resampling", "science.numerics.trace", "report.terminal"])
def test_outside_of_tests_jaxtyping_is_not_imported(module: str) -> None:
    program = f"import sys, expzoo.{module}; sys.exit('jaxtyping' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
