"""Processes that share a store: each network is trained once, and what a lost process had leased is taken over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from expzoo.store.leases import NAME, Leases
from expzoo.store.store import Store
from expzoo.system.files import here

TRAINER = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from expzoo.lab.lab import Lab
from expzoo.spec.spec import Component, Spec
from expzoo.store.store import Store

part = Component.of
base = Spec(
    dataset=part("dataset", "mnist1d", num_samples=500, batch_size=25), model=part("model", "mlp", width=20),
    optimizer=part("optimizer", "adam"), schedule=part("schedule", "constant"), loss=part("loss", "cross_entropy"),
    stop=part("stop", "steps", steps=400), seed=0,
)
lab = Lab(Store(Path(sys.argv[1]), "here"))
first, last = int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
found = lab.train([base.replace(seed=seed) for seed in range(first, last)])
rows = [network.row().tobytes().hex()[:64] for network in found]
print(json.dumps([sorted(lab.account.trained), sorted(lab.account.cached), rows]))
"""


def trainer(store: Path, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", TRAINER, str(store), str(first), str(last)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def test_a_network_that_two_processes_need_is_trained_once(tmp_path: Path) -> None:
    pair = [trainer(tmp_path, 0, 6), trainer(tmp_path, 3, 9)]
    for process in pair:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    (one, found, rows), (other, others_found, others_rows) = (
        json.loads(process.communicate("go\n", timeout=120)[0]) for process in pair
    )
    assert len(one) + len(other) == 9
    assert not set(one) & set(other)
    assert len(one) + len(found) == len(other) + len(others_found) == 6
    assert rows[3:] == others_rows[:3]
    assert not list(tmp_path.rglob(f"*{NAME}*"))


@pytest.fixture
def leases(tmp_path: Path) -> Leases:
    return Leases(tmp_path.joinpath, stale_seconds=0.2)


def stranger(tmp_path: Path, key: str = "a", pid: int = 1, host: str = "elsewhere") -> Path:
    """The lease of somebody else."""
    path = tmp_path / key / NAME
    path.parent.mkdir()
    path.write_text(f"{host} {pid} 00")
    return path


@pytest.mark.check("R14")
def test_a_lease_is_one_holders_until_it_is_given_back(tmp_path: Path, leases: Leases) -> None:
    other = Leases(tmp_path.joinpath)
    assert leases.take(["a", "b"]) == {"a", "b"}
    assert leases.take(["a"]) == {"a"}
    assert other.take(["a", "c"]) == {"c"}
    assert (other.is_free("a"), leases.is_free("a"), other.is_free("d")) == (False, True, True)
    leases.release(["a"])
    assert other.take(["a"]) == {"a"}


@pytest.mark.check("R14")
def test_a_lease_of_a_process_that_is_no_more_is_taken_over_at_once(tmp_path: Path, leases: Leases) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    path = stranger(tmp_path, pid=gone.pid, host=here())
    assert leases.is_free("a")
    assert leases.take(["a"]) == {"a"}
    assert str(os.getpid()) in path.read_text()
    stranger(tmp_path, "b", gone.pid, here())
    leases.clear("b")
    assert not list((tmp_path / "b").iterdir())


@pytest.mark.parametrize("found", ["", "x" * 1000, f"{here()} {10**30} 00"], ids=["empty", "long", "no process"])
@pytest.mark.check("R14")
def test_a_lease_that_says_no_holder_is_taken_over_at_once(tmp_path: Path, found: str) -> None:
    stranger(tmp_path).write_text(found)
    waiting = Leases(tmp_path.joinpath)
    assert waiting.is_free("a")
    assert waiting.take(["a"]) == {"a"}
    waiting.release(["a"])


@pytest.mark.check("R14")
def test_a_lease_that_is_no_file_is_not_waited_for(tmp_path: Path, leases: Leases) -> None:
    pipe, device, folder = stranger(tmp_path, "a"), stranger(tmp_path, "b"), stranger(tmp_path, "c")
    for path in (pipe, device, folder):
        path.unlink()
    os.mkfifo(pipe)
    device.symlink_to("/dev/zero")
    folder.mkdir()
    assert leases.take(["a", "b"]) == {"a", "b"}
    assert (pipe.is_file(), device.is_symlink()) == (True, False)
    with pytest.raises(IsADirectoryError, match="a folder where a lease should be: remove it"):
        leases.take(["c"])
    leases.release(["a", "b"])


LEASER = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from expzoo.store import leases

def stop(*arguments):
    os._exit(9)

setattr(leases.os, sys.argv[2], stop)
leases.Leases(Path(sys.argv[1]).joinpath).take(["a"])
"""


@pytest.mark.parametrize("call", ["open", "fdopen", "link"])
def test_a_process_that_is_killed_while_it_makes_a_lease_leaves_none_that_is_empty(tmp_path: Path, call: str) -> None:
    assert subprocess.run([sys.executable, "-c", LEASER, str(tmp_path), call], check=False).returncode == 9
    assert not (tmp_path / "a" / NAME).exists()
    waiting = Leases(tmp_path.joinpath)
    assert waiting.take(["a"]) == {"a"}
    waiting.release(["a"])


def test_of_many_that_find_an_empty_lease_one_has_it(tmp_path: Path) -> None:
    for turn in range(20):
        stranger(tmp_path, str(turn)).write_text("")
        start, taken = threading.Barrier(8), list[bool]()

        def race(turn: int = turn, start: threading.Barrier = start, taken: list[bool] = taken) -> None:
            own = Leases(tmp_path.joinpath)
            start.wait()
            taken.append(own._take(str(turn)))

        threads = [threading.Thread(target=race) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(taken) == [False] * 7 + [True]
        assert [path.name for path in (tmp_path / str(turn)).iterdir()] == [NAME]


@pytest.mark.check("R14")
def test_a_lease_from_elsewhere_is_taken_over_when_nobody_touches_it(
    tmp_path: Path, leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, now = stranger(tmp_path), 1000.0
    monkeypatch.setattr("expzoo.store.leases.time", SimpleNamespace(monotonic=lambda: now, sleep=time.sleep))
    for touch in range(6):
        assert leases.take(["a"]) == set()
        now += 0.15
        os.utime(path, (touch, touch))
    assert leases.take(["a"]) == set()
    now += 0.25
    assert leases.take(["a"]) == {"a"}


@pytest.mark.check("R14")
def test_of_many_who_take_one_over_one_gets_it(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    for turn in range(30):
        stranger(tmp_path, str(turn), gone.pid, here())
        many = [Leases(tmp_path.joinpath) for _ in range(4)]
        got: list[str] = []
        threads = [
            threading.Thread(target=lambda one=one, turn=turn, got=got: got.extend(one.take([str(turn)])))
            for one in many
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == [str(turn)]
        assert [path.name for path in (tmp_path / str(turn)).iterdir()] == [NAME]


def test_a_holder_shows_that_it_is_there(tmp_path: Path, leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expzoo.store.leases.TOUCH_SECONDS", 0.02)
    leases.take(["a"])
    path = tmp_path / "a" / NAME
    os.utime(path, (0, 0))
    end = time.monotonic() + 120
    while path.stat().st_mtime == 0 and time.monotonic() < end:
        time.sleep(0.02)
    assert path.stat().st_mtime > 0
    leases.release(["a"])
    assert not path.exists()


def test_a_store_of_another_user_is_said(tmp_path: Path, leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr("expzoo.store.leases.os.open", refuse)
    with pytest.raises(PermissionError, match="chmod") as raised:
        leases.take(["a"])
    assert raised.value.filename == str(tmp_path / "a")


def test_a_store_that_cannot_be_used_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "x")

    store = Store(tmp_path, "here")
    monkeypatch.setattr("expzoo.store.store.write_atomically", refuse)
    monkeypatch.setattr("expzoo.store.store.read_packed", refuse)
    for use in (store.require_writable, lambda: store.load("a" * 64)):
        with pytest.raises(PermissionError, match="another user's part of the store") as raised:
            use()
        assert "chmod" in str(raised.value)
