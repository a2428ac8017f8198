"""Experiments on images: every command that an experiment's file shows is composed, and on textures they run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.places import Place, run_in

from expzoo import records, results

CONF = Path(__file__).parents[2] / "conf" / "experiment"
SHOWN = {
    f"{path.stem} {number}": shlex.split(command)[3:]
    for path in sorted(CONF.glob("*.yaml"))
    for number, command in enumerate(
        re.findall(r"^#   (python -m expzoo .*)$", re.sub(r" \\\n# *", " ", path.read_text(encoding="utf-8")), re.M)
    )
}
ON_TEXTURES = {
    "temperature_calibration": ("dataset=calibration_textures", "model=cnn2d", "model.width=4"),
    "random_labels": ("dataset=random_labels_textures", "model=cnn2d", "model.width=4", "stop.steps=20"),
    "large_learning_rate": ("dataset=rates_textures", "model=cnn2d", "model.width=4", "stop.steps=10"),
    "two_patterns": ("dataset=patterns_textures", "model=cnn2d", "model.width=4", "stop.steps=10"),
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_command_that_is_shown_is_composed(command_line: Any, tmp_path: Path, name: str) -> None:
    ended = command_line.type(*SHOWN[name], "--cfg", "job", "--resolve", folder=tmp_path)
    assert (ended.code, ended.err, ended.torch) == (0, [], False)


@pytest.mark.slow
@pytest.mark.parametrize("experiment", ON_TEXTURES)
def test_it_runs_on_textures(tmp_path: Path, experiment: str) -> None:
    words = f"+experiment={experiment}", "budget=smoke", "population.size=2", *ON_TEXTURES[experiment]
    run = run_in(Place(tmp_path), *words)
    table = records.read(run.directory / results.RECORDS)
    assert set(table["split"]) & {"test"}
    assert (table["value"].is_finite()).all()
