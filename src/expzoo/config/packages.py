"""Packages that only some choices need: a choice whose package is not here is answered with how to install it."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from expzoo.config.registry import FOLDERS, chosen_by, declared, index
from expzoo.system.errors import BadInput

_SUBMITIT = ("hydra_plugins.hydra_submitit_launcher", "pip install 'expzoo[slurm]'")

PUBLISHED = {
    "hydra/launcher": {
        "joblib": ("hydra_plugins.hydra_joblib_launcher", "pip install 'expzoo[joblib]'"),
        "submitit_local": _SUBMITIT,
        "submitit_slurm": _SUBMITIT,
    }
}
"""Group -> name -> package and its installation, of what others publish for Hydra and expzoo is tested with."""

_KIND_OF = {chosen_by(kind): kind for kind in FOLDERS}


def is_plugin(group: str, name: str) -> bool:
    """Whether `group=name` is a plugin of a home, not something that others publish for Hydra."""
    return name in index().get(_KIND_OF.get(group, ""), {})


def package_fault(group: str, name: str) -> str:
    """How to install the package that `group=name` needs, empty if it is here or nothing is known of such a choice."""
    if is_plugin(group, name):
        try:
            needed = declared(_KIND_OF[group], name).packages
        except BadInput:  # what is wrong with its file is said when it is read for its options
            return ""
    else:
        needed = [PUBLISHED[group][name]] if name in PUBLISHED.get(group, {}) else []
    absent = [(package, command) for package, command in needed if not _is_here(package)]
    return "; ".join(f"{group}={name} needs {_project(package)}: {command}" for package, command in absent)


def _project(package: str) -> str:
    """A package of Hydra's plugins as its project is called, any other as it is imported."""
    return package.rpartition(".")[2].replace("_", "-") if package.startswith("hydra_plugins.") else package


def _is_here(package: str) -> bool:
    if package in sys.modules:
        return True
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # of the package around it
        return False
