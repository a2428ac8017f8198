"""Many processes at once on one store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PROCESSES, NETWORKS = 64, 16


@pytest.mark.slow
@pytest.mark.check("R12")
def test_sixty_four_processes_at_once(tmp_path: Path, record_property: Callable[[str, str], None]) -> None:
    """Every network is there once with the bits that it has alone, and was trained once: nobody was killed."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.faults.many", str(tmp_path), str(PROCESSES), str(NETWORKS)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.PIPE)
    found = json.loads(done.stdout)
    assert found["codes"] == [0] * PROCESSES
    assert found["equal"] == [True] * NETWORKS
    assert found["trained"] == [1] * NETWORKS
    assert found["debris"] == []
    record_property("counted", f"{PROCESSES} processes, {NETWORKS}/{NETWORKS} networks once")
