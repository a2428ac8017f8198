"""A disk that is full, read-only or broken: one line that names the path, nothing half-written, and nothing lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from expzoo.cli import app
from expzoo.engine import lightning
from expzoo.system.checksummed import read_packed
from expzoo.system.files import write_atomically

SMALL = (
    "population.size=3",
    "model.width=4",
    "stop.steps=8",
    "dataset.num_samples=300",
    "analysis.learning_curves.every=4",
)
FILES = (
    "config.yaml",
    "records.parquet",
    "arrays.safetensors",
    "verdicts.json",
    "learning_curves.png",
    "learning_curves.svg",
    "learning_curves.csv",
    "figures.json",
    "environment.json",
    "manifest.json",
    "report.html",
)
"""Every file of a run but its networks, in no order that matters."""

ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT)
_BESIDE = re.compile(r"\..*\.[0-9a-f]{32}")

Expzoo = Callable[..., tuple[int, str]]


@pytest.fixture
def expzoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Expzoo:
    """Types a command about three small networks in the folder of the test: exit code, and what it said on stderr."""
    monkeypatch.chdir(tmp_path)

    def typed(*overrides: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["expzoo", *SMALL, *overrides])
        code = app.main()
        return code, capsys.readouterr().err

    return typed


def run_directory(folder: Path) -> Path:
    [directory] = (folder / "outputs" / "custom").iterdir()
    return directory


def networks(folder: Path) -> dict[str, int]:
    """How many networks a run trained and found, from its manifest."""
    return json.loads((run_directory(folder) / "manifest.json").read_bytes())["networks"]


def check_whole(folder: Path) -> int:
    """Nothing is left beside a file, and every network is whole; how many there are."""
    assert [path for path in folder.rglob("*") if _BESIDE.fullmatch(path.name)] == []
    stored = list(folder.rglob("network.safetensors"))
    for path in stored:
        read_packed(path)
    return len(stored)


def checksums(directory: Path) -> dict[str, str]:
    """Of every file of a run that two equal runs have equal."""
    varies = ("manifest.json", "report.html", "config.yaml")
    files = [path for path in directory.rglob("*") if path.is_file() and path.name not in varies]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def break_write(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int, int], None]:
    """Breaks the `occurrence`-th time a file of this name is brought to the disk."""
    fsync = os.fsync

    def broken(name: str, code: int, occurrence: int = 1) -> None:
        seen = []

        def sync(file: int) -> None:
            path = Path(f"/proc/self/fd/{file}").readlink()
            if path.name.startswith(f".{name}."):
                seen.append(path)
                if len(seen) == occurrence:
                    raise OSError(code, os.strerror(code))
            fsync(file)

        monkeypatch.setattr(os, "fsync", sync)

    return broken


@pytest.mark.check("R9")
def test_a_run_survives_a_failure_of_each_of_its_writes(
    expzoo: Expzoo, break_write: Callable[[str, int, int], None], tmp_path: Path
) -> None:
    for index, (name, occurrence) in enumerate([("network.safetensors", 2), *((name, 1) for name in FILES)]):
        code = ERRORS[index % len(ERRORS)]
        break_write(name, code, occurrence)
        ended, said = expzoo()
        assert ended == 1, name
        [line] = said.splitlines()
        assert name in line
        assert str(tmp_path) in line
        assert os.strerror(code) in line
        assert check_whole(tmp_path) == (1 if index == 0 else 3)
        assert not list(tmp_path.glob("outputs/custom/*/manifest.json")), name  # which is the last, the page included
    break_write("nothing", 0, 1)
    assert expzoo()[0] == 0
    found = networks(tmp_path)
    assert (found["trained"], found["cached"], found["diverged"]) == (0, 3, 0)
    survived = checksums(run_directory(tmp_path))
    assert set(survived) == {*FILES, "summary.csv"} - {"manifest.json", "report.html", "config.yaml"}

    (tmp_path / "outputs").rename(tmp_path / "before")
    assert expzoo()[0] == 0
    assert checksums(run_directory(tmp_path)) == survived


@pytest.mark.check("R18")
def test_a_logger_that_cannot_write_loses_no_result(
    expzoo: Expzoo, break_write: Callable[[str, int, int], None], tmp_path: Path
) -> None:
    break_write("summary.csv", errno.ENOSPC, 1)
    code, said = expzoo()
    assert code == 0
    [line] = said.splitlines()
    assert "summary.csv" in line
    assert os.strerror(errno.ENOSPC) in line
    assert check_whole(tmp_path) == 3
    assert (run_directory(tmp_path) / "report.html").exists()
    assert expzoo() == (0, "")
    assert (run_directory(tmp_path) / "summary.csv").exists()


@pytest.fixture
def limit() -> Iterator[Callable[[int], None]]:
    """Sets how many bytes a file may have; -1 for any number."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.check("R8")
def test_files_that_may_not_grow(expzoo: Expzoo, limit: Callable[[int], None], tmp_path: Path) -> None:
    for size, stored in ((1000, 0), (4500, 3), (20_000, 3), (50_000, 3)):
        limit(size)
        code, said = expzoo()
        limit(-1)
        assert code == 1
        [line] = said.splitlines()
        assert os.strerror(errno.EFBIG) in line
        assert str(tmp_path / "outputs") in line
        assert check_whole(tmp_path) == stored
    assert expzoo()[0] == 0
    assert (networks(tmp_path)["trained"], networks(tmp_path)["cached"]) == (0, 3)


@pytest.fixture
def small_disk(tmp_path: Path, not_run: Callable[[str], NoReturn]) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        not_run("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.check("R8")
def test_a_full_disk_keeps_what_was_done(expzoo: Expzoo, small_disk: Path) -> None:
    wide = ("population.size=20", "model.width=100", "store=disk/store")
    code, said = expzoo(*wide)
    assert code == 1
    [line] = said.splitlines()
    assert os.strerror(errno.ENOSPC) in line
    assert str(small_disk / "store") in line
    done = check_whole(small_disk)
    assert 1 <= done < 20
    assert not list(small_disk.parent.glob("outputs/custom/*"))

    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    assert expzoo(*wide)[0] == 0
    assert (networks(small_disk.parent)["trained"], networks(small_disk.parent)["cached"]) == (20 - done, done)


def test_a_complete_store_may_be_read_only(expzoo: Expzoo, small_disk: Path, tmp_path: Path) -> None:
    assert expzoo("store=disk/store")[0] == 0
    (tmp_path / "outputs").rename(tmp_path / "before")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    assert expzoo("store=disk/store")[0] == 0
    assert networks(tmp_path)["trained"] == 0
    code, said = expzoo("store=disk/store", "seed=1")
    assert code == 1
    [line] = said.splitlines()
    assert os.strerror(errno.EROFS) in line
    assert str(small_disk / "store") in line


@pytest.mark.parametrize("store", ["file/store", "/proc/store", "file"])
@pytest.mark.check("R9")
def test_a_store_that_cannot_be_written_is_refused_before_training(
    expzoo: Expzoo, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("something else")

    def no_training(*_: object) -> NoReturn:
        raise AssertionError("it was trained, and cannot be kept")

    monkeypatch.setattr(lightning, "fit", no_training)
    code, said = expzoo(f"store={store}")
    assert code == 1
    [line] = said.splitlines()
    assert str((tmp_path / store).absolute()) in line
    assert not list(tmp_path.glob("outputs/custom/*"))
    assert (tmp_path / "file").read_text() == "something else"


@pytest.mark.parametrize("place", ["file/run", "/proc/run"])
@pytest.mark.check("R9")
def test_a_run_directory_that_cannot_be_made(expzoo: Expzoo, place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("something else")
    code, said = expzoo(f"hydra.run.dir={place}")
    assert code == 1
    [line] = said.splitlines()
    assert place in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize("old", [b"old", None])
@pytest.mark.parametrize("broken", ["open", "write", "fsync", "replace"])
@pytest.mark.check("R3")
def test_a_file_is_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, old: bytes | None
) -> None:
    path = tmp_path / "folder" / "file"
    if old is not None:
        write_atomically(path, old)

    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    if broken == "write":
        monkeypatch.setattr(Path, "open", Full.opened)
    else:
        owner = os if broken == "fsync" else Path
        monkeypatch.setattr(owner, broken, fail)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)) as caught:
        write_atomically(path, b"new and much longer")
    monkeypatch.undo()
    assert caught.value.filename == str(path)
    assert (path.read_bytes() if path.exists() else None) == old
    assert [file.name for file in path.parent.iterdir()] == ([] if old is None else ["file"])
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


class Full:
    """A file of which only the first bytes reach the disk."""

    def __init__(self, path: Path, mode: str) -> None:
        self.file = open(path, mode)  # noqa: PTH123, SIM115  Path.open is what is replaced

    @staticmethod
    def opened(path: Path, mode: str) -> Full:
        """What `Path.open` gives instead."""
        return Full(path, mode)

    def __enter__(self) -> Full:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, content: bytes) -> NoReturn:
        self.file.write(content[:3])
        raise OSError(errno.EIO, os.strerror(errno.EIO))
