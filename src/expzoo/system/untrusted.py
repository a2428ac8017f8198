"""What somebody else may have written: only regular files of one folder, sizes first; JSON that says one thing; words.

Every file of a run, a sweep or a store is opened here. A link is followed to where it leads, which
has to lie in the folder too; a device, a pipe or a directory is not opened at all, so that nothing
waits for what never ends.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from expzoo.system.console import printable

MAX_DEPTH = 50
_DIGITS = 300  # of a whole number: it is a float, too
_BLOCK = 2**20


class Refused(ValueError):
    """A file that is not read, or is not what it should be; one line that names it and says why."""


def quoted(words: object, longest: int = 200) -> str:
    """Words of a file on one line of a terminal: nothing steers it or turns what is read, and there is an end."""
    text = printable(str(words)).replace("\n", "\\n").replace("\t", "\\t")
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def is_there(path: Path) -> bool:
    """Whether there is anything of this name, a link that leads nowhere included."""
    try:
        return os.path.lexists(path)
    except ValueError:  # a name with a NUL
        return False


@contextmanager
def opened(path: Path, limit: int, within: Path | None = None) -> Iterator[tuple[BinaryIO, int]]:
    """A regular file of at most `limit` bytes, with its size, that lies in the folder `within`, if one is given.

    FileNotFoundError if there is none, PermissionError if it may not be read, Refused for whatever else.
    """
    name = quoted(path, 1000)
    try:
        place = os.path.realpath(path)
        if not stat.S_ISREG(os.lstat(place).st_mode):  # asked before, since to open a device may do something
            raise Refused(f"{name} is no regular file")
        if within is not None and not Path(place).is_relative_to(os.path.realpath(within)):
            raise Refused(f"{name} is a link that leads out of {quoted(within)}")
        handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        why = "its links lead in a circle" if error.errno == errno.ELOOP else error.strerror
        raise Refused(f"{name} cannot be read: {why}") from None
    except ValueError as error:
        raise error if isinstance(error, Refused) else Refused(f"{name} is no name of a file: {error}") from None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise Refused(f"{name} is no regular file")
        if facts.st_size > limit:
            raise Refused(f"{name} has {facts.st_size:,} bytes; it can have at most {limit:,}")
        yield file, facts.st_size


def read(path: Path, limit: int, within: Path | None = None) -> bytes:
    """The bytes of a file that `opened` opens."""
    with opened(path, limit, within) as (file, size):
        return file.read(size)


def size_of(path: Path, limit: int, within: Path | None = None) -> int:
    """The bytes that a file has which `opened` opens."""
    with opened(path, limit, within) as (_, size):
        return size


def sha256(path: Path, limit: int, within: Path | None = None) -> str:
    """The checksum of a file that `opened` opens, 64 hexadecimal digits; it is never in memory as a whole."""
    digest = hashlib.sha256()
    with opened(path, limit, within) as (file, size):
        left = size
        while left > 0 and (block := file.read(min(left, _BLOCK))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


def json_of(content: bytes | str) -> Any:
    """Plain data from JSON in UTF-8; ValueError, which says why, for what readers of JSON understand differently.

    That is a field twice, a number that is none or has no end, and what is nested deeper than MAX_DEPTH.
    """
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
        found = json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_fraction, parse_int=_integer
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH}") from None
    _refuse_depth(found)
    return found


def _refuse_depth(found: Any) -> None:
    level = [found]
    for _ in range(MAX_DEPTH):
        holders = [value for value in level if isinstance(value, dict | list)]
        level = [part for value in holders for part in (value.values() if isinstance(value, dict) else value)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {MAX_DEPTH}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) < len(pairs):
        names = Counter(name for name, _ in pairs)
        raise ValueError(f"an object has a field twice: {quoted(names.most_common(1)[0][0], 60)}")
    return data


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _fraction(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError(f"the number {quoted(digits, 30)} has no end")
    return number


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"the number {quoted(digits, 30)} has more than {_DIGITS} digits")
    return int(digits)
