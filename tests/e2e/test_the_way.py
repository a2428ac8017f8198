"""The way from the command line to `optimizer.step` that ARCHITECTURE.md describes is the one that is gone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_FILES = 25

PROGRAM = """
import os, sys, traceback
from expzoo.config.registry import load
sys.argv = ["expzoo", "+experiment=lottery_ticket", "budget=smoke"]
optimizer = load("optimizer", "adam")

def step(*_):
    print(*dict.fromkeys(frame.filename for frame in traceback.extract_stack()[:-1]), sep="\\n")
    sys.stdout.flush()
    os._exit(0)

optimizer.step = step
from expzoo.cli.app import main
main()
"""


def described() -> list[tuple[str, bool]]:
    """The files of the way in order, and whether each is said to be on the call stack."""
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    way = text.partition("<!-- the way -->")[2].partition("<!-- the end of the way -->")[0]
    return [(file, bool(star)) for file, star in re.findall(r"`([\w/]+\.py)`( \*)?", way)]


def place_of(file: str) -> Path:
    return ROOT / file if file.startswith("plugins/") else ROOT / "src" / "expzoo" / file


def test_a_reader_passes_few_files_and_each_is_there() -> None:
    files = [file for file, _ in described()]
    assert 10 < len(files) <= MOST_FILES
    assert len(set(files)) == len(files)
    assert [file for file in files if not place_of(file).is_file()] == []


def test_the_call_stack_is_as_described(tmp_path: Path) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", PROGRAM]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    own = [Path(line) for line in ended.stdout.splitlines() if Path(line).is_relative_to(ROOT / "src")]
    *starred, optimizer = [place_of(file) for file, star in described() if star]
    assert own == starred
    assert optimizer == ROOT / "plugins" / "optimizers" / "adam.py"
