"""Small files in the formats of the downloaded datasets, and the datasets made to expect them."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import io
import tarfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.components.image_files import Archive, Idx, record_size
from expzoo.config import registry
from expzoo.system.randomness import words

if TYPE_CHECKING:
    from types import ModuleType

    import pytest

DOWNLOADED = ("cifar10", "cifar100", "fashion_mnist", "mnist")
RECORDS = 30  # of each part


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def made_records(count: int, size: int, classes: Iterable[int], draw: int = 0) -> np.ndarray:
    """Random records whose labels are in range."""
    table = (words(0, "test records", draw, count * size) % 256).astype(np.uint8).reshape(count, size)
    for byte, number in enumerate(classes):
        table[:, byte] %= number
    return table


def tar_gz(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar.gz with these members in this order."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def idx(array: np.ndarray) -> bytes:
    """A gzipped IDX file of unsigned bytes."""
    header = np.array([0x0800 + array.ndim, *array.shape], ">u4").tobytes()
    return gzip.compress(header + array.tobytes(), 1, mtime=0)


def plugin(name: str) -> ModuleType:
    """The module of a dataset."""
    registry.load("dataset", name)
    return importlib.import_module(f"expzoo.plugins.datasets.{name}")


def small_archive(source: Archive) -> tuple[Archive, np.ndarray, bytes]:
    """The source with RECORDS records in each member, all its records, and the archive, members in another order."""
    small = replace(source, records=(RECORDS,) * len(source.members))
    table = made_records(sum(small.records), record_size(small), source.classes)
    parts = np.split(table, len(source.members))
    named = [(name, part.tobytes()) for name, part in zip(source.members, parts, strict=True)]
    content = tar_gz([("readme.html", b"<html>of the authors"), *reversed(named)])
    return replace(small, remote=replace(source.remote, sha256=sha256(content), urls=())), table, content


def small_idx(source: Idx) -> tuple[Idx, np.ndarray, dict[str, bytes]]:
    """The source with RECORDS records in each part, all its records, and its files by name."""
    table = made_records(2 * RECORDS, record_size(source), source.classes)
    pairs, files = [], {}
    for part, (images, labels) in zip(np.split(table, 2), source.files, strict=True):
        contents = idx(part[:, 1:].reshape(-1, *source.shape[1:])), idx(part[:, 0])
        remotes = [replace(r, sha256=sha256(c), urls=()) for r, c in zip((images, labels), contents, strict=True)]
        files |= {remote.name: content for remote, content in zip(remotes, contents, strict=True)}
        pairs.append(tuple(remotes))
    made: Any = tuple(pairs)
    return replace(source, files=made, sizes=(RECORDS, RECORDS)), table, files


def stand_in(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Give the dataset `name` small files of its format, in `folder`; all their records."""
    monkeypatch.setenv("EXPZOO_DATA", str(folder))
    module = plugin(name)
    if isinstance(module.SOURCE, Archive):
        source, table, content = small_archive(module.SOURCE)
        files = {source.remote.name: content}
    else:
        source, table, files = small_idx(module.SOURCE)
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)
    monkeypatch.setattr(module, "SOURCE", source)
    return table
