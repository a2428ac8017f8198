"""What a terminal shows: one line while networks are trained, and afterwards only the verdicts."""

from __future__ import annotations

import os
import pty
import select
import struct
import sys
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest

HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"
WORDS = ("population.size=4", "model.width=30", "stop.steps=3000", "dataset.num_samples=300")


def watched(folder: Path, columns: int) -> tuple[int, bytes]:
    """The exit code of a small training in a terminal of this width, and everything that was written to it."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        environment = {**os.environ, "TERM": "xterm", "OMP_NUM_THREADS": "1"}
        kept = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
        os.execve(sys.executable, [sys.executable, "-m", "expzoo", *WORDS], kept)
    ioctl(terminal, TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    written = b""
    while select.select([terminal], [], [], 120)[0]:
        try:
            written += os.read(terminal, 2**16)
        except OSError:  # the child has closed its end
            break
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), written


@pytest.mark.parametrize("columns", [80])
def test_one_line_while_networks_are_trained_and_then_the_verdicts(tmp_path: Path, columns: int) -> None:
    code, written = watched(tmp_path, columns)
    assert code == 0, written
    assert written.count(HIDE) == written.count(SHOW) > 0
    display, _, after = written.rpartition(SHOW)
    assert b"networks" in display
    assert b"left" in display
    # A display of one line goes to its beginning again and never to one above, and leaves nothing when it ends.
    assert b"no verdicts" not in display
    assert b"\x1b[2A" not in display
    assert b" networks " not in after
    assert b"report: " in after
