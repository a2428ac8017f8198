"""What was proved once, such as that a module is trained as it is written: a small file for each, named by its hash."""

from __future__ import annotations

from pathlib import Path

from expzoo.store.closed_form import key_of
from expzoo.system.canonical import JSON, canonical_json
from expzoo.system.files import write_atomically

FOLDER = "proofs"


def is_kept(root: Path, **content: JSON) -> bool:
    """Whether the store at `root` knows that this was proved."""
    try:
        return _path(root, content).read_bytes() == _bytes(content)
    except OSError:
        return False


def keep(root: Path, **content: JSON) -> None:
    """Note that this was proved."""
    write_atomically(_path(root, content), _bytes(content))


def _path(root: Path, content: dict[str, JSON]) -> Path:
    return root / FOLDER / f"{key_of(**content)}.json"


def _bytes(content: dict[str, JSON]) -> bytes:
    return f"{canonical_json(content)}\n".encode()
