"""The contract that every plugin keeps, as one call for its author's tests.

from expzoo import Spec, compose
from expzoo.testing import check_plugin

def test_my_model():
    check_plugin("model", "wave", width=8)

def test_my_analysis():
    check_plugin("analysis", "frequency", Spec.from_config(compose("+experiment=spirals", "stop.steps=30")))

The same checks run over everything that is registered, so a plugin in the package needs no test of its own for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from expzoo.config.registry import FOLDERS, available
from expzoo.system.errors import BadInput, nearest

if TYPE_CHECKING:
    from expzoo.spec.spec import Spec

__all__ = ["check_plugin", "plugin_cases"]


def plugin_cases() -> list[tuple[str, str]]:
    """Every registered plugin as (kind, name), those of installed packages included."""
    return [(kind, name) for kind in FOLDERS for name in available(kind)]


def check_plugin(kind: str, name: str, base: Spec | None = None, /, **options: Any) -> None:
    """Check that the plugin `kind=name` with these options is what its kind must be; it takes seconds.

    `base` is the network that an analysis starts from, and that gives a model its data, a probe its
    network and so on; without one it is a small network on MNIST-1D. Give few steps and options
    that make little work.

    Raises:
        AssertionError: the plugin breaks the contract, or raises; the message says where and how.
        BadInput: there is no such kind or plugin.
    """
    if name not in available(kind):
        raise BadInput(f"there is no {kind}={name}: {nearest(name, available(kind))}")
    from expzoo.runs.contract import checks

    try:
        checks.check(kind, name, base, options)
    except Exception as error:
        raised = "" if isinstance(error, AssertionError) else f"raised {type(error).__name__}: "
        cause = f": {error.__cause__!r}" if error.__cause__ else ""
        raise AssertionError(f"{kind}={name}: {raised}{error}{cause}") from error
