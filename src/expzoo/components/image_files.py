"""Images in files of fixed-size records, parsed from bytes, and the memory-mapped file they are decoded into once.

A record is one or more label bytes, then the pixels, channel by channel. The decoded file is named
by the checksum of what it was made from and by its own, so that a file that is cut short, changed
or of other data is never taken.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import mmap
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from expzoo.components import downloads
from expzoo.components.downloads import Remote, fetch, fetch_all
from expzoo.system.files import remove_orphans, sha256, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_MEMBERS = 64  # of an archive; CIFAR's have 8
_LARGEST_OTHER = 2**20  # bytes of a member that is not asked for


class Source(Protocol):
    """Where the images of a dataset come from: training images first, then test images."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def label_bytes(self) -> int: ...

    @property
    def classes(self) -> tuple[int, ...]:
        """How many there are, for each label byte."""
        ...

    @property
    def num_train(self) -> int: ...

    @property
    def num_test(self) -> int: ...

    def remotes(self) -> tuple[Remote, ...]: ...

    def decode(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Archive:
    """CIFAR's binary version: a tar.gz whose members are `records` records each, the last of them the test images.

    Krizhevsky 2009; https://www.cs.toronto.edu/~kriz/cifar.html, "binary version".
    """

    name: str
    remote: Remote
    members: tuple[str, ...]
    records: tuple[int, ...]
    classes: tuple[int, ...]
    shape: tuple[int, int, int] = (3, 32, 32)

    @property
    def label_bytes(self) -> int:
        """How many bytes of labels a record starts with."""
        return len(self.classes)

    @property
    def num_train(self) -> int:
        """How many training images there are."""
        return sum(self.records[:-1])

    @property
    def num_test(self) -> int:
        """How many test images there are."""
        return self.records[-1]

    def remotes(self) -> tuple[Remote, ...]:
        """The one file."""
        return (self.remote,)

    def decode(self) -> np.ndarray:
        """All records (n, label bytes + pixels) uint8; ValueError if the archive is not what it should be.

        Members are read by exact name as the archive goes by; nothing is extracted.
        """
        path, size = fetch(self.remote), record_size(self)
        table = np.empty((sum(self.records), size), np.uint8)
        starts = np.cumsum([0, *self.records])
        missing = dict(zip(self.members, itertools.pairwise(starts), strict=True))
        try:
            with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
                for member in _bounded(archive, path):
                    if member.name not in missing:
                        _check_other(member, self.members, path)
                        continue
                    first, last = missing.pop(member.name)
                    _read_member(archive, member, table[first:last], path)
                stream.read(_LARGEST_OTHER)  # to its end, where gzip's own checksum stands
        except (tarfile.TarError, zlib.error, EOFError, gzip.BadGzipFile) as error:
            raise ValueError(f"{path} cannot be read as an archive: {error}") from error
        if missing:
            raise ValueError(f"{path} has no member {', '.join(missing)}")
        return table


@dataclass(frozen=True)
class Idx:
    """MNIST's format: two pairs of gzip files, images and labels, each with a header of big-endian sizes.

    LeCun, Cortes & Burges, http://yann.lecun.com/exdb/mnist/, "file formats".
    """

    name: str
    files: tuple[tuple[Remote, Remote], tuple[Remote, Remote]]
    sizes: tuple[int, int]
    classes: tuple[int, ...] = (10,)
    shape: tuple[int, int, int] = (1, 28, 28)
    label_bytes: int = 1

    @classmethod
    def like_mnist(cls, name: str, urls: tuple[str, ...], sums: tuple[tuple[str, str], tuple[str, str]]) -> Idx:
        """Files below `urls` that are called as MNIST's and are as large, with their sums (SHA-256).

        They are kept under names of their own, since all such data sets call them the same.
        """

        def remote(file: str, sha256: str) -> Remote:
            return Remote(f"{name.replace('_', '-')}-{file}", sha256, tuple(url + file for url in urls))

        (images, labels), (test_images, test_labels) = sums
        train = remote("train-images-idx3-ubyte.gz", images), remote("train-labels-idx1-ubyte.gz", labels)
        test = remote("t10k-images-idx3-ubyte.gz", test_images), remote("t10k-labels-idx1-ubyte.gz", test_labels)
        return cls(name, (train, test), sizes=(60000, 10000))

    @property
    def num_train(self) -> int:
        """How many training images there are."""
        return self.sizes[0]

    @property
    def num_test(self) -> int:
        """How many test images there are."""
        return self.sizes[1]

    def remotes(self) -> tuple[Remote, ...]:
        """The four files."""
        return tuple(remote for pair in self.files for remote in pair)

    def decode(self) -> np.ndarray:
        """All records (n, 1 + pixels) uint8; ValueError if a file is not what it should be."""
        paths, parts = iter(fetch_all(self.remotes())), []
        for images, labels, size in zip(paths, paths, self.sizes, strict=True):
            pixels = read_idx(images, (size, *self.shape[1:])).reshape(size, -1)
            parts.append(np.concatenate([read_idx(labels, (size,))[:, None], pixels], 1))
        return np.concatenate(parts)


def record_size(source: Source) -> int:
    """The bytes of one record."""
    return source.label_bytes + int(np.prod(source.shape))


def open_records(source: Source) -> np.ndarray:
    """All records (n, label bytes + pixels) uint8, memory-mapped and read-only; decoded now if that was never done."""
    remotes = source.remotes()
    origin = hashlib.sha256("".join(remote.sha256 for remote in remotes).encode()).hexdigest()[:16]
    shape = (source.num_train + source.num_test, record_size(source))
    folder = downloads.folder()
    for path in sorted(folder.glob(f"{source.name}-{origin}-*.records")):
        if _is_whole(path, shape):
            return _mapped(path, shape)
        path.unlink()
    table = source.decode()
    _check_labels(table, source)
    path = folder / f"{source.name}-{origin}-{hashlib.sha256(table.data).hexdigest()}.records"
    try:
        remove_orphans(folder)
        write_atomically(path, table.data.cast("B"))
    except OSError as error:
        raise downloads.unusable(error) from error
    return _mapped(path, shape)


def _is_whole(path: Path, shape: tuple[int, int]) -> bool:
    """Whether a decoded file has the bytes that its name promises."""
    facts = path.lstat()
    regular = path.is_file() and not path.is_symlink()
    return regular and facts.st_size == shape[0] * shape[1] and path.stem.rpartition("-")[2] == sha256(path)


def _mapped(path: Path, shape: tuple[int, int]) -> np.ndarray:
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(content, np.uint8).reshape(shape)


def _check_labels(table: np.ndarray, source: Source) -> None:
    for byte, classes in enumerate(source.classes):
        wrong = np.flatnonzero(table[:, byte] >= classes)
        if len(wrong):
            found = f"label {table[wrong[0], byte]} in record {wrong[0]}"
            raise ValueError(f"{source.name}: {found} is none of {classes} classes, 0 to {classes - 1}")


def _bounded(archive: tarfile.TarFile, path: Path) -> Iterator[tarfile.TarInfo]:
    """The members of an archive as they come; ValueError for more than any archive of images has."""
    for number, member in enumerate(archive):
        if number >= _MOST_MEMBERS:
            raise ValueError(f"{path} has more than {_MOST_MEMBERS} members")
        yield member


def _check_other(member: tarfile.TarInfo, wanted: tuple[str, ...], path: Path) -> None:
    """ValueError for a member that comes twice, or is too large for a readme."""
    if member.name in wanted:
        raise ValueError(f"{path} has two members {member.name}")
    if member.size > _LARGEST_OTHER:
        raise ValueError(f"{path} has a member {member.name!r} of {member.size:,} bytes that does not belong there")


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo, table: np.ndarray, path: Path) -> None:
    """Fill the rows of `table` from a member of exactly that size."""
    if not member.isreg():
        raise ValueError(f"{path}: {member.name} is no regular file but a link, a folder or a device")
    if member.size != table.nbytes:
        records = f"{len(table):,} records of {table.shape[1]} bytes"
        raise ValueError(f"{path}: {member.name} has {member.size:,} bytes, not the {table.nbytes:,} of {records}")
    file = archive.extractfile(member)
    assert file is not None
    view, filled = table.data.cast("B"), 0
    while count := file.readinto(view[filled:]):  # type: ignore[attr-defined]
        filled += count
    if filled != table.nbytes:
        raise ValueError(f"{path}: {member.name} ends after {filled:,} of {table.nbytes:,} bytes")


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The bytes of a gzipped IDX file of exactly this shape; ValueError if it is another or damaged."""
    header = 4 * (1 + len(shape))
    size = header + int(np.prod(shape))
    try:
        with gzip.open(path) as file:
            content = file.read(size + 1)
    except (zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} cannot be read as gzip: {error}") from error
    found = np.frombuffer(content[:header].ljust(header, b"\0"), ">u4")
    magic = 0x0800 + len(shape)  # two zero bytes, 8 for unsigned bytes, the number of axes
    if found[0] != magic or tuple(found[1:]) != shape:
        raise ValueError(f"{path} starts with {found.tolist()}, not with {[magic, *shape]}, its type and sizes")
    if len(content) != size:
        more = "more than" if len(content) > size else f"{len(content):,} instead of"
        raise ValueError(f"{path} holds {more} {size:,} bytes")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
