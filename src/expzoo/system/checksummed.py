"""Safetensors files that carry their own checksum.

Neither safetensors nor torch notices a flipped byte inside a tensor, so every file holds the sha256 of itself.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from expzoo.system import untrusted

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
    header = _header_size(content, len(content), name)
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
        raise Corrupt(f"{name} is corrupted: {untrusted.quoted(error)}") from None


def read_packed(path: Path, within: Path | None = None) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read and verify a packed file of the folder `within`, or of its own.

    FileNotFoundError if there is none, Corrupt if it is not whole. Nothing but its header is read of
    a file that is longer or shorter than this says.
    """
    name = untrusted.quoted(path, 1000)
    try:
        with untrusted.opened(path, MAX_BYTES, within or path.parent) as (file, size):
            start = file.read(8)
            header = _header_size(start, size, name)
            start += file.read(header - 8)
            if (told := _told_size(start, name)) != size:
                raise Corrupt(f"{name} is corrupted: it has {size:,} bytes, and its header stands for {told:,}")
            file.seek(0)
            content = file.read(size)
    except untrusted.Refused as error:
        raise Corrupt(f"{error}: it is refused") from None
    return unpack(content, name)


def _header_size(start: bytes, size: int, name: Path | str) -> int:
    """The bytes before the numbers begin, of a file that has `size` bytes and this start."""
    header = int.from_bytes(start[:8], "little") + 8
    if len(start) < 8 or header > size:
        raise Corrupt(f"{name} is corrupted: it is cut short")
    if header > MAX_HEADER:
        raise Corrupt(f"{name} is refused: its header has {header} bytes, more than {MAX_HEADER}")
    return header


def _told_size(start: bytes, name: Path | str) -> int:
    """The bytes that a file has whose header is this."""
    try:
        tensors = [entry for tensor, entry in json.loads(start[8:]).items() if tensor != "__metadata__"]
        return len(start) + max([0, *(entry["data_offsets"][1] for entry in tensors)])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise Corrupt(f"{name} is corrupted: its header cannot be read") from None
