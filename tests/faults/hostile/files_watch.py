"""Commands in processes that are watched: little memory and time, and a note of all that they have no business with.

One server, which has imported what commands need, forks a process for each.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SENTINEL = "they-ran-it"
CPU_SECONDS, WALL_SECONDS = 60, 500  # the second is for what waits for ever
MEBIBYTES = 2500  # beyond what the server has by itself

_PROGRAM = f"""
import json, os, resource, signal, sys, tempfile, traceback
import expzoo.runs.experiment, expzoo.runs.rerender, expzoo.cli.commands, expzoo.config.check
import hydra, matplotlib.pyplot, polars, pytorch_lightning, scipy.stats, torch._dynamo
from expzoo.cli.app import main

ALLOWED = tuple(os.path.realpath(p) for p in (*sys.path, sys.prefix, sys.base_prefix, "/usr", "/lib", "/lib64", "/sys",
    "/proc", "/dev/null", "/dev/urandom", "/etc/ld.so.cache", "/etc/localtime", "/etc/mime.types",
    os.environ["REPOSITORY"], os.environ["MPLCONFIGDIR"]) if p)
ACTS = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class", "socket.connect",
    "socket.getaddrinfo", "socket.bind", "ctypes.dlopen")

def child(asked, out, err, notes):
    os.chdir(asked["folder"])
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    own = (os.path.realpath(asked["root"]), os.path.realpath(asked["scratch"]))
    busy = []

    def note(text):
        os.write(notes.fileno(), (json.dumps(text) + "\\n").encode())

    def watch(event, arguments):
        if busy:
            return
        busy.append(1)
        try:
            if event in ACTS and not (event == "ctypes.dlopen" and allowed(str(arguments[0]))):
                note(f"{{event}} {{arguments!r}}"[:300])
            elif event in ("open", "os.listdir", "os.scandir") and not isinstance(arguments[0], int) and arguments[0]:
                path = os.path.realpath(os.fsdecode(arguments[0]))
                if not path.startswith(own) and not allowed(path):
                    note(f"{{event}} {{path}}")
                elif path.startswith(own) and path.endswith((".py", ".pyc", ".pkl", ".so")):
                    note(f"{{event}} {{path}}: code of the input")
            elif event == "compile" and os.path.exists(str(arguments[1])):
                name = os.path.realpath(str(arguments[1]))
                note(f"compile {{name}}") if name.startswith(own) else None
        finally:
            busy.clear()

    def allowed(path):
        return path in ("None", "") or os.path.realpath(path).startswith(ALLOWED)

    os.environ["TMPDIR"] = tempfile.tempdir = asked["scratch"]
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + {MEBIBYTES} * 2**20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS},) * 2)
    signal.alarm({WALL_SECONDS})
    sys.addaudithook(watch)
    sys.argv = ["expzoo", *asked["arguments"]]
    code = 99
    try:
        code = main()
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)

for line in sys.stdin:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as notes:
        number = os.fork() or child(json.loads(line), out, err, notes)
        code = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        said = [os.pread(file.fileno(), 2**22, 0).decode(errors="replace") for file in (out, err, notes)]
    print(json.dumps([code, *said]), flush=True)
"""


@dataclass(frozen=True)
class Answer:
    """How a command ended, what it said, and what it did that it should not."""

    code: int
    out: str
    err: str
    notes: list[str]


class Watched:
    """Types commands into the server."""

    def __init__(self, process: Any, scratch: Path) -> None:
        self._process, self._scratch = process, scratch

    def type(self, root: Path, *arguments: str) -> Answer:
        """What `expzoo ARGUMENTS` does in the folder `root`, the only one that it may look into."""
        asked = {"arguments": arguments, "folder": str(root), "root": str(root), "scratch": str(self._scratch)}
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        code, out, err, notes = json.loads(self._process.stdout.readline())
        return Answer(code, out, err, [json.loads(line) for line in notes.splitlines()])


@contextmanager
def watched(scratch: Path, environment: dict[str, str]) -> Iterator[Watched]:
    """A server, until the end of the block."""
    repository = str(Path(__file__).parents[3])
    own = {"REPOSITORY": repository, "MPLCONFIGDIR": str(scratch / "matplotlib"), "OMP_NUM_THREADS": "1"}
    command, pipes = [sys.executable, "-c", _PROGRAM], {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, env=environment | own, **pipes) as process:
        yield Watched(process, scratch)
