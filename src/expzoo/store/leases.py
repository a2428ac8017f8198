"""Who trains what in a store that several processes or machines share: a network is leased, and so trained once.

A lease is a file beside the network, which appears whole or not at all and is touched every few
seconds by its holder. Whoever finds one that was not touched for a while, or whose process on this machine is
no more, takes it over. Nothing rests on a lease but time: two that train one network end with the
same bits.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from expzoo.system.files import here, is_alive, path_beside
from expzoo.system.untrusted import Refused, is_there, opened

NAME = "lease"
TOUCH_SECONDS = 5.0
MAX_BYTES = 200
NOT_OURS = (
    "another user's part of the store is closed to this one: give it a common group (chmod -R g+rwX, umask 002), "
    "or choose another with store=..."
)
STALE_SECONDS = 60.0  # without a touch, as the one who waits sees it: clocks of two machines are never compared


class Leases:
    """The leases of one process, in the folders that `folder` gives for keys."""

    def __init__(self, folder: Callable[[str], Path], *, stale_seconds: float = STALE_SECONDS) -> None:
        self.folder, self.stale_seconds = folder, stale_seconds
        self._held: dict[str, Path] = {}
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}
        self._lock = threading.Lock()
        self._toucher: threading.Thread | None = None

    def take(self, keys: Iterable[str]) -> set[str]:
        """Those of these keys that are ours from now on; the others are somebody else's."""
        taken = {key for key in keys if self._take(key)}
        if taken and (self._toucher is None or not self._toucher.is_alive()):
            self._toucher = threading.Thread(target=self._touch, name="leases", daemon=True)
            self._toucher.start()
        return taken

    def release(self, keys: Iterable[str]) -> None:
        """Give leases back."""
        for key in keys:
            with self._lock:
                path = self._held.pop(key, None)
            if path:
                _remove(path)

    def is_free(self, key: str) -> bool:
        """Whether nobody else is known to train this network now."""
        path = self.folder(key) / NAME
        return key in self._held or self._is_abandoned(path)

    def clear(self, key: str) -> None:
        """Remove what a process that is no more has left beside a finished network."""
        path = self.folder(key) / NAME
        if key not in self._held and is_there(path) and self._is_abandoned(path):
            _remove(path)

    def _take(self, key: str) -> bool:
        if key in self._held:
            return True
        path = self.folder(key) / NAME
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if is_there(path):
                self._take_over(path)
            else:
                _create(path)
        except FileExistsError:
            return False
        except PermissionError as error:
            raise PermissionError(error.errno, NOT_OURS, str(path.parent)) from error
        with self._lock:
            self._held[key] = path
        return True

    def _is_abandoned(self, path: Path) -> bool:
        """Whether a lease is nobody's: it is gone or none, its process is no more, or nobody has touched it for long.

        An empty one is none: whoever made it was killed before it could say whose it is.
        """
        try:
            with opened(path, MAX_BYTES, path.parent) as (file, size):
                facts, words = os.fstat(file.fileno()), file.read(size).decode("ascii", "replace").split()
        except (FileNotFoundError, Refused):
            return True
        if not size:
            return True
        if len(words) == 3 and words[0] == here() and words[1].isdigit() and not is_alive(int(words[1])):
            return True
        mark, now = (facts.st_mtime_ns, facts.st_ino), time.monotonic()
        known, since = self._seen.setdefault(path, (mark, now))
        if known != mark:
            self._seen[path] = mark, now
            return False
        return now - since > self.stale_seconds

    def _take_over(self, path: Path) -> None:
        """A new lease in the place of an abandoned one; FileExistsError if it is somebody's. One at a time may try."""
        with _alone(path.parent):
            if not self._is_abandoned(path):
                raise FileExistsError(path)
            if path.is_dir() and not path.is_symlink():
                raise IsADirectoryError(errno.EISDIR, "a folder where a lease should be: remove it", str(path))
            _remove(path)
            _create(path)

    def _touch(self) -> None:
        """Until nothing is held, show every few seconds that somebody is here."""
        while True:
            time.sleep(TOUCH_SECONDS)
            with self._lock:
                held = list(self._held.values())
                if not held:
                    self._toucher = None
                    return
            for path in held:
                with suppress(OSError):
                    os.utime(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process or thread at a time, where the file system can lock a folder; elsewhere two may be here at once."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _create(path: Path) -> None:
    """Make a lease of this process; FileExistsError if there is one. A kill leaves a whole one or none."""
    beside = path_beside(path)
    words = f"{here()} {os.getpid()} {uuid.uuid4().hex}".encode()
    try:
        _write(beside, words)
        try:
            os.link(beside, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links: between these two lines a lease is empty, which is nobody's
            _write(path, words)
    finally:
        _remove(beside)


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), "wb") as file:
        file.write(content)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
