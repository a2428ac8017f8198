"""How the jobs of a multirun are found and run: launchers and sweepers of Hydra's.

Hydra 1.3 takes them from a package called `hydra_plugins` alone, which every Hydra application of an environment
imports. These are registered by expzoo itself, under names of that package: found in a checkout as in an installation,
and unknown to everybody else.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any, Literal

from hydra.core.plugins import Plugins

from expzoo.config.options import Count, Natural, NonNegative, Option, Range
from expzoo.launchers.fused import FusedLauncher
from expzoo.launchers.on_ray import RayLauncher
from expzoo.launchers.search import OptunaSweeper
from expzoo.runs.grid_sweep import GridSweeper

MODULE = "hydra_plugins.expzoo"

HYDRA_PLUGINS: dict[str, dict[str, tuple[type, dict[str, Any]]]] = {
    "hydra/launcher": {
        "fused": (FusedLauncher, {}),
        "ray": (
            RayLauncher,
            {
                "address": Option(str | None, default=None),
                "num_cpus": Option(NonNegative, default=1.0),
                "num_gpus": Option(NonNegative, default=0.0),
                "max_retries": Option(Natural, default=3),
            },
        ),
    },
    "hydra/sweeper": {
        "grid": (GridSweeper, {"max_batch_size": Option(Count | None, default=None)}),
        "optuna": (
            OptunaSweeper,
            {
                "trials": Option(Count, default=64),
                "batch": Option(Count, default=16),
                "objectives": Option(tuple[str, ...], default=("accuracy/test",)),
                "directions": Option(tuple[Literal["maximize", "minimize"], ...], default=("maximize",)),
                "sampler": Option(Literal["tpe", "random", "nsga2"], default="tpe"),
                "seed": Option(Natural, default=0),
                "rungs": Option(Count, default=1),
                "reduction": Option(Annotated[int, Range(2)], default=3),
                "resource": Option(str, default="stop.steps"),
            },
        ),
    },
}
"""Hydra's group -> name -> the class and its options."""


def public_name(cls: type) -> str:
    """The name that Hydra knows a class of these by."""
    return f"{MODULE}.{cls.__name__}"


def register() -> None:
    """Tell Hydra of all of them. It finds a class by its name, so there is a module of that name."""
    home, _, name = MODULE.partition(".")
    try:
        package = import_module(home)
    except ModuleNotFoundError:
        package = sys.modules[home] = ModuleType(home)
        package.__path__ = []
    module = sys.modules[MODULE] = ModuleType(MODULE)
    setattr(package, name, module)
    for made in HYDRA_PLUGINS.values():
        for cls, _ in made.values():
            cls.__module__ = MODULE
            setattr(module, cls.__name__, cls)
            Plugins.instance().register(cls)
