"""Downloads that break off, lie or are something else, and archives made to do harm: one line, and nothing is kept."""

from __future__ import annotations

import errno
import gzip
import io
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from tests.image_archives import RECORDS, idx, made_records, plugin, sha256, small_archive, stand_in, tar_gz

from expzoo.components.downloads import Remote, fetch, fetch_all
from expzoo.components.image_files import Archive, open_records, record_size
from expzoo.config.registry import build
from expzoo.system.errors import BadInput

CONTENT = bytes(range(256)) * 4000


@dataclass
class Server:
    """Sends one file as it is told to, and remembers what it was asked for."""

    content: bytes = CONTENT
    break_at: int | None = None  # the connection is cut after so many bytes, once
    ranges: bool = True
    status: int = 200
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(wanted := handler.headers.get("Range", ""))
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        body = self.content[start:]
        handler.send_response(206 if start else self.status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.break_at is not None:
            body, self.break_at = body[: self.break_at], None
        handler.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)
            self.close_connection = True

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.url = f"http://127.0.0.1:{http.server_port}/file.bin"
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXPZOO_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def remote(server: Server, content: bytes = CONTENT) -> Remote:
    return Remote("file.bin", sha256(content), (server.url,))


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*") if not path.name.startswith("."))


def test_a_file_is_fetched_once(server: Server, data: Path) -> None:
    for _ in range(2):
        assert fetch(remote(server)).read_bytes() == CONTENT
    assert server.asked == [""]
    assert visible(data) == ["file.bin"]


def test_what_broke_off_is_resumed(server: Server, data: Path) -> None:
    server.break_at = 300_000
    assert fetch(remote(server)).read_bytes() == CONTENT
    assert server.asked[0] == ""
    assert int(server.asked[1].removeprefix("bytes=")[:-1]) > 0


def test_a_server_without_ranges_begins_again(server: Server, data: Path) -> None:
    server.break_at, server.ranges = 300_000, False
    assert fetch(remote(server)).read_bytes() == CONTENT


@pytest.mark.check("S8")
@pytest.mark.parametrize("what", ["a page", "cut short", "another file", "compressed again", "not found"])
def test_what_is_not_the_file_is_refused_and_not_kept(what: str, server: Server, data: Path) -> None:
    sent = {
        "a page": b"<!DOCTYPE html><html>sign in",
        "cut short": CONTENT[:-1],
        "another file": CONTENT[::-1],
        "compressed again": gzip.compress(CONTENT),
    }
    server.content, server.status = sent.get(what, CONTENT), 404 if what == "not found" else 200
    with pytest.raises(BadInput, match="cannot be downloaded") as refusal:
        fetch(remote(server))
    assert len(str(refusal.value).splitlines()) == 1
    assert str(data / "file.bin") in str(refusal.value)
    assert visible(data) == []
    server.content, server.status = CONTENT, 200
    assert fetch(remote(server)).read_bytes() == CONTENT  # nothing of the wrong one is left to be resumed


def test_without_a_network_it_says_where_to_put_the_file(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    gone = Remote("file.bin", sha256(CONTENT), ("http://127.0.0.1:9/file.bin",))
    with pytest.raises(BadInput) as refusal:
        fetch(gone)
    by_hand = f"put the file with the sha256 {gone.sha256} at {data / 'file.bin'}"
    assert str(refusal.value) == f"file.bin cannot be downloaded ({gone.urls[0]}: no connection): {by_hand}"
    assert capfd.readouterr() == ("", "")
    (data / "file.bin").write_bytes(CONTENT)
    assert fetch(gone).read_bytes() == CONTENT


def test_all_files_that_are_missing_or_wrong_are_named_at_once(data: Path) -> None:
    gone = [Remote(f"{name}.bin", sha256(CONTENT), ("http://127.0.0.1:9/file.bin",)) for name in "abc"]
    data.mkdir()
    (data / "b.bin").write_bytes(CONTENT)
    named = ", ".join(f"{remote.name} {remote.sha256}" for remote in (gone[0], gone[2]))
    with pytest.raises(BadInput, match=f"put the 2 files .* into {re.escape(str(data))}: {named}$"):
        fetch_all(gone)
    for name, content in (("a", b"<html>no"), ("c", b"other")):
        (data / f"{name}.bin").write_bytes(content)
    with pytest.raises(BadInput, match=r"a\.bin: it is a page .*; .*c\.bin: its 5 bytes .*; remove them") as refusal:
        fetch_all(gone)
    assert "b.bin" not in str(refusal.value)
    assert len(str(refusal.value).splitlines()) == 1


def test_a_folder_that_cannot_hold_files_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EXPZOO_DATA", str(tmp_path / "file"))
    with pytest.raises(BadInput, match=r"file cannot be written to: .*; give another folder in EXPZOO_DATA"):
        build("dataset", "mnist")


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in("mnist", tmp_path, monkeypatch)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("expzoo.components.image_files.write_atomically", full)
    with pytest.raises(BadInput, match="cannot be written to: No space left on device; give another folder"):
        build("dataset", "mnist", batch_size=5)


def test_where_there_is_no_terminal_one_line_says_what_is_fetched(
    server: Server, data: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    fetch(remote(server))
    assert capfd.readouterr() == ("", "downloading file.bin, 1 MiB\n")


def test_a_wrong_file_put_there_by_hand_is_named_and_left_alone(server: Server, data: Path) -> None:
    data.mkdir()
    for content, why in ((b"<html>no", "a page of the web"), (CONTENT[:-9], "1,023,991 bytes have the sha256")):
        (data / "file.bin").write_bytes(content)
        with pytest.raises(BadInput, match=why) as refusal:
            fetch(remote(server))
        assert len(str(refusal.value).splitlines()) == 1
        assert (data / "file.bin").read_bytes() == content
    assert server.asked == []


@pytest.mark.check("S8")
def test_an_endless_body_is_cut(server: Server, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("expzoo.components.downloads.MAX_BYTES", 500_000)
    with pytest.raises(BadInput, match="more than 500,000 bytes"):
        fetch(remote(server))
    assert sum(path.stat().st_size for path in data.glob("*")) <= 500_000


# Archives of the right checksum and the wrong content.


def member(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def with_first(first: tarfile.TarInfo, rest: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(first)
        for name, content in rest:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def hostile() -> dict[str, tuple[Callable[[Archive, list[tuple[str, bytes]]], bytes], str]]:
    """By name: how the archive is made of the right members, and what the refusal says."""
    return {
        "cut short": (lambda _, parts: tar_gz(parts)[:-2000], "cannot be read as an archive"),
        "no gzip": (lambda _, parts: gzip.decompress(tar_gz(parts)), "cannot be read as an archive"),
        "a byte changed": (lambda _, parts: _flipped(tar_gz(parts)), "cannot be read as an archive"),
        "a member missing": (lambda _, parts: tar_gz(parts[1:]), "has no member cifar-10-batches-bin/data_batch_1.bin"),
        "a member twice": (lambda _, parts: tar_gz([parts[0], *parts]), "two members"),
        "a member of another size": (lambda _, parts: tar_gz([(parts[0][0], b"0" * 99), *parts[1:]]), "99 bytes, not"),
        "a link": (lambda _, parts: with_first(member(parts[0][0], tarfile.SYMTYPE, "/etc/passwd"), parts[1:]), "link"),
        "a hard link": (lambda _, p: with_first(member(p[0][0], tarfile.LNKTYPE, p[1][0]), p[1:]), "link"),
        "a device": (lambda _, parts: with_first(member(parts[0][0], tarfile.CHRTYPE), parts[1:]), "device"),
        "a bomb": (lambda _, parts: tar_gz([("zeros", bytes(2**24)), *parts]), "does not belong there"),
        "ten thousand members": (lambda _, parts: tar_gz([(f"{n}", b"") for n in range(999)]), "more than 64 members"),
        "other cases": (lambda _, parts: tar_gz([(n.upper(), c) for n, c in parts]), "has no member"),
        "paths that climb": (lambda _, p: tar_gz([(f"../{n}", c) for n, c in p]), "has no member"),
        "a label out of range": (
            lambda s, parts: tar_gz([(parts[0][0], _labelled(s, 10)), *parts[1:]]),
            "label 10 in record 4",
        ),
    }


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


def _labelled(source: Archive, label: int) -> bytes:
    table = made_records(RECORDS, record_size(source), source.classes)
    table[4, 0] = label
    return table.tobytes()


@pytest.mark.parametrize("name", hostile())
@pytest.mark.check("S7")
def test_a_hostile_archive_is_refused(name: str, data: Path, tmp_path: Path) -> None:
    make, why = hostile()[name]
    small, table, _ = small_archive(plugin("cifar10").SOURCE)
    parts = [(n, p.tobytes()) for n, p in zip(small.members, np.split(table, len(small.members)), strict=True)]
    content = make(small, parts)
    source = replace(small, remote=replace(small.remote, sha256=sha256(content)))
    data.mkdir()
    (data / source.remote.name).write_bytes(content)
    with pytest.raises(ValueError, match=why) as refusal:
        open_records(source)
    assert len(str(refusal.value).splitlines()) == 1
    assert visible(data) == [source.remote.name]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


HOSTILE_IDX: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no gzip": (gzip.decompress, "cannot be read as gzip"),
    "cut short": (lambda images: images[:-20], "cannot be read as gzip"),
    "other sides": (lambda _: idx(np.zeros((RECORDS, 28, 27), np.uint8)), "starts with"),
    "one more": (lambda _: idx(np.zeros((RECORDS + 1, 28, 28), np.uint8)), "starts with"),
    "cut short inside": (lambda images: gzip.compress(gzip.decompress(images)[:-5]), "instead of"),
    "a bomb": (lambda images: gzip.compress(gzip.decompress(images) + bytes(2**24)), "more than"),
    "empty": (lambda _: gzip.compress(b""), "starts with"),
}


@pytest.mark.parametrize("name", HOSTILE_IDX)
def test_a_hostile_idx_file_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change, why = HOSTILE_IDX[name]
    stand_in("mnist", tmp_path, monkeypatch)
    module = plugin("mnist")
    (images, labels), test = module.SOURCE.files
    content = change((tmp_path / images.name).read_bytes())
    (tmp_path / images.name).write_bytes(content)
    files = (replace(images, sha256=sha256(content)), labels), test
    monkeypatch.setattr(module, "SOURCE", replace(module.SOURCE, files=files))
    with pytest.raises(BadInput, match=why) as refusal:
        build("dataset", "mnist", batch_size=5)
    assert len(str(refusal.value).splitlines()) == 1
    assert list(tmp_path.glob("*.records")) == []


@pytest.mark.check("S8")
def test_swapped_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in("fashion_mnist", tmp_path, monkeypatch)
    (images, labels), _ = plugin("fashion_mnist").SOURCE.files
    first, second = tmp_path / images.name, tmp_path / labels.name
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    with pytest.raises(BadInput, match="sha256"):
        build("dataset", "fashion_mnist", batch_size=5)
