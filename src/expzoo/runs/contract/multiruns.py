"""What a launcher and a sweeper must be: what Hydra calls, by the names that it uses. No job is run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper

from expzoo.runs.contract.require import require

if TYPE_CHECKING:
    from expzoo.spec.component import Component
    from expzoo.spec.spec import Spec

_SETUP = {"hydra_context": None, "task_function": None, "config": None}


def check_launcher(component: Component, base: Spec) -> None:
    """It derives from Hydra's Launcher, and can be set up and launched."""
    made = component.build()
    require(isinstance(made, Launcher), f"{type(made).__name__} must derive from hydra.plugins.launcher.Launcher")
    _require_call(made.setup, **_SETUP)
    _require_call(made.launch, [["seed=1"]], initial_job_idx=0)


def check_sweeper(component: Component, base: Spec) -> None:
    """It derives from Hydra's Sweeper, and can be set up and swept with."""
    made = component.build()
    require(isinstance(made, Sweeper), f"{type(made).__name__} must derive from hydra.plugins.sweeper.Sweeper")
    _require_call(made.setup, **_SETUP)
    _require_call(made.sweep, arguments=["seed=1,2"])


def _require_call(method: Callable[..., Any], *given: Any, **named: Any) -> None:
    try:
        inspect.signature(method).bind(*given, **named)
    except TypeError as error:
        shown = f"{method.__name__}{inspect.signature(method)}"
        raise AssertionError(f"{shown} cannot be called as Hydra does: {error}") from None
