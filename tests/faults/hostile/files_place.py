"""About two hundred things that a stranger may have put into a run, a sweep or a store.

Each is a change of a copy of a finished run: `Place.run` is its directory, `Place.root` what may be
looked at, and beside that, in `Place.outside`, lies a secret that may not.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from expzoo.store import run_directory

SECRET = "the secret that lies outside"
ESCAPE, BIDI, LINES = "\x1b]0;owned\x07\x1b[2J", "\u202egnp.exe\u2066", "one\ntwo: supported\nthree"


@dataclass(frozen=True)
class Place:
    """A copy of a finished run to tamper with."""

    root: Path
    run: Path
    store: Path
    other: Path  # a second finished run, which is left alone
    outside: Path

    def put(self, name: str, content: bytes | str) -> Path:
        """Put a file into the run, in the place of the one that the copies share."""
        return put(self.run / name, content)

    def link(self, name: str, target: Path | str) -> None:
        """Put a link into the run."""
        clear(self.run / name)
        (self.run / name).symlink_to(target)

    def manifest(self) -> dict[str, Any]:
        """What the manifest says."""
        return json.loads((self.run / run_directory.MANIFEST).read_bytes())

    def seal(self, **about: object) -> None:
        """Make every checksum of the manifest fit, as a stranger would."""
        sealed = self.manifest() | about
        for name in sealed["files"]:
            path = self.run / name
            if path.is_file() and path.stat().st_size < 2**28:
                content = path.read_bytes()
                sealed["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        self.put(run_directory.MANIFEST, run_directory.signed(sealed))

    def sealed_with(self, name: str, content: bytes | str) -> None:
        """Put a file into the run with a checksum that fits."""
        self.put(name, content)
        sealed = self.manifest()
        sealed["files"].setdefault(name, {})
        self.put(run_directory.MANIFEST, run_directory.signed(sealed))
        self.seal()


Change = Callable[[Place], object]


def clear(path: Path) -> None:
    """Remove a file, or a folder of files."""
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            clear(child)
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def put(path: Path, content: bytes | str) -> Path:
    """A new file."""
    clear(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    return path


def sparse(path: Path, size: int) -> None:
    """A file that says it is large and takes no room."""
    clear(path)
    with path.open("wb") as file:
        file.truncate(size)


# Every file of a run, damaged without a seal


FILES = (
    "config.yaml",
    "environment.json",
    "records.parquet",
    "arrays.safetensors",
    "verdicts.json",
    "manifest.json",
    "report.html",
    "figures/figures.json",
    "figures/{figure}.svg",
    "figures/{figure}.csv",
)


def figure(place: Place) -> str:
    """The name of a figure of the run."""
    return sorted(path.stem for path in (place.run / "figures").glob("*.svg"))[0]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    put(path, bytes(content))


def _device(path: Path) -> None:
    clear(path)
    path.symlink_to("/dev/zero")


def _pipe(path: Path) -> None:
    clear(path)
    os.mkfifo(path)


def _folder(path: Path) -> None:
    clear(path)
    path.mkdir()


def _circle(path: Path) -> None:
    clear(path)
    path.symlink_to(path.name)


def _elsewhere(path: Path) -> None:
    content = path.read_bytes()
    clear(path)
    path.symlink_to(
        put(path.parents[4 if path.parent.name == "figures" else 3].parent / "outside" / path.name, content)
    )


DAMAGE: dict[str, Callable[[Path], object]] = {
    "gone": clear,
    "cut": lambda path: put(path, path.read_bytes()[:-1]),
    "flipped": _flip,
    "longer": lambda path: put(path, path.read_bytes() + b" "),
    "empty": lambda path: put(path, b""),
    "a device": _device,
    "a pipe": _pipe,
    "a folder": _folder,
    "a circle": _circle,
    "elsewhere": _elsewhere,
    "sparse": lambda path: sparse(path, 60 * 10**9),
}


def damages() -> Iterator[tuple[str, Change]]:
    """Each file in each way."""
    for name in FILES:
        for kind, damage in DAMAGE.items():

            def change(place: Place, name: str = name, damage: Callable[[Path], object] = damage) -> None:
                damage(place.run / name.format(figure=figure(place)))

            yield f"{name} {kind}", change


# Files of which every checksum fits


def of(name: str, content: bytes | str) -> Change:
    """A file with this content."""
    return lambda place: place.sealed_with(name.format(figure=figure(place)), content)


def config(change: Callable[[dict[str, Any]], Any]) -> Change:
    """The config, changed."""

    def changed(place: Place) -> None:
        content = yaml.safe_load((place.run / "config.yaml").read_bytes())
        change(content)
        place.sealed_with("config.yaml", yaml.safe_dump(content))

    return changed


def manifest(**about: object) -> Change:
    """A manifest that says this of the run."""
    return lambda place: place.seal(**about)


def entry(name: str, facts: object) -> Change:
    """A manifest that names one more file."""

    def change(place: Place) -> None:
        sealed = place.manifest()
        sealed["files"][name] = facts
        place.put("manifest.json", run_directory.signed(sealed))

    return change
