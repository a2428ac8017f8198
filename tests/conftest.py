"""What tests share: a small network, a lab on a store of its own, and a command line to type into.

One process answers every command of a module, which saves each the start of Hydra.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from expzoo.spec.component import Component
from expzoo.spec.spec import Spec

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab

os.environ["EXPZOO_PROGRESS"] = "0"  # how long a test takes is no part of what it prints

pytest_plugins = ["tests.not_run", "tests.shapes", "tests.times"]

_SERVER = """
import io, json, os, sys, traceback
from contextlib import redirect_stderr, redirect_stdout

from expzoo.cli.app import main

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


@pytest.fixture
def base() -> Spec:
    """A small network: 20 hidden units, 400 examples of MNIST-1D in batches of 25, 60 steps of Adam."""
    part = Component.of
    return Spec(
        dataset=part("dataset", "mnist1d", num_samples=500, batch_size=25),
        model=part("model", "mlp", width=20),
        optimizer=part("optimizer", "adam"),
        schedule=part("schedule", "constant"),
        loss=part("loss", "cross_entropy"),
        stop=part("stop", "steps", steps=60),
        seed=0,
    )


@pytest.fixture
def open_lab(tmp_path: Path) -> Callable[..., Lab]:
    """Opens a new lab on the store of this name in the test's own folder."""

    def opened(store: str = "store", **options: Any) -> Lab:
        from expzoo.lab.lab import Lab
        from expzoo.store.store import Store

        return Lab(Store(tmp_path / store, "this-machine"), **options)

    return opened


@pytest.fixture(params=["openblas", "torch"])
def blas(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both libraries that may multiply, whichever this machine would choose."""
    monkeypatch.setattr("expzoo.system.machine.blas", lambda: request.param)
    return request.param


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the caller's number of threads; afterwards it is what it was."""
    import torch

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
