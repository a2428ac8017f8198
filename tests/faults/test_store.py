"""The store under bit rot, truncation, strangers' files and other processes: never a wrong network."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from expzoo.lab.lab import Lab, Request
from expzoo.spec.measure import Measure
from expzoo.spec.spec import Rewind, Spec
from expzoo.store.network import Network, Partial
from expzoo.store.store import Store
from expzoo.system.checksummed import Corrupt, pack, unpack
from expzoo.system.errors import BadInput
from expzoo.system.files import here

KEY = "5a" * 32
PLACES = 200


def network(key: str = KEY, **changes: Any) -> Network:
    """A small network with everything a network can have."""
    rng = np.random.default_rng(0)
    rows = {step: rng.normal(size=64).astype(np.float32) for step in (0, 5, 10)}
    measured = {"accuracy/test/00": {10: 71.5, 0: 10.0}, "loss/test/00": {10: 0.25}}
    mask = rng.integers(0, 2, 64).astype(bool)
    plain = Network(key, "finished", 10, rows, rng.normal(size=10).astype(np.float32), mask, measured)
    return Network(**(vars(plain) | changes))


def partial(step: int = 5, **changes: Any) -> Partial:
    """A member between two steps."""
    unfinished = network(step=0, rows={0: np.zeros(64, np.float32)}, losses=np.ones(step, np.float32))
    state = {"exp_avg": np.full(64, 0.5, np.float32), "exp_avg_sq": np.full(64, 2.0, np.float32)}
    parts = {"key": KEY, "step": step, "theta": np.arange(64, dtype=np.float32)} | changes
    return Partial(**parts, state=state, network=unfinished)


def equal(one: Network, other: Network) -> bool:
    """Whether two networks hold the same, bit for bit."""
    rows = one.rows.keys() == other.rows.keys() and all(np.array_equal(one.rows[s], other.rows[s]) for s in one.rows)
    same = (one.key, one.status, one.step, one.measured) == (other.key, other.status, other.step, other.measured)
    masks = (one.mask is None) == (other.mask is None) and (one.mask is None or np.array_equal(one.mask, other.mask))
    return rows and same and masks and np.array_equal(one.losses, other.losses)


def flip(path: Path, rng: random.Random) -> None:
    """Flip one random bit of a file."""
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", "here")


@pytest.fixture
def file(store: Store) -> Path:
    """The file of a saved network."""
    store.save(network())
    return store.root / KEY[:2] / KEY / "here" / "network.safetensors"


@pytest.fixture
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for the disk, where hundreds of files are written."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.mark.parametrize("changes", [{}, {"mask": None}, {"measured": {}}, {"status": "diverged"}])
def test_a_network_comes_back_as_it_was(store: Store, changes: dict[str, Any]) -> None:
    store.save(network(**changes))
    found = store.load(KEY)
    assert found is not None
    assert equal(found, network(**changes))
    assert found.machine == "here"
    assert store.has(KEY)
    assert not store.has("00" * 32)
    assert store.load("00" * 32) is None


def test_a_member_in_training_comes_back_as_it_was(store: Store) -> None:
    store.save_partial(partial(5))
    store.save_partial(partial(7))
    found = store.load_partial(KEY)
    assert found is not None
    assert found.step == 7
    assert np.array_equal(found.theta, partial(7).theta)
    state = {name: value.tolist() for name, value in found.state.items()}
    assert state == {"exp_avg": [0.5] * 64, "exp_avg_sq": [2.0] * 64}
    assert equal(found.network, partial(7).network)
    assert store.load(KEY) is None
    store.save(network())
    assert store.load_partial(KEY) is None


@pytest.mark.check("R6")
def test_every_flipped_bit_is_noticed(file: Path) -> None:
    whole, rng = file.read_bytes(), random.Random(1)
    for offset in range(len(whole)):
        content = bytearray(whole)
        content[offset] ^= 1 << rng.randrange(8)
        with pytest.raises(Corrupt, match=r"network\.safetensors is "):
            unpack(bytes(content), file)
    unpack(whole, file)


@pytest.mark.check("R7")
def test_what_is_no_longer_whole_is_said_and_set_aside(
    store: Store, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, rng = file.read_bytes(), random.Random(2)
    arrays, about = unpack(whole, file)
    broken = {length: whole[:length] for length in [0, 1, 7, 8, 9, *rng.sample(range(10, len(whole)), 45)]}
    forged = [b"garbage" * 99, b"\0" * 5000, whole + b"\0", whole + whole, b"<html>404</html>"]
    unsaid = {name: text for name, text in about.items() if name != "format"}
    forged += [pack(arrays, unsaid), pack(arrays, about | {"key": "6b" * 32})]
    for content in [*broken.values(), *forged]:
        caplog.clear()
        file.write_bytes(content)
        assert store.load(KEY) is None
        [message] = caplog.messages
        assert str(file) in message
        assert "set aside" in message
        assert "\n" not in message
        assert not file.exists()
        assert file.with_suffix(".corrupt").read_bytes() == content
    assert len(broken) == 50


@pytest.mark.check("R7", "R19")
def test_a_file_of_another_format_is_left_alone_and_said(store: Store, file: Path, tmp_path: Path) -> None:
    arrays, about = unpack(file.read_bytes(), file)
    other = pack(arrays, about | {"format": "2"})
    file.write_bytes(other)
    for ask in (store.load, store.read, store.load_own):
        with pytest.raises(BadInput, match=r"has format 2, and this version of expzoo reads format 1: it is left as"):
            ask(KEY)
    assert file.read_bytes() == other
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_that_of_another_machine_class_is_passed_over(
    store: Store, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arrays, about = unpack(file.read_bytes(), file)
    file.write_bytes(pack(arrays, about | {"format": "2"}))
    assert Store(store.root, "elsewhere").load(KEY) is None
    assert "it is left as it is" in caplog.text
    assert file.is_file()


def test_a_partial_file_of_another_format_is_left_alone_and_said(store: Store) -> None:
    store.save_partial(partial())
    path = store.folder(KEY) / "partial.safetensors"
    arrays, about = unpack(path.read_bytes(), path)
    path.write_bytes(pack(arrays, about | {"format": "2"}))
    before = path.read_bytes()
    with pytest.raises(BadInput, match=r"partial\.safetensors has format 2"):
        store.load_partial(KEY)
    assert path.read_bytes() == before


@pytest.mark.check("R7")
def test_what_is_no_file_is_no_network(store: Store, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    makers: list[Callable[[Path], object]] = [Path.mkdir, os.mkfifo, lambda p: p.symlink_to("/dev/zero")]
    for make in makers:
        file.unlink(missing_ok=True)
        make(file)
        assert store.load(KEY) is None
        assert "no regular file" in caplog.messages[-1]
        aside = file.with_suffix(".corrupt")
        aside.rmdir() if aside.is_dir() else aside.unlink()


def train_many(spec: Spec, lab: Lab) -> dict[Path, bytes]:
    """Train as many networks as there are places to damage; the content of each file."""
    lab.train([spec.replace(seed=seed) for seed in range(PLACES)])
    return {path: path.read_bytes() for path in sorted(lab.store.root.rglob("network.safetensors"))}


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.check("R6")
def test_rotten_networks_are_trained_again_to_the_same_bits(
    base: Spec, open_lab: Callable[..., Lab], caplog: pytest.LogCaptureFixture
) -> None:
    spec, rng = base.replace(model={"width": 5}, stop={"steps": 4}), random.Random(3)
    before = train_many(spec, open_lab())
    assert len(before) == PLACES
    for path in before:
        flip(path, rng)
    lab = open_lab()
    assert train_many(spec, lab) == before
    assert len(lab.account.trained) == PLACES
    assert sorted(line.partition(" is ")[0] for line in caplog.messages) == sorted(map(str, before))
    assert len(list(lab.store.root.rglob("*.corrupt"))) == PLACES


class PowerCut:
    """A display that ends everything after so many steps of each member."""

    def __init__(self, steps: int) -> None:
        self.left = steps * PLACES

    def start(self, networks: int, steps: int) -> None:
        """Nothing is shown."""

    def stopping(self) -> None:
        """No signal comes."""

    def advance(self, networks: int, steps: int, spared: int) -> None:
        """Count, and end."""
        self.left -= steps
        if self.left <= 0:
            raise ConnectionAbortedError("power cut")

    def finish(self) -> None:
        """Nothing was shown."""


@pytest.mark.usefixtures("quick_disk")
@pytest.mark.check("R6")
def test_rotten_partial_files_cost_steps_and_no_bits(
    base: Spec, open_lab: Callable[..., Lab], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"MOST_MEMBERS": PLACES, "CHUNK_BYTES": 2**30, "LONGEST": 30}.items():
        monkeypatch.setattr(f"expzoo.engine.device.{name}", value)
    monkeypatch.setattr("expzoo.engine.lightning.KEEPING_SHARE", 1e9)
    spec, rng = base.replace(model={"width": 5}, stop={"steps": 90}), random.Random(4)
    expected = train_many(spec, open_lab("uninterrupted"))
    with pytest.raises(ConnectionAbortedError):
        train_many(spec, open_lab(progress=PowerCut(60), partial_seconds=0))
    lab = open_lab()
    folders = sorted(path.parent for path in lab.store.root.rglob("partial.safetensors"))
    newest_rotten, both_rotten = folders[: PLACES // 2], folders[: PLACES // 4]
    assert len(folders) == PLACES
    for folder in newest_rotten:
        flip(folder / "partial.safetensors", rng)
    for folder in both_rotten:
        flip(folder / "partial.previous.safetensors", rng)
    assert list(train_many(spec, lab).values()) == list(expected.values())
    assert len(caplog.messages) == len(newest_rotten) + len(both_rotten)
    assert lab.account.member_steps == 30 * PLACES // 2 + 60 * PLACES // 4 + 90 * PLACES // 4
    assert list(lab.store.root.rglob("partial*.safetensors")) == []


def test_results_of_another_machine_class(tmp_path: Path, store: Store) -> None:
    Store(tmp_path / "store", "there").save(network(status="diverged"))
    assert Store(tmp_path / "store", "here", "same").load(KEY) is None
    assert not Store(tmp_path / "store", "here", "same").has(KEY)
    found = store.load(KEY)
    assert found is not None
    assert (found.machine, found.status) == ("there", "diverged")
    assert store.load_own(KEY) is None
    store.save(network())
    own = store.load(KEY)
    assert own is not None
    assert (own.machine, own.status) == ("here", "finished")
    flip(tmp_path / "store" / KEY[:2] / KEY / "here" / "network.safetensors", random.Random(5))
    other = store.load(KEY)
    assert other is not None
    assert other.machine == "there"


def test_looking_at_another_machine_s_network_does_not_make_it_ours(base: Spec, tmp_path: Path) -> None:
    spec = base.replace(stop={"steps": 4})
    there, here = Lab(Store(tmp_path, "there")), Lab(Store(tmp_path, "here"))
    there.train([spec])
    [found] = here.train(Request((spec,), measures=(Measure("loss", "train"),)))
    assert (here.account.trained, {*here.account.machines.values()}, found.network.machine) == (
        set(),
        {"there"},
        "there",
    )
    assert [path.parent.name for path in tmp_path.rglob("*.safetensors")] == ["there"]
    child = spec.replace(init=Rewind(spec, 2))
    here.train([child])
    assert sorted(path.parent.name for path in tmp_path.rglob("*.safetensors")) == ["here", "here", "there"]


def test_a_kill_while_the_store_was_tried_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path, "this-machine")
    store.require_writable()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    (tmp_path / f"..writable.{here()}-{child}-0123456789ab").touch()
    mine = tmp_path / f"..writable.{here()}-{os.getpid()}-0123456789ab"
    mine.touch()
    store.require_writable()
    assert list(tmp_path.iterdir()) == [mine]
