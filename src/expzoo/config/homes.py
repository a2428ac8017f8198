"""Homes: the places where plugins, presets and experiments lie, and who they belong to. Nothing of them is imported."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from expzoo.config.paths import place
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Found = TypeVar("Found")

_PACKAGE = Path(__file__).parents[1]
_CHECKOUT = _PACKAGE.parent.parent
# A folder called plugins beside site-packages is none of ours: only a checkout has a pyproject.toml there.
HOME = _CHECKOUT if _PACKAGE.parent.name == "src" and (_CHECKOUT / "pyproject.toml").is_file() else _PACKAGE
"""The folder that holds the package's own conf/ and plugins/."""

OWN = "expzoo"
"""Who the package's own plugins belong to."""

_GROUP = "expzoo.plugins"

CONF = "EXPZOO_CONF"
"""The variable that names the folder of --config-dir, for this process and those that it starts."""


@dataclass(frozen=True)
class Home:
    """A place of plugins: who it belongs to, the folder of its kind folders, and its presets and experiments."""

    owner: str
    plugins: Path | None = None
    conf: Path | None = None

    def folders(self) -> list[Path]:
        """The one of its plugins and the one of its configs, as far as it has them."""
        return [folder for folder in (self.plugins, self.conf) if folder]


_seen: ContextVar[dict[object, object] | None] = ContextVar("_seen", default=None)


@contextmanager
def looked_at_once() -> Iterator[None]:
    """For what runs inside, the files of all homes are those of the first look: a config asks for them 150 times."""
    if _seen.get() is not None:
        yield
        return
    token = _seen.set({})
    try:
        yield
    finally:
        _seen.reset(token)


def look(function: Callable[[], Found]) -> Callable[[], Found]:
    """Marks what looks at files: once, inside `looked_at_once`."""

    @wraps(function)
    def asked() -> Found:
        seen: dict[object, Found] | None = _seen.get()  # pyrefly: ignore[bad-assignment]
        if seen is None:
            return function()
        if function not in seen:
            seen[function] = function()
        return seen[function]

    return asked


@look
def homes() -> tuple[Home, ...]:
    """Every home of plugins, the package's own first; nothing is imported."""
    folders = [place(folder) for folder in os.environ.get("EXPZOO_PLUGINS", "").split(os.pathsep) if folder]
    if absent := [str(folder) for folder in folders if not folder.is_dir()]:
        raise BadInput(f"EXPZOO_PLUGINS names what is not a folder: {', '.join(absent)}")
    own = Home(OWN, HOME / "plugins", HOME / "conf")
    here = Home("the working directory", Path.cwd() / "plugins", Path.cwd() / "plugins" / "conf")
    beside = [Home("the working directory", conf=folder) for folder in [Path.cwd() / "conf"] if folder.is_dir()]
    given = [Home("EXPZOO_PLUGINS", folder, folder / "conf") for folder in folders]
    typed = [Home("--config-dir", conf=Path(folder)) for folder in [os.environ.get(CONF)] if folder]
    found, known = list[Home](), set[Path]()
    for home in (own, *_installed(), here, *beside, *given, *typed):
        places = [folder.resolve() for folder in home.folders()]
        if places[0] not in known:  # in a checkout, the working directory may be the package's own
            found.append(home)
            known.update(places)
    return tuple(found)


def typed_folder() -> list[str]:
    """The words that give this command its folder of configs, none if it has none."""
    folder = os.environ.get(CONF)
    return ["--config-dir", folder] if folder else []


def config_dir_fault(folder: Path) -> str:
    """Why this folder cannot be the one of --config-dir, empty if it can."""
    if not folder.is_dir():
        return f"--config-dir {folder}: there is no such folder"
    if not any(folder.glob("[!.]*/*.yaml")):
        return f"--config-dir {folder}: it holds neither experiment/NAME.yaml nor a preset such as model/NAME.yaml"
    return ""


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
    for root in (root for home in places for root in home.folders() if root.is_dir()):
        with os.scandir(root) as entries:
            folders = sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.is_dir())
        found += [changed for _, changed in folders]
    return tuple(found)


def owner(file: Path) -> str:
    """Who a plugin's file belongs to: a distribution's name, or what names its folder."""
    known = ((home.owner, folder) for home in homes() for folder in home.folders())
    return next((owner for owner, folder in known if file.is_relative_to(folder)), "an unknown owner")
