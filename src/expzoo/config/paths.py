"""Paths that a user types: a leading ~ is the home directory, and what no file system takes is refused beforehand."""

from __future__ import annotations

import os
import re
from pathlib import Path

from expzoo.system.errors import BadInput

_WORD = re.compile(r"(?P<key>[^=~][^=]*)=(?P<value>.*)", re.DOTALL)
_BARE = re.compile(r"(?:^|(?<=[,\[(])|(?<=, ))~[^,\[\](){}'\"]*")
_QUOTED = re.compile(r"""(?P<quote>['"])(?P<text>[^'"]*)(?P=quote)""")
_LONGEST_NAME, _LONGEST_PATH = 255, 4_000  # bytes; Linux takes 4,095 of a path, and names are put behind it


def place(path: str) -> Path:
    """The absolute path that a text stands for; BadInput if there is no such home directory."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise BadInput(f"{path}: there is no home directory of that user") from None


def path_fault(path: str) -> str:
    """Why no file system can have this path, empty if one can."""
    if "\0" in path:
        return "a path cannot have the character U+0000"
    longest = max(len(os.fsencode(name)) for name in path.split("/"))
    if longest > _LONGEST_NAME:
        return f"a folder cannot have a name of {longest:,} bytes: at most {_LONGEST_NAME}"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        return f"a path of {len(os.fsencode(path)):,} bytes is too long: at most {_LONGEST_PATH:,}"
    return ""


def readable(word: str) -> str:
    """An override in which every value that begins with ~ is in quotes, as Hydra can read it.

    Hydra itself does not know what ~ means, so its own paths get the home directory here, quoted or not.
    """
    found = _WORD.fullmatch(word)
    if not found or "~" not in found["value"]:
        return word
    key, value = found["key"], found["value"]
    if not _QUOTED.match(value):
        value = _BARE.sub(lambda text: f"'{text[0]}'", value)
    if key.startswith("hydra.") and (whole := _QUOTED.fullmatch(value)) and whole["text"].startswith("~"):
        value = "'{}'".format(str(place(whole["text"])).replace("'", "\\'"))
    return f"{key}={value}"
