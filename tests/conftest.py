"""A command line that many tests type into: one process answers them all, which saves each the start of Hydra."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_SERVER = """
import io, json, os, sys, traceback
from contextlib import redirect_stderr, redirect_stdout

from expzoo.cli import main

for line in sys.stdin:
    asked = json.loads(line)
    os.chdir(asked["folder"])
    os.environ["EXPZOO_PLUGINS"] = asked["plugins"]
    sys.argv = ["expzoo", *asked["arguments"]]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main()
        except SystemExit as end:
            code = end.code
        except BaseException:
            code = -1
            traceback.print_exc()
    print(json.dumps([code, out.getvalue(), err.getvalue(), "torch" in sys.modules]), flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, what it printed, line by line, and whether torch was imported by then."""

    code: int
    out: list[str]
    err: list[str]
    torch: bool


@dataclass(frozen=True)
class CommandLine:
    """The process that answers."""

    process: subprocess.Popen[str]

    def type(self, *arguments: str, folder: Path, plugins: Path | str = "") -> Ended:
        """What `expzoo ARGUMENTS` does in `folder`, with the home `plugins`."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"arguments": arguments, "folder": str(folder), "plugins": str(plugins)}
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        code, out, err, torch = json.loads(self.process.stdout.readline())
        return Ended(code, out.splitlines(), err.splitlines(), torch)


@pytest.fixture(scope="module")
def command_line(request: pytest.FixtureRequest) -> Iterator[CommandLine]:
    """A process for this module, which has run the module's STAND_INS first."""
    program = getattr(request.module, "STAND_INS", "") + _SERVER
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield CommandLine(process)
        process.kill()
