"""The gallery as a user makes it: experiments run, typed again nothing trained, and a site that a browser searches."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from tests.places import Place

WORDS = ("gallery", "--budget", "smoke", "--only", "double_descent_rff", "--processes", "1")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("gallery"))
    ended = made.type(*WORDS)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[0].startswith("[1/1] double_descent_rff: ")
    assert ended.out.splitlines()[-1] == "outputs/gallery/index.html"
    return made


def test_typed_again_nothing_is_trained_and_nothing_changes(place: Place) -> None:
    before = {path: checksum for path, (_, checksum) in place.files().items()}
    again = place.type(*WORDS)
    assert (again.code, again.torch) == (0, False)
    assert {path: checksum for path, (_, checksum) in place.files().items()} == before


def test_claims_are_compared_with_what_was_published(place: Place) -> None:
    ended = place.type("verify", "--published")
    folder, first = ended.out.splitlines()[:2]
    assert folder.startswith("outputs/double_descent_rff/")
    assert first.startswith("  belkin.rff_peak_at_n: ours ")
    assert (ended.code == 1) == any(line.endswith("| outside") for line in ended.out.splitlines())


def test_a_damaged_run_is_named_and_the_others_are_told(place: Place) -> None:
    [run] = (place.folder / "outputs" / "double_descent_rff").iterdir()
    damaged = place.folder / "damaged"
    shutil.copytree(run, damaged)
    (damaged / "verdicts.json").write_text("[]")
    ended = place.type("verify", "--published", "damaged", str(run))
    assert ended.code == 2
    assert "belkin.rff_peak_at_n: ours " in ended.out
    assert "damaged/verdicts.json" in ended.err


def test_one_without_a_result_says_why(place: Place) -> None:
    (place.folder / "conf" / "experiment").mkdir(parents=True)
    text = "# @package _global_\ndefaults: [override /model: cnn2d]\nabout: {title: Mine}\n"
    (place.folder / "conf" / "experiment" / "mine.yaml").write_text(text)
    ended = place.type("gallery", "--budget=smoke", "--only=mine", "--to=own", "--small")
    assert ended.code == 3
    assert "mine: " in ended.out
    assert "No result: " in (place.folder / "own" / "index.html").read_text()
    assert not (place.folder / "own" / "mine").exists()


def seen(page: Path, words: str, folder: Path) -> str:
    """The page as a browser has it once the search has these words."""
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--dump-dom"]
    address = f"{page.resolve().as_uri()}#{words}"
    return subprocess.run([*command, address], capture_output=True, text=True, check=True, timeout=300).stdout


@pytest.mark.slow
def test_a_browser_searches_it_from_a_folder(place: Place, tmp_path: Path, not_run: Callable[[str], NoReturn]) -> None:
    if CHROMIUM is None:
        not_run("needs Chromium")
    page = place.folder / "outputs" / "gallery" / "index.html"
    assert "4 claims</span>" in seen(page, "", tmp_path / "a")
    assert "1 claim</span>" in seen(page, "wrong%20predictions", tmp_path / "b")
    assert "4 claims</span>" in seen(page, "experiment-double_descent_rff", tmp_path / "e")
    assert "0 claims</span>" in seen(page, "100%", tmp_path / "f")
    assert "0 claims</span>" in seen(page, "of%20no%20claim", tmp_path / "c")
    report = seen(page.parent / "double_descent_rff" / "index.html", "", tmp_path / "d")
    assert '<html lang="en" class="live">' in report
