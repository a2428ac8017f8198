"""The command line answers in at most one and a half times the time of a bare Hydra application."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "startup.py"

ROUNDS = 15
"""At most so many: the least time can only fall, and a busy machine needs more of them to show it."""


@pytest.mark.parametrize("command", ["help", "print the config", "misspelt key", "five faults"])
def test_answers_as_quickly_as_hydra_does(command: str) -> None:
    spec = importlib.util.spec_from_file_location("startup", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    startup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(startup)
    ratios = []
    for least in startup.compare(ROUNDS, {command: startup.COMMANDS[command]}):
        bare, ours = least[command]
        ratios.append(ours / bare)
        if len(ratios) >= 3 and ratios[-1] <= startup.BAR:
            return
    pytest.fail(f"{command}: {ratios[-1]:.2f} times the time of a bare Hydra application, not {startup.BAR}")
