"""Experiments on images: variants of those on signals, and every command that a file shows is composed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from tests.places import Place, run_in

from expzoo.config.presets import variants
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
ON_TEXTURES = sorted(path.stem for path in CONF.glob("*_textures.yaml"))
ON_PHOTOGRAPHS = sorted(path.stem for path in CONF.glob("*_cifar*.yaml"))


@pytest.mark.parametrize("name", SHOWN)
def test_a_command_that_is_shown_is_composed(command_line: Any, tmp_path: Path, name: str) -> None:
    ended = command_line.type(*SHOWN[name], "--cfg", "job", "--resolve", folder=tmp_path)
    assert (ended.code, ended.err, ended.torch) == (0, [], False)


def test_every_experiment_on_images_has_a_variant_on_textures_and_one_on_photographs() -> None:
    assert len(ON_TEXTURES) == 8
    assert {name.rpartition("_")[0] for name in ON_PHOTOGRAPHS} == {
        *(name.removesuffix("_textures") for name in ON_TEXTURES if name != "three_regimes_textures"),  # paper is on it
        "periodic_behaviour",  # which is on textures itself
    }
    for name in (*ON_TEXTURES, *ON_PHOTOGRAPHS):
        assert name in variants(name.rpartition("_")[0])


@pytest.mark.parametrize("name", ON_PHOTOGRAPHS)
def test_photographs_are_for_the_paper_budget_unless_another_is_typed(
    command_line: Any, tmp_path: Path, name: str
) -> None:
    alone = command_line.type(f"+experiment={name}", "--cfg", "job", "--resolve", folder=tmp_path)
    assert "budget: paper" in alone.out
    assert any(line.strip() in ("name: cifar10", "name: cifar100", "of: cifar10") for line in alone.out)


@pytest.mark.slow
@pytest.mark.parametrize("name", ON_TEXTURES)
def test_its_verdicts_say_what_it_is_about(tmp_path: Path, name: str) -> None:
    run = run_in(Place(tmp_path), f"+experiment={name}", "budget=smoke")
    assert run.ended.events == ()
    table = records.read(run.directory / run_directory.RECORDS)
    assert set(table["split"]) & {"test"}
    assert (table["value"].is_finite()).all()
    [verdict, *_] = load_verdicts((run.directory / run_directory.VERDICTS).read_text(encoding="utf-8"))
    assert "a few steps" in verdict.statement
    assert "cnn2d" in verdict.statement
