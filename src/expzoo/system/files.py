"""Files that are whole or not there: written beside, synced, renamed."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import uuid
from contextlib import suppress
from pathlib import Path

_BESIDE = re.compile(r"\.(?P<host>[0-9a-f]{8})-(?P<pid>\d+)-[0-9a-f]{12}$")


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Write `content` so that `path` holds the old or the new bytes at every moment. An OSError leaves no debris."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path_beside(path)
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        _remove(beside)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        _remove(beside)
        raise
    sync_directory(path.parent)


def path_beside(path: Path) -> Path:
    """A new name in the same folder, for what is to be renamed; `remove_orphans` knows it if this process is killed."""
    return path.parent / f".{path.name}.{here()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"


def sha256(path: Path) -> str:
    """The checksum of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def remove_orphans(directory: Path) -> None:
    """Remove what processes of this machine that were killed while writing here have left."""
    for path in directory.glob(".*"):
        if (left := _BESIDE.search(path.name)) and left["host"] == here() and not is_alive(int(left["pid"])):
            _remove(path)


def here() -> str:
    """This machine in eight hexadecimal digits: its name is nobody's business."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    except OverflowError:  # no system has numbers like this
        return False
    return True


def sync_directory(directory: Path) -> None:
    """Make a rename in this directory survive a power cut."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
