"""The source that a plugin had when a store was last used with a version of it: a small file for each."""

from __future__ import annotations

import contextlib
from pathlib import Path

from expzoo.system.files import write_atomically

FOLDER = "sources"
_LONGEST = 64  # bytes of a fingerprint, and more


def last(root: Path, kind: str, name: str, version: int) -> str:
    """The fingerprint that was noted, empty if none was."""
    try:
        with _path(root, kind, name, version).open("rb") as file:
            return file.read(_LONGEST).decode("ascii", "replace").strip()
    except OSError:
        return ""


def note(root: Path, kind: str, name: str, version: int, fingerprint: str) -> None:
    """Keep the fingerprint; where the store cannot be written, nothing is kept and nothing is lost."""
    if last(root, kind, name, version) != fingerprint:
        with contextlib.suppress(OSError):
            write_atomically(_path(root, kind, name, version), f"{fingerprint}\n".encode())


def _path(root: Path, kind: str, name: str, version: int) -> Path:
    return root / FOLDER / f"{kind}-{name}-{version}.txt"
