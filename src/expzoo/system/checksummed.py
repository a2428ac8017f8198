"""Safetensors files that carry their own checksum.

Neither safetensors nor torch notices a flipped byte inside a tensor, so every file holds the sha256 of itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 8 * 2**30  # a larger file is refused unread
MAX_HEADER = 4 * 2**20  # so is one with a larger header: a network has tens of tensors, not a hundred thousand
_BLANK = "0" * 64


class Corrupt(ValueError):
    """A file that is not what was written; the message names it and says why."""


def pack(arrays: dict[str, np.ndarray], about: dict[str, str]) -> bytes:
    """An ordinary safetensors file whose metadata hold `about` and the sha256 of the file with that field blank.

    The metadata are one entry, a JSON text: of several the format does not fix the order, and equal
    content should give equal bytes.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())}
    blank = save(contiguous, {"expzoo": json.dumps({**about, "sha256": _BLANK}, sort_keys=True)})
    digest = hashlib.sha256(blank).hexdigest()
    header = int.from_bytes(blank[:8], "little") + 8
    return blank[:header].replace(_BLANK.encode(), digest.encode(), 1) + blank[header:]


def unpack(content: bytes, name: Path | str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The arrays and the metadata of a packed file; Corrupt, naming the file, if one byte is not as it was written."""
    header = int.from_bytes(content[:8], "little") + 8
    if len(content) < 8 or header > len(content):
        raise Corrupt(f"{name} is corrupted: it is cut short")
    if header > MAX_HEADER:
        raise Corrupt(f"{name} is refused: its header has {header} bytes, more than {MAX_HEADER}")
    try:
        about: dict[str, Any] = json.loads(json.loads(content[8:header])["__metadata__"]["expzoo"])
        digest = about.pop("sha256")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Corrupt(f"{name} is corrupted: its header cannot be read") from None
    blank = content[:header].replace(str(digest).encode(), _BLANK.encode(), 1) + content[header:]
    if hashlib.sha256(blank).hexdigest() != digest:
        raise Corrupt(f"{name} is corrupted: its checksum does not fit")
    try:
        return load(content), {str(key): str(value) for key, value in about.items()}
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise Corrupt(f"{name} is corrupted: {error}") from None


def read_packed(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read and verify a packed file; FileNotFoundError if there is none, Corrupt if it is not whole."""
    # Opened first, so that it is one file that is looked at and read, and without waiting for the writer of a pipe.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    facts = os.fstat(handle)
    if not stat.S_ISREG(facts.st_mode) or not 0 < facts.st_size <= MAX_BYTES:
        os.close(handle)
        raise Corrupt(f"{path} is refused: it is no regular file of 1 to {MAX_BYTES} bytes")
    with os.fdopen(handle, "rb") as file:
        content = file.read(facts.st_size)
    return unpack(content, path)
