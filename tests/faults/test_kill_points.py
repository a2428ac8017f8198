"""A process killed at any point of a write: what was kept before or what was to be kept is there, whole."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from expzoo.store.network import Network, Partial
from expzoo.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "ab" * 32
ROW = np.arange(2000, dtype=np.float32)
OTHER_FILE_SYSTEM = Path("/dev/shm")


def kept(step: int) -> Partial:
    """A member after so many steps."""
    network = Network(KEY, "finished", 0, {0: ROW}, np.zeros(step, np.float32))
    return Partial(KEY, step, ROW + step, {}, network)


def finished() -> Network:
    return Network(KEY, "finished", 9, {0: ROW, 9: ROW + 9}, np.zeros(9, np.float32))


class Deadly:
    """Counts the calls that a write makes, and kills this process before or after one of them."""

    def __init__(self, last: int) -> None:
        self.left = last

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, which may be the last."""

        def deadly(*args: Any, **options: Any) -> Any:
            self._count()
            found = call(*args, **options)
            self._count()
            return found

        return deadly

    def halved(self, write: Callable[..., Any]) -> Callable[..., Any]:
        """A write that may be broken off after none, half or all of its bytes."""

        def deadly(file: Any, content: Any) -> Any:
            self._count()
            write(file, content[: len(content) // 2])
            file.flush()
            self._count()
            write(file, content[len(content) // 2 :])
            file.flush()
            self._count()
            return len(content)

        return deadly

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Opened:
    """A file whose write may be broken off."""

    def __init__(self, file: Any, deadly: Deadly) -> None:
        self.file, self.write = file, lambda content: deadly.halved(type(file).write)(file, content)

    def __enter__(self) -> Opened:
        self.file.__enter__()
        return self

    def __exit__(self, *how: object) -> None:
        self.file.__exit__(*how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def is_killed(do: Callable[[], None], last: int) -> bool:
    """Whether a process that does something is killed by its `last` call; else it made fewer."""
    child = os.fork()
    if child == 0:
        deadly, opened = Deadly(last), Path.open

        def open_deadly(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
            file = deadly.around(opened)(path, mode, *args, **options)
            return Opened(file, deadly) if "w" in mode else file

        Path.open = open_deadly  # type: ignore[method-assign, assignment]
        os.fsync, Path.replace = deadly.around(os.fsync), deadly.around(Path.replace)  # type: ignore[method-assign]
        Path.unlink = deadly.around(Path.unlink)  # type: ignore[method-assign]
        do()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("elsewhere", [False, True], ids=["TMPDIR here", "TMPDIR on another file system"])
@pytest.mark.parametrize("what", ["member", "network"])
@pytest.mark.check("R3", "R4", "R22")
def test_a_process_killed_at_any_point_of_a_write_leaves_the_old_or_the_new(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    *,
    elsewhere: bool,
    not_run: Callable[[str], None],
    record_property: Callable[[str, str], None],
) -> None:
    if elsewhere and not (OTHER_FILE_SYSTEM.is_dir() and os.access(OTHER_FILE_SYSTEM, os.W_OK)):
        not_run("needs /dev/shm")
    folder = Path(tempfile.mkdtemp(dir=OTHER_FILE_SYSTEM if elsewhere else tmp_path))
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    point = 0
    while True:
        point += 1
        store = Store(tmp_path / str(point), "here")
        store.save_partial(kept(3))
        store.save_partial(kept(6))
        save = (lambda one: one.save_partial(kept(8))) if what == "member" else (lambda one: one.save(finished()))
        killed = is_killed(lambda one=store, do=save: do(one), point)
        found, network = store.load_partial(KEY), store.load(KEY)
        assert found or network, f"nothing is left by a kill at point {point}"
        if found:
            assert np.array_equal(found.theta, ROW + found.step)
            assert found.step in (3, 6, 8)
        if network:
            assert np.array_equal(network.rows[9], ROW + 9)
        assert not list(tmp_path.rglob("*.corrupt"))
        save(store)  # who comes next ends it, and leaves nothing behind
        store.save(finished())
        assert [path.name for path in store.folder(KEY).iterdir()] == ["network.safetensors"]
        if not killed:
            break
    assert list(folder.iterdir()) == []
    folder.rmdir()
    assert point > 10
    record_property("counted", f"{point - 1}/{point - 1} points of saving a {what}")
