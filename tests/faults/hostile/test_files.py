"""What strangers put into runs, sweeps and stores is data to every verb: nothing of it runs, steers or costs much.

The whole is slow; every tenth of it is quick.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.hostile.files_corpus import corpus
from tests.faults.hostile.files_place import SECRET, Place, clear, put
from tests.faults.hostile.files_stores import REFUSED, STORES, SWEEPS, WHOLE
from tests.faults.hostile.files_watch import SENTINEL, Answer, Watched, watched

from expzoo.system.console import STEERS

SMALL = ("population.size=2", "model.width=4", "stop.steps=4", "dataset.num_samples=200", "analysis=[learning_curves]")
FILES = corpus()


def cases(names: Iterable[str]) -> list[Any]:
    """All of them, nine of ten of which are slow."""
    return [pytest.param(name, marks=[pytest.mark.slow] if i % 10 else []) for i, name in enumerate(names)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    scratch = tmp_path_factory.mktemp("scratch")
    home = {"HOME": str(scratch), "EXPZOO_PLUGINS": ""}
    with watched(scratch, dict(os.environ) | home) as found:
        yield found


@pytest.fixture(scope="module")
def genuine(server: Watched, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two finished runs and their store."""
    top = tmp_path_factory.mktemp("genuine")
    root = top / "root"
    root.mkdir()
    runs = []
    for words in (SMALL, (*SMALL, "seed=1")):
        answer = server.type(root, *words)
        assert (answer.code, answer.err, answer.notes) == (0, "", [])
        runs += [path for path in (root / "outputs" / "custom").iterdir() if path not in runs]
    return Place(root, runs[0], root / "outputs" / "store", runs[1], top / "outside")


@pytest.fixture
def place(genuine: Place, tmp_path: Path) -> Place:
    """A copy that shares every file until one is put in its place."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    shutil.copytree(genuine.root, root, copy_function=os.link)
    put(outside / "secret", SECRET)
    put(outside / "secret.svg", SECRET)
    custom = root / "outputs" / "custom"
    return Place(root, custom / genuine.run.name, root / "outputs" / "store", custom / genuine.other.name, outside)


def answered(place: Place, answer: Answer) -> Answer:
    """The answer, of which nothing is wrong: it is a fault said in few plain lines, or none."""
    lines = answer.err.splitlines()
    assert answer.notes == []
    assert answer.code in (0, 1, 2), (answer.code, lines[-5:])
    assert "Traceback" not in answer.err, answer.err
    assert len(lines) <= 12
    assert max(map(len, lines), default=0) < 3000
    assert not STEERS.search(answer.err + answer.out)
    assert (answer.code == 0) or lines
    assert SECRET not in answer.out + answer.err
    for folder in (place.root, place.outside.parent):
        assert not list(folder.rglob(SENTINEL))
    return answer


def plain_page(page: Path) -> None:
    """Whether a page, if there is one, shows nothing that acts, and nothing that was kept from it."""
    if not page.is_file() or page.is_symlink():
        return
    text = page.read_text("utf-8")
    assert SECRET not in text
    assert len(re.findall("<script", text)) == 1
    assert not re.search(
        r"<[^>]*\son\w+\s*=|javascript:|file:|http://127", text.partition("<script>")[0].replace("&lt;", "")
    )
    assert not STEERS.search(text)


@pytest.mark.parametrize("verb", ["report", "verify", "compare", "rerun", "again"])
def test_genuine_runs_have_no_fault(server: Watched, place: Place, verb: str) -> None:
    words = {"compare": ("compare", str(place.run), str(place.other)), "again": SMALL}.get(verb, (verb, str(place.run)))
    answer = answered(place, server.type(place.root, *words))
    assert (answer.code, answer.err) == (0, "")
    plain_page(place.run / "report.html")


@pytest.mark.parametrize("name", cases(FILES))
@pytest.mark.check("S2")
def test_a_run_that_a_stranger_made(server: Watched, place: Place, name: str) -> None:
    FILES[name](place)
    own, damaged = name.partition(" ")[0], ":" not in name
    kept = {path: path.read_bytes() for path in place.outside.rglob("*") if path.is_file()}
    verified = answered(place, server.type(place.root, "verify", str(place.run)))
    compared = answered(place, server.type(place.root, "compare", str(place.run), str(place.other)))
    trained = damaged or own in ("config:", "manifest:", "records:")  # what else there is, rerun does not look at
    rerun = answered(place, server.type(place.root, "rerun", str(place.run))) if trained else verified
    swept = answered(place, server.type(place.root, "report", "outputs/custom"))
    plain_page(place.root / "outputs" / "custom" / "report.html")
    reported = answered(place, server.type(place.root, "report", str(place.run)))
    plain_page(place.run / "report.html")
    if damaged:
        assert verified.code == (2 if own == "manifest.json" else 1)
        assert compared.code == rerun.code == 2
        assert (reported.code == 0) == (own == "report.html" and not name.endswith("a folder"))
        assert (swept.code == 0) == (own == "report.html")
    answered(place, server.type(place.root, *SMALL))
    plain_page(place.run / "report.html")
    assert {path: path.read_bytes() for path in place.outside.rglob("*") if path.is_file()} == kept


@pytest.mark.parametrize("name", cases(STORES))
@pytest.mark.check("S2", "S14")
def test_a_store_that_a_stranger_made(server: Watched, place: Place, name: str) -> None:
    STORES[name](place)
    said = answered(place, server.type(place.root, "store", str(place.store)))
    assert said.code == (name not in WHOLE), said
    kept = {path: path.read_bytes() for path in place.outside.rglob("*") if path.is_file()}
    clear(place.run)
    expected = 2 if name in REFUSED else 0
    assert answered(place, server.type(place.root, *SMALL)).code == expected
    assert answered(place, server.type(place.root, "verify", str(place.run))).code == expected
    assert {path: path.read_bytes() for path in place.outside.rglob("*") if path.is_file()} == kept


@pytest.mark.parametrize("name", cases(SWEEPS))
@pytest.mark.check("S2")
def test_a_sweep_that_a_stranger_recorded(server: Watched, place: Place, name: str) -> None:
    path, content = place.root / "outputs" / "custom" / "sweeps" / "0123" / "sweep.json", SWEEPS[name]
    put(path, b"")
    if callable(content):
        content(path)
    else:
        text = content if isinstance(content, str) else content.decode("latin-1")
        named = text.replace("{run}", place.run.name).replace("{other}", place.other.name)
        put(path, named if isinstance(content, str) else content)
    answer = answered(place, server.type(place.root, "report", str(path.parent)))
    assert (answer.code == 0) == (name == "genuine"), answer
    plain_page(path.parent / "report.html")


@pytest.mark.parametrize("verb", ["show", "list", "store", "report", "verify", "compare", "rerun", "audit", "surface"])
@pytest.mark.check("S9")
def test_words_that_steer_are_shown_by_their_numbers(server: Watched, place: Place, verb: str) -> None:
    words = ("\x1b[2J\u202ename",) * (2 if verb == "compare" else 1)
    assert answered(place, server.type(place.root, verb, *words)).code == 2


def test_the_corpus_is_large_and_a_tenth_of_it_quick() -> None:
    kinds: list[Callable[..., object] | str | bytes] = [*FILES.values(), *STORES.values(), *SWEEPS.values()]
    assert len(kinds) > 170
    assert sum(not one.marks for one in cases(FILES)) >= len(FILES) // 10
