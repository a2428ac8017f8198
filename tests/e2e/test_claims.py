"""Claims in a directory of one's own: what is run, repeated, changed, made again, checked and compared."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TEXT = """# @package _global_
defaults: [override /dataset: mnist1d, override /model: mlp, override /analysis: [contrast]]
about: {title: Wide networks, question: "Are wide networks more accurate?"}
population: {size: 3}
stop: {steps: 20}
analysis:
  contrast:
    every: 10
    arms:
      narrow: {model.width: 4}
      wide: {model.width: 40}
      ticket:
        model.width: 40
        repeat: {from: wide, times: 2}
        mask: {magnitude: {of: previous, keep: 0.7}}
        init: {rewind: {of: wide, step: 0}}
    cross: {view: {plain: {}, shuffled: {dataset.view: shuffled}}}
    measure: {score: score/test, wait: steps to loss/train <= 2.2}
    claims:
      zoo.wider_is_better: {greater: [wide, narrow], by: 5, at: {view: plain}}
      zoo.everywhere: {less: [wide, narrow], of: wait, for_each: view}
      zoo.ticket: {difference_of: [[ticket.plain, wide.plain], [ticket.shuffled, wide.shuffled]], greater: 0}
"""


@dataclass
class Place:
    """A directory with one experiment, called mine, in which commands are typed."""

    folder: Path
    type: Callable[..., Any]

    def write(self, text: str, name: str = "mine") -> None:
        file = self.folder / "conf" / "experiment" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, *words: str, name: str = "mine") -> tuple[Path, dict[str, Any]]:
        """The new directory of a run, and its manifest."""
        before = {*self.runs()}
        ended = self.type(f"+experiment={name}", "budget=smoke", *words)
        assert ended.code == 0, ended.err
        [directory] = {*self.runs()} - before
        return directory, json.loads((directory / "manifest.json").read_text())

    def runs(self) -> list[Path]:
        return [file.parent for file in self.folder.rglob("manifest.json")]

    def networks(self) -> set[Path]:
        return {*self.folder.rglob("network.safetensors")}


@pytest.fixture
def place(command_line: Any, tmp_path: Path) -> Place:
    folder = tmp_path / "here"
    folder.mkdir()
    place = Place(folder, lambda *words: command_line.type(*words, folder=folder))
    place.write(TEXT)
    return place


def results(directory: Path) -> dict[str, str]:
    """What a run measured, judged and drew, by file."""
    files = [*directory.glob("records.parquet"), *directory.glob("verdicts.json"), *directory.rglob("*.csv")]
    assert len(files) > 1
    return {str(file.relative_to(directory)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_claim_of_ones_own_lives_the_life_of_every_run(place: Place, command_line: Any, tmp_path: Path) -> None:
    directory, _ = place.run()
    verdicts = {verdict["claim"]: verdict for verdict in json.loads((directory / "verdicts.json").read_text())}
    assert [*verdicts] == [
        "zoo.wider_is_better",
        "zoo.everywhere.view_plain",
        "zoo.everywhere.view_shuffled",
        "zoo.ticket",
    ]
    trained = place.networks()

    # Again elsewhere: the same bytes.
    other = Place(tmp_path / "other", lambda *words: command_line.type(*words, folder=tmp_path / "other"))
    other.folder.mkdir()
    other.write(TEXT)
    again, _ = other.run()
    assert (again.name, results(again)) == (directory.name, results(directory))

    # Another claim: another run, which trains nothing.
    place.write(TEXT.replace("by: 5", "by: 6"), "changed")
    changed, manifest = place.run(name="changed")
    assert changed.name != directory.name
    assert manifest["networks"]["trained"] == 0
    assert place.networks() == trained

    # What was looked at since then changes nothing: made again in a store that has more looks.
    place.write(TEXT.replace("every: 10", "every: 1"), "finer")
    place.run(name="finer")
    assert place.type("rerun", str(directory)).code == 0
    assert results(directory) == results(again)
    assert place.type("verify", str(directory)).code == 0
    compared = place.type("compare", str(directory), str(changed))
    assert compared.code == 0
    assert any("by" in line for line in compared.out)


@pytest.mark.slow
def test_a_command_line_changes_arms_and_claims(place: Place) -> None:
    simple = re.sub(r"      ticket:\n(        .*\n)+|      zoo.ticket.*\n", "", TEXT)
    place.write(simple)
    typed = ("analysis.contrast.claims.zoo.wider_is_better.by=3", "analysis.contrast.arms.wide.model.width=30")
    first, _ = place.run(*typed, "analysis.contrast.arms.narrow.optimizer.lr=0.02")
    for file, value in (("by: 5", "by: 3"), ("width: 40", "width: 30"), ("width: 4}", "width: 4, optimizer.lr: 0.02}")):
        simple = simple.replace(file, value)
    place.write(simple, "written")
    trained = place.networks()
    second, _ = place.run(name="written")
    assert place.networks() == trained
    assert results(second) == results(first)
    [verdict, *_] = json.loads((first / "verdicts.json").read_text())
    assert verdict["smallest_effect"] == 3
    assert place.type("rerun", str(first)).code == 0
    assert place.type("verify", str(first)).code == 0


@pytest.mark.slow
def test_several_runs_at_once(place: Place) -> None:
    place.write(
        TEXT.replace("wide: {model.width: 40}", "wide: {model.width: x3}").replace("model.width: 40", "model.width: x3")
    )
    ended = place.type("-m", "+experiment=mine", "budget=smoke", "model.width=5,9", "population.size=2", "stop.steps=5")
    assert ended.code == 0, ended.err
    assert len(place.runs()) == 2
    of_each_width = 2 * (2 + 4 + 1)  # for 2 seeds: wide and two levels of tickets in 2 views, and wide again
    narrow = 2 * (2 + 1)  # the same for both widths
    assert len(place.networks()) == 2 * of_each_width + narrow
