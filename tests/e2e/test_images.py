"""Experiments on images: every command that an experiment's file shows is composed, and on textures they run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.places import Place, run_in

from expzoo.science.verdicts import load_verdicts
from expzoo.store import records, run_directory

CONF = Path(__file__).parents[2] / "conf" / "experiment"
SHOWN = {
    f"{path.stem} {number}": shlex.split(command)[3:]
    for path in sorted(CONF.glob("*.yaml"))
    for number, command in enumerate(
        re.findall(r"^#   (python -m expzoo .*)$", re.sub(r" \\\n# *", " ", path.read_text(encoding="utf-8")), re.M)
    )
}
ON_TEXTURES = [name for name, words in SHOWN.items() if "textures" in " ".join(words)]
FEW = ("population.size=12",), ("population.size=2",)
"""A pool that holds the largest ensemble, and what suffices for the other experiments."""


@pytest.mark.parametrize("name", SHOWN)
def test_a_command_that_is_shown_is_composed(command_line: Any, tmp_path: Path, name: str) -> None:
    ended = command_line.type(*SHOWN[name], "--cfg", "job", "--resolve", folder=tmp_path)
    assert (ended.code, ended.err, ended.torch) == (0, [], False)


def test_every_experiment_on_images_shows_how_to_run_it_on_textures() -> None:
    assert len(ON_TEXTURES) == 7


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_TEXTURES)
def test_it_runs_on_textures(tmp_path: Path, name: str) -> None:
    few = FEW[not name.startswith("deep_ensembles")]
    run = run_in(Place(tmp_path), *SHOWN[name], *few, "budget=smoke")
    assert run.ended.events == ()
    table = records.read(run.directory / run_directory.RECORDS)
    assert set(table["split"]) & {"test"}
    assert (table["value"].is_finite()).all()
    [verdict, *_] = load_verdicts((run.directory / run_directory.VERDICTS).read_text(encoding="utf-8"))
    assert "a few steps" in verdict.statement
    assert "cnn2d" in verdict.statement
