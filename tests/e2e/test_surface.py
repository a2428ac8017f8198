"""`expzoo surface RUN`: two pictures of a network of a finished run, and what is refused."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import expzoo
from expzoo.cli import commands
from expzoo.store import run_directory
from expzoo.system.errors import BadInput

SMALL = ("dataset.num_samples=300", "model.width=6", "stop.steps=30", "population.size=2")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, and its store beside it."""
    folder = tmp_path_factory.mktemp("surface")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder / expzoo.run(expzoo.compose(*SMALL, f"store={folder}/store")).directory


def test_both_pictures_are_drawn_and_the_run_stays_as_it_was(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main("surface", [str(run)]) == 0
    said, *files = capsys.readouterr().out.splitlines()
    assert "% of the variance of 31 checkpoints" in said
    assert {Path(file).name for file in files} >= {"trajectory.png", "trajectory.svg", "random.png", "random.csv"}
    for file in map(Path, files):
        if file.suffix == ".svg":
            assert ET.parse(file).getroot().tag.endswith("svg")
    table = pl.read_csv(next(file for file in files if file.endswith("random.csv")))
    assert table.columns == ["x", "y", "loss"]
    assert table.filter((pl.col("x") == 0) & (pl.col("y") == 0))["loss"][0] < table["loss"].max()
    assert run_directory.damaged(run, run_directory.require(run)) == []


def test_another_network_is_chosen_by_its_key(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = pl.read_parquet(run / run_directory.RECORDS)["key"].unique().sort().to_list()
    for key in keys:
        assert commands.main("surface", [str(run), key[:10]]) == 0
        assert key[:12] in capsys.readouterr().out


def test_what_there_is_not_is_refused_in_one_line(run: Path, tmp_path: Path) -> None:
    said: dict[str, Any] = {}
    for words in ([str(run), "zzz"], [str(tmp_path)], [], [str(run), "a", "b"]):
        with pytest.raises(BadInput) as refused:
            commands.main("surface", words)
        said[" ".join(words)] = str(refused.value)
        assert "\n" not in str(refused.value)
    assert "the key of no network of the 2 that this run asks for first begins with zzz" in said[f"{run} zzz"]
    assert said[""] == "usage: expzoo surface DIRECTORY [KEY]"
