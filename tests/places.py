"""Folders in which tests type commands: each command is a process of its own, watched, with secrets around it.

A command that is typed `warm` is forked from a process that has imported the libraries, but nothing
of expzoo: their start, three seconds, is shown by the others.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from expzoo.store import run_directory

CANARY = "c4n4ry-of-the-tests"

WATCH = """
import atexit, os, sys

def note(line):
    with open(os.environ["EXPZOO_WATCH"], "a") as file:
        file.write(line + "\\n")

def watch(event, arguments):
    if event in ("pickle.find_class", "socket.connect", "socket.getaddrinfo", "os.system", "urllib.Request"):
        note(f"{event} {arguments}")

sys.addaudithook(watch)
atexit.register(lambda: note(f"torch {'torch' in sys.modules}"))
"""


_WARM = """
import json, os, signal, sys
import hydra, matplotlib.pyplot, polars, pytorch_lightning, scipy.stats, torch._dynamo

def child(asked):
    for number, (name, mode) in enumerate([(os.devnull, os.O_RDONLY), (asked["out"], os.O_WRONLY)]):
        os.dup2(os.open(name, mode), number)
    os.dup2(os.open(asked["err"], os.O_WRONLY), 2)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    exec(asked["watch"], {})
    signal.alarm(600)
    from expzoo.cli.app import main
    sys.argv = ["expzoo", *asked["arguments"]]
    sys.exit(main())

for line in sys.stdin:
    number = os.fork() or child(json.loads(line))
    print(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]), flush=True)
"""


@cache
def _libraries() -> subprocess.Popen[str]:
    """The process that has imported the libraries; it ends with this one, which holds the other end of its pipe."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command, pipe = [sys.executable, "-c", _WARM], subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, what it printed, what it did that it should not, whether torch was imported."""

    code: int
    out: str
    err: str
    events: tuple[str, ...]
    torch: bool


@dataclass(frozen=True)
class Place:
    """A folder to type commands in, with secrets around it; `warm` is how it is done if nothing else is said."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    warm: bool = False

    def __post_init__(self) -> None:
        home = self.folder / "home"
        (home / "watch").mkdir(parents=True)
        (home / "watch" / "sitecustomize.py").write_text(WATCH)
        (home / ".netrc").write_text(f"machine api.wandb.ai login user password {CANARY}\n")
        (self.folder / ".git").mkdir()
        (self.folder / ".git" / "config").write_text(
            f'[remote "origin"]\n\turl = https://user:{CANARY}@example.org/x\n'
        )

    def _environment(self) -> dict[str, str]:
        home = self.folder / "home"
        secrets = dict.fromkeys(("WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "PASSWORD"), CANARY)
        cache = os.environ.get("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))
        own = {"HOME": str(home), "PYTHONPATH": str(home / "watch"), "EXPZOO_WATCH": str(home / "events")}
        return os.environ | {"OMP_NUM_THREADS": "1", "MPLCONFIGDIR": cache} | secrets | own | self.environment

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Type `python -m expzoo ARGUMENTS` here and do not wait."""
        command, pipe = [sys.executable, "-m", "expzoo", *arguments], subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, env=self._environment(), stdout=pipe, stderr=pipe)

    def type(self, *arguments: str, warm: bool | None = None) -> Ended:
        """What `python -m expzoo ARGUMENTS` does here."""
        events = self.folder / "home" / "events"
        events.unlink(missing_ok=True)
        if self.warm if warm is None else warm:
            code, out, err = self._forked(arguments)
        else:
            with self.start(*arguments) as process:
                out, err = process.communicate(timeout=600)
            code = process.returncode
        *noted, torch = events.read_text().splitlines()
        noted = [event for event in noted if not event.startswith("torch ")]  # of processes that it started
        said = [text.decode("utf-8", "replace") for text in (out, err)]
        assert CANARY not in "".join(said)
        return Ended(code, *said, tuple(noted), torch == "torch True")

    def _forked(self, arguments: Sequence[str]) -> tuple[int, bytes, bytes]:
        """The exit code, and what was said, of a process that has the libraries already."""
        server = _libraries()
        assert server.stdin is not None
        assert server.stdout is not None
        with tempfile.NamedTemporaryFile() as out, tempfile.NamedTemporaryFile() as err:
            asked = {"arguments": arguments, "folder": str(self.folder), "out": out.name, "err": err.name}
            asked |= {"environment": self._environment(), "watch": WATCH}
            print(json.dumps(asked), file=server.stdin, flush=True)
            return int(server.stdout.readline()), out.read(), err.read()

    def files(self, below: str = "outputs") -> dict[Path, tuple[int, str]]:
        """When each file was written, and its checksum."""
        found = [path for path in (self.folder / below).rglob("*") if path.is_file()]
        return {p: (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest()) for p in found}


@dataclass(frozen=True)
class Run:
    """A finished run of an experiment at its smallest budget."""

    place: Place
    directory: Path
    words: tuple[str, ...]
    ended: Ended

    @property
    def manifest(self) -> dict[str, Any]:
        return json.loads((self.directory / run_directory.MANIFEST).read_bytes())

    def contents(self) -> dict[str, str]:
        """The checksums of what two equal runs have equal."""
        varies = {run_directory.MANIFEST, run_directory.REPORT, run_directory.CONFIG}
        files = sorted(path for path in self.directory.rglob("*") if path.is_file() and path.name not in varies)
        return {str(p.relative_to(self.directory)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def run_in(place: Place, *words: str, warm: bool | None = None) -> Run:
    """Type a command that makes a new run, which must end well."""
    before = set((place.folder / "outputs").glob("*/*/manifest.json"))
    ended = place.type(*words, warm=warm)
    assert ended.code == 0, ended.err
    [made] = set((place.folder / "outputs").glob("*/*/manifest.json")) - before
    return Run(place, made.parent, words, ended)


def without_what_is_beforehand(out: str) -> str:
    """What a run prints, but for what it says before it trains; a finished one trains nothing."""
    lines = out.splitlines(keepends=True)
    first = next(index for index, line in enumerate(lines) if ": even a perfect result of " not in line)
    return "".join(lines[first:])
