"""Files that datasets are made from: fetched once, resumed where a download broke off, compared with their sha256."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.errors import BadInput
from expzoo.results import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_BYTES = 256 * 2**20  # the largest file that is known has 162 MiB
TRIES = 3  # of each address, as long as each brings more of the file
SECONDS = 30.0  # without a byte
_CHUNK = 2**18
_HTML = b"<!doctype html", b"<html", b"<?xml"


@dataclass(frozen=True)
class Remote:
    """A file by its checksum, so that it does not matter who sends it."""

    name: str
    sha256: str
    urls: tuple[str, ...]


def folder() -> Path:
    """Where downloaded files, and what is decoded from them, are kept: $EXPZOO_DATA or the user's cache."""
    if given := os.environ.get("EXPZOO_DATA"):
        return Path(given).absolute()
    import pooch

    return Path(pooch.os_cache("expzoo"))


def fetch(remote: Remote) -> Path:
    """The file, downloaded now if it is not there; BadInput if it cannot be had or is another one than it should be.

    A wrong file is never taken, replaced or used in part: what the user has put there stays for the user to look at.
    """
    path = folder() / remote.name
    if not path.exists():
        from filelock import FileLock

        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{remote.name}.lock")):
            if not path.exists():  # another process may have fetched it meanwhile
                _download(remote, path)
    if fault := _fault(path, remote):
        raise BadInput(f"{path} is not {remote.name}: {fault}; remove it, or put the right file there")
    return path


def _fault(path: Path, remote: Remote) -> str:
    """Why a file cannot be the one that is meant, empty if it is."""
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):
        return "it is no regular file"
    if facts.st_size > MAX_BYTES:
        return f"it has {facts.st_size:,} bytes, more than {MAX_BYTES:,}"
    if (found := sha256(path)) == remote.sha256:
        return ""
    with path.open("rb") as file:
        if file.read(64).lstrip().lower().startswith(_HTML):
            return "it is a page of the web, not data"
    return f"its {facts.st_size:,} bytes have the sha256 {found[:16]}..., not {remote.sha256[:16]}..."


def _download(remote: Remote, path: Path) -> None:
    """Fetch the file from the first address that has it; BadInput, saying where to put it by hand, if none does."""
    import pooch

    reason = "there is no address for it"
    for url in remote.urls:
        try:
            downloader: Any = Resuming(path)
            pooch.retrieve(url, f"sha256:{remote.sha256}", remote.name, path.parent, downloader=downloader)
        except ValueError as error:  # of another checksum, which pooch says in several lines, or no address
            wrong = "sha256" in str(error).lower() or "hash" in str(error).lower()
            reason = f"{url} sent another file" if wrong else f"{url}: {_first_line(error)}"
        except OSError as error:  # requests' exceptions are among them
            reason = f"{url}: {_first_line(error)}"
        else:
            return
    raise BadInput(
        f"{remote.name} cannot be downloaded ({reason}): put the file with the sha256 {remote.sha256} at {path}"
    )


def _first_line(error: Exception) -> str:
    text = str(error).splitlines()
    return f"{type(error).__name__}{': ' + text[0][:120] if text else ''}"


class Resuming:
    """A downloader for `pooch.retrieve` that goes on where the last one was cut off: bytes so far lie in `.part`."""

    def __init__(self, path: Path) -> None:
        self.name, self.part = path.name, path.with_name(f".{path.name}.part")

    def __call__(self, url: str, output_file: str, _: Any, check_only: bool = False) -> None:  # noqa: FBT001, FBT002
        """Bring the whole file to `output_file`; an OSError leaves the bytes so far."""
        import requests

        before = -1
        for attempt in range(TRIES):
            have = self._size()
            if attempt and have <= before:
                break
            before = have
            try:
                self._append(url, have)
                break
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if attempt == TRIES - 1 or self._size() <= have:
                    raise
        self.part.replace(output_file)

    def _size(self) -> int:
        with suppress(FileNotFoundError):
            return self.part.stat().st_size
        return 0

    def _append(self, url: str, have: int) -> None:
        """Ask for what is missing; a server that sends everything again is taken at its word."""
        import requests

        # As it is: a server that compresses on the way would change the bytes that are compared.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=SECONDS) as response:
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # everything is there
            response.raise_for_status()
            partial = response.status_code == requests.codes.partial_content
            start = have if partial else 0
            length = int(response.headers.get("Content-Length", 0)) or None
            with self.part.open("ab" if partial else "wb") as file:
                chunks = _shown(response.iter_content(_CHUNK), self.name, start, length and start + length)
                for chunk in chunks:
                    if file.tell() + len(chunk) > MAX_BYTES:
                        file.truncate(0)
                        raise requests.RequestException(f"it sends more than {MAX_BYTES:,} bytes")
                    file.write(chunk)


def _shown(chunks: Iterator[bytes], name: str, start: int, total: int | None) -> Iterator[bytes]:
    """The chunks, with a bar on the terminal that follows them; none where there is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"downloading {name}", total=total, completed=start)
        for chunk in chunks:
            yield chunk
            progress.advance(task, len(chunk))
