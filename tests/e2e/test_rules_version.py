"""A finished run whose decision rules have changed is judged again from its records, and nothing is trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.places import Ended, Place

from expzoo.config.versions import RULES_VERSION

ANALYSIS = '''
from expzoo.study import Claim, arms, no_interval, records, register, paired

CLAIM = Claim(name="mine.wider", statement="Wider is better by {smallest}.", source="x", published="", unit="points",
              smallest_effect={smallest}, direction="greater", rule="paired t")

@register
class Wider:
    """Two widths."""
    RULES_VERSION = {version}
    def measure(self, setting):
        return arms.measure(setting, {{"wide": {{"model": {{"width": 24}}}}, "narrow": {{"model": {{"width": 2}}}}}})
    def judge(self, table, arrays):
        return [paired(CLAIM, records.by_seed(table, arm="wide"), records.by_seed(table, arm="narrow"))]
    def draw(self, table, arrays):
        return [arms.bars(table, "Two widths")]
'''
WORDS = ("analysis=[wider]", "stop.steps=40", "population.size=3", "budget=smoke", "dataset.num_samples=500")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, warm=True)


def judged(place: Place, *, version: int, smallest: float, words: tuple[str, ...] = WORDS) -> Ended:
    """What the command does with decision rules of this version, whose smallest effect is this."""
    file = place.folder / "plugins" / "analyses" / "wider.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(ANALYSIS.format(version=version, smallest=smallest))
    ended = place.type(*words)
    assert ended.code == 0, ended.err
    return ended


def statement(directory: Path) -> str:
    """What the one claim of a run says."""
    [verdict] = json.loads((directory / "verdicts.json").read_bytes())
    return verdict["statement"]


def runs(place: Place) -> dict[Path, str]:
    """What was judged, by directory of a run."""
    return {path.parent: statement(path.parent) for path in (place.folder / "outputs/custom").glob("*/verdicts.json")}


def test_it_is_judged_and_drawn_again_and_the_earlier_run_stays(place: Place) -> None:
    judged(place, version=1, smallest=0.0)
    [(earlier, said)] = runs(place).items()
    before = place.files("outputs/custom")
    shutil.rmtree(place.folder / "outputs" / "store")

    again = judged(place, version=2, smallest=1000.0)
    assert f"outputs/custom/{earlier.name}: its decision rules have changed" in again.err
    assert "nothing is trained" in again.err
    assert not (place.folder / "outputs" / "store").exists()
    now = runs(place)
    [new] = set(now) - {earlier}
    assert (now[earlier], now[new]) == (said, "Wider is better by 1000.0.")
    assert {path: seen for path, seen in place.files("outputs/custom").items() if earlier in path.parents} == before
    assert (new / "records.parquet").read_bytes() == (earlier / "records.parquet").read_bytes()
    manifest = json.loads((new / "manifest.json").read_bytes())
    assert manifest["rules"] == {"analysis=wider": 2, "shared": RULES_VERSION}
    assert manifest["networks"] == json.loads((earlier / "manifest.json").read_bytes())["networks"]
    assert "Wider is better by 1000.0." in (new / "report.html").read_text("utf-8")
    assert place.type("verify", str(new)).code == 0

    third = place.type(*WORDS, warm=False)
    assert (third.code, third.err, third.torch) == (0, "", False)
    assert runs(place) == now


def test_a_directory_that_was_chosen_is_judged_again_in_place(place: Place) -> None:
    words = (*WORDS, "hydra.run.dir=chosen")
    judged(place, version=1, smallest=0.0, words=words)
    records = (place.folder / "chosen" / "records.parquet").read_bytes()
    shutil.rmtree(place.folder / "outputs" / "store")
    judged(place, version=3, smallest=1000.0, words=words)
    assert statement(place.folder / "chosen") == "Wider is better by 1000.0."
    assert (place.folder / "chosen" / "records.parquet").read_bytes() == records
    assert not (place.folder / "outputs" / "store").exists()


def test_jobs_of_a_multirun_are_judged_again_too(place: Place) -> None:
    words = ("-m", *WORDS, "seed=0,1")
    judged(place, version=1, smallest=0.0, words=words)
    shutil.rmtree(place.folder / "outputs" / "store")
    judged(place, version=2, smallest=1000.0, words=words)
    assert sorted(runs(place).values()) == ["Wider is better by 0.0."] * 2 + ["Wider is better by 1000.0."] * 2
    assert not (place.folder / "outputs" / "store").exists()
