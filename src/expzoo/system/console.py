"""What is printed: text that others may have written, of which no character steers the terminal."""

from __future__ import annotations

import re
from typing import TextIO

# Control characters but for the end of a line and the tabulator; what changes the direction of writing or is not
# seen at all (Unicode's Cf but for the soft hyphen and the joiners of words, with line and paragraph separators);
# and lone surrogates.
STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    """The text with every character that could steer a terminal, or mislead its reader, written as its number."""
    return STEERS.sub(lambda found: ascii(found[0])[1:-1], text)


def say(*values: object, sep: str = " ", end: str = "\n", file: TextIO | None = None) -> None:
    """Print as Python does, but `printable`."""
    print(*(printable(str(value)) for value in values), sep=sep, end=end, file=file)
