"""How large a parquet file is once it is read, from its own headers: a few kilobytes may stand for terabytes.

The format: https://parquet.apache.org/docs/file-format; its headers are Thrift's compact protocol,
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 20
_MAGIC = b"PAR1"
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)


@dataclass(frozen=True)
class Sizes:
    """What a file holds: rows, columns, and bytes when all pages are decompressed."""

    rows: int
    columns: int
    unpacked: int


def sizes(content: bytes) -> Sizes:
    """What a parquet file says of its size in all its headers; ValueError if they are not as the format has them."""
    if len(content) < 12 or not content.startswith(_MAGIC) or not content.endswith(_MAGIC):
        raise ValueError("it is no parquet file")
    length = int.from_bytes(content[-8:-4], "little")
    if length > len(content) - 12:
        raise ValueError("its footer is longer than the file")
    try:
        footer = _Reader(content[-8 - length : -8]).struct()
        groups = footer[4]
        chunks = [chunk[3] for group in groups for chunk in group[1]]
        rows = max(footer[3], sum(group[3] for group in groups))
        columns = max((len(group[1]) for group in groups), default=0)
        return Sizes(rows, columns, sum(_unpacked(content, chunk) for chunk in chunks))
    except (IndexError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("its headers cannot be read") from None


def _unpacked(content: bytes, chunk: dict[int, Any]) -> int:
    """The bytes of a column's chunk when its pages are decompressed: their own headers say it, which readers go by."""
    begin = min(offset for offset in (chunk[9], chunk.get(11)) if offset)
    end, total = begin + chunk[7], 0
    if not 0 < begin <= end <= len(content):
        raise ValueError("a column lies outside of the file")
    while begin < end:
        reader = _Reader(content, begin)
        page = reader.struct()
        if page[2] < 0 or page[3] < 0:
            raise ValueError("a page has less than no bytes")
        total += page[2]
        begin = reader.at + page[3]
    return total


class _Reader:
    """Reads Thrift's compact protocol into plain data: a struct is what its fields hold, by their numbers."""

    def __init__(self, content: bytes, at: int = 0) -> None:
        self.content, self.at, self.depth = content, at, 0

    def struct(self) -> dict[int, Any]:
        """The struct that begins here."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError("its headers are nested too deep")
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._integer()
            found[number] = head & 15 == _TRUE if head & 15 in (_TRUE, _FALSE) else self._value(head & 15)
        self.depth -= 1
        return found

    def _value(self, kind: int) -> Any:
        if kind in _INTEGERS:
            return self._integer()
        if kind == _STRUCT:
            return self.struct()
        if kind in (_LIST, _SET):
            return self._list()
        if kind in (_BYTE, _TRUE, _FALSE):
            return self._byte()
        if kind not in (_BINARY, _DOUBLE):
            raise ValueError("its headers hold what no parquet file has")
        length = self._varint() if kind == _BINARY else 8
        self.at += length  # what is not needed
        return None

    def _list(self) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._varint()
        if count > len(self.content) - self.at:  # each has a byte at least
            raise ValueError("a list in its headers is longer than the file")
        return [self._value(head & 15) for _ in range(count)]

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number
            if shift > 63:
                raise ValueError("a number in its headers has more than 64 bits")

    def _byte(self) -> int:
        self.at += 1
        return self.content[self.at - 1]
