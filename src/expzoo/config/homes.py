"""Homes: the places where plugins, presets and experiments lie, and who they belong to. Nothing of them is imported."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from expzoo.config.paths import place
from expzoo.system.errors import BadInput

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = _PACKAGE.parent.parent
# A folder called plugins beside site-packages is none of ours: only a checkout has a pyproject.toml there.
HOME = _CHECKOUT if _PACKAGE.parent.name == "src" and (_CHECKOUT / "pyproject.toml").is_file() else _PACKAGE
"""The folder that holds the package's own conf/ and plugins/."""

_GROUP = "expzoo.plugins"


@dataclass(frozen=True)
class Home:
    """A place of plugins: who it belongs to, the folder of its kind folders, and its presets and experiments."""

    owner: str
    plugins: Path
    conf: Path | None = None


def homes() -> tuple[Home, ...]:
    """Every home of plugins, the package's own first; nothing is imported."""
    folders = [place(folder) for folder in os.environ.get("EXPZOO_PLUGINS", "").split(os.pathsep) if folder]
    if absent := [str(folder) for folder in folders if not folder.is_dir()]:
        raise BadInput(f"EXPZOO_PLUGINS names what is not a folder: {', '.join(absent)}")
    own = Home("expzoo", HOME / "plugins", HOME / "conf")
    here = Home("the working directory", Path.cwd() / "plugins", Path.cwd() / "plugins" / "conf")
    given = [Home("EXPZOO_PLUGINS", folder, folder / "conf") for folder in folders]
    found: dict[Path, Home] = {}
    for home in (own, *_installed(), here, *given):
        found.setdefault(home.plugins.resolve(), home)  # in a checkout, the working directory may be the package's own
    return tuple(found.values())


@cache
def _installed() -> tuple[Home, ...]:
    """The homes of installed packages that have an entry point in the group `expzoo.plugins`."""
    # Looking into the files first saves the start of every command the fifteen milliseconds of importlib.metadata.
    announcements = (file for folder in sys.path for file in Path(folder).glob("*-info/entry_points.txt"))
    if not any(_GROUP in file.read_text(errors="replace") for file in announcements):
        return ()
    from importlib.metadata import entry_points
    from importlib.util import find_spec

    found = []
    for entry in entry_points(group=_GROUP):
        distribution = entry.dist.name if entry.dist else entry.value
        try:
            spec = find_spec(entry.value)
        except Exception:  # noqa: BLE001 - a name with a dot imports its package, which may raise anything
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise BadInput(f"{distribution}: its entry point {entry.name} = {entry.value} is not an installed package")
        folder = Path(spec.submodule_search_locations[0])
        if not (folder / "plugins").is_dir() and not (folder / "conf").is_dir():
            told = f"{entry.value} has neither plugins/ nor conf/: was it packaged without them?"
            raise BadInput(f"{distribution}: {told}")
        found.append(Home(distribution, folder / "plugins", folder / "conf"))
    return tuple(found)


def stamps(places: tuple[Home, ...]) -> tuple[int, ...]:
    """Other numbers once a file was added or removed, as from a notebook."""
    found = []
    for root in (root for home in places for root in (home.plugins, home.conf) if root and root.is_dir()):
        with os.scandir(root) as entries:
            folders = sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.is_dir())
        found += [changed for _, changed in folders]
    return tuple(found)


def owner(file: Path) -> str:
    """Who a plugin's file belongs to: a distribution's name, or what names its folder."""
    return next((home.owner for home in homes() if file.is_relative_to(home.plugins)), "an unknown owner")
