"""Launchers and sweepers under names that Hydra accepts: each is imported when Hydra makes it, and not before.

Hydra 1.3 takes them from a package called `hydra_plugins` alone, which every Hydra application of
an environment imports. These names are made by expzoo itself: found in a checkout as in an
installation, and unknown to everybody else.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf

from expzoo.config.registry import build, chosen_by, owner, path
from expzoo.system.errors import BadInput

_PACKAGE = "hydra_plugins"
_MODULE = f"{_PACKAGE}.expzoo"
_BASES = {"launcher": Launcher, "sweeper": Sweeper}


def target(kind: str, name: str) -> str:
    """The dotted name by which Hydra makes the launcher or sweeper `kind=name`."""

    def make(**options: Any) -> Any:
        given = {key: OmegaConf.to_container(v) if OmegaConf.is_config(v) else v for key, v in options.items()}
        made, base = build(kind, name, **given), _BASES[kind]
        if not isinstance(made, base):
            whose = f"{chosen_by(kind)}={name} of {owner(path(kind, name))}"
            raise BadInput(f"{whose} has to derive from {base.__module__}.{base.__name__}")
        return made

    # Hydra spells a callable by these two and looks it up again by the name.
    make.__module__, make.__qualname__ = _MODULE, f"{kind}_{name}"
    setattr(_module(), make.__qualname__, make)
    known: dict[str, Any] = Plugins.instance().class_name_to_class
    known[f"{_MODULE}.{make.__qualname__}"] = make
    return f"{_MODULE}.{make.__qualname__}"


def _module() -> ModuleType:
    """The module of that name."""
    if _MODULE not in sys.modules:
        sys.modules[_MODULE] = ModuleType(_MODULE)
        setattr(plugins_of_hydra(), _MODULE.rpartition(".")[2], sys.modules[_MODULE])
    return sys.modules[_MODULE]


def plugins_of_hydra() -> ModuleType:
    """The package `hydra_plugins`, all of which Hydra imports: what is installed, but not what lies around.

    Python looks for modules in the working directory too, where a `hydra_plugins` may come from
    anybody, with the files of an experiment.
    """
    if _PACKAGE not in sys.modules:
        package = sys.modules[_PACKAGE] = ModuleType(_PACKAGE)
        places = [folder for folder in sys.path if not _is_here(folder)]
        found = PathFinder.find_spec(_PACKAGE, places)
        package.__path__ = list(found.submodule_search_locations or ()) if found else []
    return sys.modules[_PACKAGE]


def _is_here(folder: str) -> bool:
    return not folder or os.path.realpath(folder) == os.path.realpath(Path.cwd())
