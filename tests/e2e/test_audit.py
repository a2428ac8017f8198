"""`expzoo audit` as a user types it: a sound plugin passes every way, and planted nondeterminism is found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.places import Place, Run, run_in

SOUND = """
from expzoo.plugin import register


@register
class Mine:
    CACHE_VERSION = 1

    def factor(self, step: int, steps: int) -> float:
        return 1.0
"""
UNSEEDED = SOUND.replace("1.0", "1 + 1e-3 * float(default_rng().random())").replace(
    "from expzoo", "from numpy.random import default_rng\n\nfrom expzoo", 1
)
SET_ORDER = SOUND.replace(
    "1.0", '1 + 1e-4 * sum(at * ord(name[1]) for at, name in enumerate({f"x{c}" for c in "abcdefghij"}))'
)
THE_TIME = SOUND.replace("1.0", "1 + time.time_ns() % 1000 / 1e6").replace(
    "from expzoo", "import time\n\nfrom expzoo", 1
)
LATE = SOUND.replace("1.0", '1.0 if step < 37 or os.environ.get("OMP_NUM_THREADS") == "1" else 1.01').replace(
    "from expzoo", "import os\n\nfrom expzoo", 1
)
WORDS = ("schedule=mine", "dataset.test_size=100", "model.width=8", "population.size=4", "stop.steps=60")


def run_with(source: str, folder: Path) -> Run:
    """A small run with a schedule of one's own."""
    place = Place(folder / "user")
    plugin = place.folder / "plugins/schedules/mine.py"
    plugin.parent.mkdir(parents=True)
    plugin.write_text(source)
    return run_in(place, *WORDS)


def audited(run: Run, *options: str) -> tuple[int, str, dict[str, object]]:
    """Exit code, what was printed, and the JSON; the store is as it was."""
    before = run.place.files("outputs/store")
    ended = run.place.type("audit", str(run.directory.relative_to(run.place.folder)), *options)
    assert ended.err == ""
    assert run.place.files("outputs/store") == before
    [report] = (run.place.folder / "outputs/audits").glob("*.json")
    text = report.with_suffix(".txt").read_text()
    assert ended.out.startswith(text)
    return ended.code, text, json.loads(report.read_bytes())


@pytest.mark.slow
@pytest.mark.check("D14", "D1")
def test_a_sound_run_its_sweep_and_its_store_pass_in_every_way(tmp_path: Path) -> None:
    run = run_with(SOUND, tmp_path)
    code, text, found = audited(run, "--fraction", "1")
    assert code == 0, text
    ways = {name: (way["equal"], way["of"]) for name, way in found["ways"].items()}
    trained = ("alone", "company", "chunks", "order", "processes", "kill", "threads")
    assert ways == {"records": (1, 1)} | dict.fromkeys(trained, (4, 4))
    assert "(3 kills)" in found["ways"]["kill"]["how"]
    for folder in ("outputs/store", "outputs/mlp"):
        ended = run.place.type("audit", folder, "--fraction=0.25", "--seed=3")
        assert (ended.code, ended.err) == (0, "")
        assert "1 of 4 networks" in ended.out


@pytest.mark.slow
@pytest.mark.parametrize("source", [UNSEEDED, SET_ORDER, THE_TIME], ids=["generator", "set order", "time"])
@pytest.mark.check("D14")
def test_planted_nondeterminism_is_found(source: str, tmp_path: Path) -> None:
    """Three of three: each changes the rate of the first step, so that bits part after it."""
    code, text, found = audited(run_with(source, tmp_path))
    assert code == 1, text
    difference = found["difference"]
    assert (difference["same"], difference["other"]) == (0, 1)
    assert f"DIFFERENT: network {difference['key'][:12]}" in text
    assert "schedule=mine" in text
    assert "PYTHONHASHSEED=" in text
    assert " 0/1 equal" in text


@pytest.mark.slow
def test_the_step_at_which_bits_part_is_found_and_what_differs(tmp_path: Path) -> None:
    """The plugin asks for the number of threads, late: the plainest training ends as it was stored."""
    code, text, found = audited(run_with(LATE, tmp_path), "--fraction", "0.5")
    assert code == 1, text
    assert {name: way["equal"] for name, way in found["ways"].items() if name not in ("threads", "records")} == (
        dict.fromkeys(("alone", "company", "chunks", "order", "processes", "kill"), 2)
    )
    assert found["ways"]["threads"]["equal"] == 0
    assert (found["difference"]["same"], found["difference"]["other"]) == (37, 38)
    assert "equal after step 37, not after step 38" in text
    assert "OMP_NUM_THREADS=3" in text


def test_what_cannot_be_audited_is_one_line(command_line: object, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    asked = {
        ("empty",): "empty is no run, no sweep and no store: give the directory of one",
        ("absent",): "absent is no run, no sweep and no store: give the directory of one",
        ("empty", "--fraction", "2"): "--fraction 2: it must be a number above 0 and at most 1, such as 0.1",
        ("empty", "--seed=x"): "--seed x: it must be a whole number, such as 0",
        ("empty", "--fractoin=1"): "--fractoin is no option of expzoo audit: did you mean --fraction?",
        ("empty", "--seed"): "--seed needs a value, such as 0",
        (): "expzoo audit takes one directory, not 0: usage: expzoo audit DIRECTORY [--fraction F] [--seed N]",
    }
    for words, said in asked.items():
        ended = command_line.type("audit", *words, folder=tmp_path)  # type: ignore[attr-defined]
        assert (ended.code, ended.out, ended.err) == (2, [], [said])
