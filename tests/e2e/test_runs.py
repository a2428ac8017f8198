"""A small run and what can happen to it: lost and damaged files, more seeds, sweeps, two at once, an odd place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.places import Place, Run, run_in, without_what_is_beforehand

from expzoo.store import records, run_directory

PRUNING = "analysis.iterative_pruning"
SMALL = (
    "population.size=2",
    "model.width=8",
    "stop.steps=10",
    "dataset.num_samples=500",
    "analysis=[iterative_pruning]",
)
WORDS = (*SMALL, f"{PRUNING}.levels=2", f"{PRUNING}.decide_at=0.3")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two seeds, dense and pruned twice."""
    return run_in(Place(tmp_path_factory.mktemp("small")), *WORDS)


def test_lost_and_damaged_files_are_said_and_made_again_without_training(small: Run) -> None:
    before, total = small.contents(), small.manifest["networks"]["trained"]
    lost, damaged = small.directory / "figures" / "verdicts.svg", small.directory / run_directory.VERDICTS
    records_file = small.directory / run_directory.RECORDS
    lost.unlink()
    damaged.write_text(damaged.read_text().replace("inconclusive", "supported", 1))
    records_file.write_bytes(records_file.read_bytes()[:-1])
    assert small.place.type("verify", str(small.directory)).code == 1
    again = small.place.type(*WORDS, warm=True)
    assert (again.code, again.out) == (0, small.ended.out)
    said = again.err.splitlines()
    assert [line for line in said if str(lost) in line and "missing" in line]
    assert [line for line in said if str(damaged) in line and "checksum" in line]
    assert [line for line in said if str(records_file) in line and "checksum" in line]
    assert small.contents() == before
    counts = small.manifest["networks"]
    assert (counts["trained"], counts["cached"]) == (0, total)
    assert small.place.type("verify", str(small.directory)).code == 0


def test_a_page_that_is_cut_short_is_said_and_made_again(small: Run) -> None:
    page = small.directory / run_directory.REPORT
    page.write_bytes(page.read_bytes()[:1000])
    again = small.place.type(*WORDS, warm=True)
    assert again.code == 0
    assert str(page) in again.err
    assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_more_seeds_train_only_the_new_ones(small: Run) -> None:
    before = small.place.files("outputs/store")
    larger = run_in(small.place, *WORDS, "population.size=3", warm=True)
    counts = larger.manifest["networks"]
    assert counts["cached"] == len(before)
    assert counts["trained"] == len(before) / 2
    after = small.place.files("outputs/store")
    assert {path: after[path] for path in before} == before
    seeds = [set(records.read(run.directory / run_directory.RECORDS)["seed"]) for run in (small, larger)]
    assert seeds[0] < seeds[1]


def test_a_dry_run_counts_and_writes_nothing(small: Run, tmp_path: Path) -> None:
    place = Place(tmp_path / "fresh", warm=True)
    fresh = place.type(*WORDS, "dry_run=true")
    assert (fresh.code, fresh.err) == (0, "")
    words = without_what_is_beforehand(fresh.out).split()
    total = int(words[1])
    assert total == len(set(records.read(small.directory / run_directory.RECORDS)["key"]))
    assert words[:6] == ["networks", str(total), "cached", "0", "missing", str(total)]
    assert "estimated time" in fresh.out
    assert sorted(path.name for path in place.folder.iterdir()) == [".git", "home"]
    before = small.place.files()
    known = small.place.type(*WORDS, "dry_run=true")
    assert without_what_is_beforehand(known.out).split() == [
        "networks",
        str(total),
        "cached",
        str(total),
        "missing",
        "0",
    ]
    assert small.place.files() == before


def test_a_sweep_gives_each_job_its_directory(tmp_path: Path) -> None:
    place = Place(tmp_path / "sweep", warm=True)
    quick = ("population.size=2", "stop.steps=5", "dataset.num_samples=200")
    ended = place.type("-m", *quick, "model.width=8,16")
    assert (ended.code, ended.err) == (0, "")
    runs = sorted(path.parent for path in (place.folder / "outputs" / "custom").glob("*/manifest.json"))
    configs = [yaml.safe_load((run / run_directory.CONFIG).read_bytes()) for run in runs]
    assert sorted(config["model"]["width"] for config in configs) == [8, 16]
    assert [run_directory.damaged(run, run_directory.require(run)) for run in runs] == [[], []]
    before = place.files()
    assert place.type("-m", *quick, "model.width=16,8").code == 0
    assert place.files() == before
    assert place.type(*quick, "model.width=16").code == 0  # alone it is drawn, and nothing is trained
    assert set(place.files("outputs/store")) == {path for path in before if "store" in path.parts}

    compared = place.type("compare", *map(str, runs))
    assert compared.code == 0
    assert "model.width: " in compared.out
    assert "population.size" not in compared.out


def test_one_command_typed_twice_at_once(small: Run, tmp_path: Path) -> None:
    place = Place(tmp_path / "together")
    processes = [place.start(*WORDS) for _ in range(2)]
    said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert said == [b"", b""]
    [directory] = (place.folder / "outputs" / "custom").iterdir()
    assert Run(place, directory, WORDS, small.ended).contents() == small.contents()
    assert run_directory.damaged(directory, run_directory.require(directory)) == []
    assert not [path for path in place.files() if path.name.startswith(".")]


@pytest.mark.check("D13")
def test_a_run_is_made_again_by_its_verb(small: Run) -> None:
    before = small.place.files()
    again = small.place.type("rerun", str(small.directory), warm=True)
    assert (again.code, again.err) == (0, "")
    assert "equal records" in again.out
    assert small.place.files() == before
    rendered = small.place.type("report", str(small.directory))
    assert rendered.code == 0
    assert small.place.files().keys() == before.keys()
    stored = small.place.type("store", "outputs/store")
    assert stored.code == 0
    assert ", 0 corrupted" in stored.out


@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}])
def test_a_place_whose_name_the_terminal_cannot_show(tmp_path: Path, locale: dict[str, str]) -> None:
    place = Place(
        tmp_path / "\N{GREEK SMALL LETTER OMEGA} \N{CJK UNIFIED IDEOGRAPH-7A7A}", {"PYTHONCOERCECLOCALE": "0"} | locale
    )
    ended = place.type("population.size=2", "stop.steps=5", "dataset.num_samples=200", "model.width=8")
    assert ended.code == 0, ended.err
    assert ended.err == ""
    assert "report.html" in ended.out
