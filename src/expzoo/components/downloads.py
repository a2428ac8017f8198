"""Files that datasets are made from: fetched once, resumed where a download broke off, compared with their sha256."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.config.paths import place
from expzoo.system.errors import BadInput
from expzoo.system.files import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
        return place(given)
    import pooch

    return Path(pooch.os_cache("expzoo"))


def fetch(remote: Remote) -> Path:
    """As `fetch_all`, of one file."""
    return fetch_all((remote,))[0]


def fetch_all(remotes: Sequence[Remote]) -> list[Path]:
    """The files, downloaded now if they are not there; BadInput if one cannot be had or is another than it should be.

    The refusal names all files that are missing, or wrong, at once. A wrong file is never taken,
    replaced or used in part: what the user has put there stays for the user to look at.
    """
    paths = [folder() / remote.name for remote in remotes]
    for remote, path in zip(remotes, paths, strict=True):
        if reason := "" if path.exists() else _downloaded(remote, path):
            missing = [r for r, p in zip(remotes, paths, strict=True) if not p.exists()]
            raise BadInput(f"{remote.name} cannot be downloaded ({reason}): {_by_hand(missing)}")
    faults = [_fault(path, remote) for remote, path in zip(remotes, paths, strict=True)]
    wrong = [f"{path} is not {path.name}: {fault}" for path, fault in zip(paths, faults, strict=True) if fault]
    if wrong:
        what = "it, or put the right file" if len(wrong) == 1 else "them, or put the right files"
        raise BadInput(f"{'; '.join(wrong)}; remove {what} there")
    return paths


def _by_hand(missing: Sequence[Remote]) -> str:
    if len(missing) == 1:
        return f"put the file with the sha256 {missing[0].sha256} at {folder() / missing[0].name}"
    named = ", ".join(f"{remote.name} {remote.sha256}" for remote in missing)
    return f"put the {len(missing)} files that are missing, of these sha256, into {folder()}: {named}"


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


def _downloaded(remote: Remote, path: Path) -> str:
    """Fetch the file from the first address that has it; why none does, empty if one did."""
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(path.with_name(f".{remote.name}.lock")).acquire()
    except OSError as error:
        raise unusable(error) from error
    with held:  # another process may have fetched it meanwhile
        return "" if path.exists() else _from_any(remote, path)


def unusable(error: OSError) -> BadInput:
    """That the folder of the files cannot be written to."""
    why = error.strerror or type(error).__name__
    return BadInput(f"{folder()} cannot be written to: {why}; give another folder in EXPZOO_DATA")


def _from_any(remote: Remote, path: Path) -> str:
    import pooch

    pooch.get_logger().setLevel("WARNING")  # it announces every attempt on the terminal
    reasons = []
    for url in remote.urls:
        try:
            downloader: Any = Resuming(path)
            pooch.retrieve(url, f"sha256:{remote.sha256}", remote.name, path.parent, downloader=downloader)
        except ValueError as error:  # of another checksum, which pooch says in several lines, or no address
            wrong = "sha256" in str(error).lower() or "hash" in str(error).lower()
            reasons.append(f"{url} sent another file" if wrong else f"{url}: {_first_line(error)}")
        except OSError as error:  # requests' exceptions are among them
            reasons.append(f"{url}: {_why(error)}")
        else:
            return ""
    return ", ".join(reasons) or "there is no address for it"


def _why(error: OSError) -> str:
    """What went wrong with an address, without the names of the layers that it went through."""
    import requests

    response = error.response if isinstance(error, requests.RequestException) else None
    if response is not None and not response.ok:
        return f"{response.status_code} {response.reason}"
    said = {
        requests.exceptions.SSLError: "its certificate is not trusted",
        requests.exceptions.ProxyError: "the proxy refuses",
        requests.Timeout: "no answer",
        requests.ConnectionError: "no connection",
    }
    return next((text for kind, text in said.items() if isinstance(error, kind)), _first_line(error))


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
    """The chunks, with a bar that follows them on a terminal, and one line where there is none."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        size = f", {total / 2**20:,.0f} MiB" if total else ""
        console.print(f"downloading {name}{size}", soft_wrap=True, highlight=False)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"downloading {name}", total=total, completed=start)
        for chunk in chunks:
            yield chunk
            progress.advance(task, len(chunk))
