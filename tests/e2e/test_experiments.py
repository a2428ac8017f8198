"""Every experiment as a user types it, in a process of its own, at its smallest budget: once, again, and elsewhere."""

from __future__ import annotations

import json
import os
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.places import CANARY, Place, Run, run_in, without_what_is_beforehand

from expzoo.science.verdicts import load_verdicts
from expzoo.store import records, run_directory

EXPERIMENTS = sorted(path.stem for path in (Path(__file__).parents[2] / "conf" / "experiment").glob("*.yaml"))
DOWNLOADED = re.compile(r"_(cifar\d+|mnist)$")  # a variant on files that no test fetches is only composed
SISTERS = [
    *("life_density", "life_depth", "life_many_steps", "life_minimal", "life_pruning", "life_width"),
    *("local_and_attention", "pooling", "random_labels"),
    *("batch_growth", "batch_size", "batch_size_tuned", "gd_and_sgd", "gd_in_wide_networks", "lr_over_batch"),
    *("gradient_subspace", "hessian_spectrum", "hessian_spectrum_blobs", "minefield_swiss_roll"),
    *("epochs_and_samples", "wider_is_better"),
]
"""Those of which another experiment has all analyses (life_steps, spatial_priors, large_learning_rate, gd_by_width,
hessian_spectrum_batches, minefield, ensemble_saturation).

Among the quick tests they are only planned, for which all is built and their networks are trained for a few steps.
"""

RUN = [
    pytest.param(name, marks=[pytest.mark.slow] if name.endswith("_textures") or name in SISTERS else [])
    for name in EXPERIMENTS
    if not DOWNLOADED.search(name)
]
FIRST = "lottery_ticket"


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """The run of an experiment, made when it is first asked for."""
    made: dict[str, Run] = {}

    def run(experiment: str) -> Run:
        if experiment not in made:
            place = Place(tmp_path_factory.mktemp(experiment))
            words = (f"+experiment={experiment}", "budget=smoke")
            made[experiment] = run_in(place, *words, warm=experiment != FIRST)
        return made[experiment]

    return run


each_experiment = pytest.mark.parametrize("experiment", RUN)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_its_config_is_composed(command_line: Any, tmp_path: Path, experiment: str) -> None:
    for budget in ("smoke", "laptop", "paper"):
        words = (f"+experiment={experiment}", f"budget={budget}", "--cfg", "job", "--resolve")
        ended = command_line.type(*words, folder=tmp_path)
        assert (ended.code, ended.err, ended.torch) == (0, [], False)
        assert f"budget: {budget}" in ended.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("experiment", SISTERS)
def test_its_networks_are_planned(command_line: Any, tmp_path: Path, experiment: str) -> None:
    ended = command_line.type(f"+experiment={experiment}", "budget=smoke", "dry_run=true", folder=tmp_path)
    assert (ended.code, ended.err) == (0, [])
    assert [int(line.split()[-1]) > 0 for line in ended.out if line.startswith(("networks", "missing"))] == [True] * 2


@each_experiment
def test_a_run_leaves_everything(run_of: Callable[[str], Run], experiment: str) -> None:
    run = run_of(experiment)
    names = {
        run_directory.CONFIG,
        run_directory.ENVIRONMENT,
        run_directory.MANIFEST,
        run_directory.RECORDS,
        run_directory.ARRAYS,
        run_directory.VERDICTS,
    }
    assert names | {run_directory.REPORT, run_directory.FIGURES} <= {path.name for path in run.directory.iterdir()}
    assert run_directory.damaged(run.directory, run.manifest) == []
    assert {str(p.relative_to(run.directory)) for p in run.directory.glob("figures/*")} <= run.manifest["files"].keys()
    table = records.read(run.directory / run_directory.RECORDS)
    assert list(records.COLUMNS) == table.columns[: len(records.COLUMNS)]
    assert len(table) > 0
    verdicts = load_verdicts((run.directory / run_directory.VERDICTS).read_text(encoding="utf-8"))
    assert len(verdicts) > 0
    assert all(verdict.statement and verdict.source for verdict in verdicts)
    # Claims of networks that succeed, or of minima that are bad, of which a few steps give none.
    may_be_of_none = experiment in ("life_path", "minefield")
    assert all(verdict.n > 0 or (may_be_of_none and "n = 0" in verdict.note) for verdict in verdicts)
    assert len({verdict.claim for verdict in verdicts}) == len(verdicts)
    squeezed = re.sub(r"\s", "", run.ended.out)
    assert str(run.directory / run_directory.REPORT) in run.ended.out
    assert squeezed.count("inconclusive") >= sum(verdict.verdict == "inconclusive" for verdict in verdicts)
    assert run.ended.err == ""
    pictures = json.loads((run.directory / "figures" / "figures.json").read_bytes())
    assert len(pictures) > 0
    for picture in pictures:
        file = run.directory / "figures" / picture["name"]
        assert file.with_suffix(".png").read_bytes().startswith(b"\x89PNG\r\n")
        assert ET.parse(file.with_suffix(".svg")).getroot().tag.endswith("svg")
        assert len(file.with_suffix(".csv").read_text(encoding="utf-8").splitlines()) > 1


@each_experiment
@pytest.mark.check("S5", "S10", "S13")
def test_a_run_fetches_nothing_unpickles_nothing_and_keeps_secrets(
    run_of: Callable[[str], Run], experiment: str
) -> None:
    run = run_of(experiment)
    assert run.ended.events == ()
    leaks = [
        path
        for path in (run.place.folder / "outputs").rglob("*")
        if path.is_file() and CANARY.encode() in path.read_bytes()
    ]
    assert leaks == []


class Addresses(HTMLParser):
    """Every address that a page would fetch, and every address that a reader could follow."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fetched: list[str] = re.findall(r"(?:url\(\s*['\"]?|@import\s+['\"]?)([^'\")\s]+)", page)
        self.followed: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "srcset", "href", "xlink:href", "action", "poster", "data", "background", "formaction"):
                (self.followed if tag == "a" else self.fetched).append(value or "")


@each_experiment
def test_its_report_is_one_file(run_of: Callable[[str], Run], experiment: str) -> None:
    run = run_of(experiment)
    page = (run.directory / run_directory.REPORT).read_text(encoding="utf-8")
    addresses = Addresses(page)
    assert [address for address in addresses.fetched if not address.startswith(("data:", "#"))] == []
    own = [address for address in addresses.followed if not address.startswith(("data:", "#", "https://"))]
    assert [address for address in own if not (run.directory / address).is_file()] == []
    for verdict in load_verdicts((run.directory / run_directory.VERDICTS).read_text(encoding="utf-8")):
        assert verdict.claim in page


@each_experiment
@pytest.mark.check("R10", "R21")
def test_typed_again_it_is_finished(run_of: Callable[[str], Run], experiment: str) -> None:
    run = run_of(experiment)
    for path in run.place.files():
        os.utime(path, (time.time() + 86_400,) * 2)  # the clock was wrong by a day
    before = run.place.files()
    again = run.place.type(*run.words)
    assert (again.code, again.out, again.err, again.torch) == (0, without_what_is_beforehand(run.ended.out), "", False)
    assert run.place.files() == before


@pytest.mark.check("D1", "R21")
def test_elsewhere_it_ends_with_the_same_bytes(run_of: Callable[[str], Run], tmp_path: Path) -> None:
    first = run_of(FIRST)
    folder = tmp_path / ("f\N{LATIN SMALL LETTER U WITH DIAERESIS}r \N{CJK UNIFIED IDEOGRAPH-7A7A}'s " + "x" * 180)
    other = {"TZ": "Asia/Kolkata", "LANG": "tr_TR.UTF-8", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "77"}
    place = Place(folder, other | {"OMP_NUM_THREADS": "2", "TMPDIR": str(tmp_path)})
    words = (*first.words, "store='a store'", "hydra.run.dir='my own place'")
    ended = place.type(*words)
    assert ended.code == 0, ended.err
    assert ended.err == ""
    run = Run(place, folder / "my own place", words, ended)
    contents, as_first = run.contents(), first.contents()
    assert contents | {"environment.json": ""} == as_first | {"environment.json": ""}
    described = [json.loads((one.directory / "environment.json").read_bytes()) for one in (run, first)]
    assert [one.pop("variables").get("OMP_NUM_THREADS") for one in described] != ["2", "2"]
    assert described[0] == described[1]
    stores = [files.files(below) for files, below in ((first.place, "outputs/store"), (place, "a store"))]
    sums = [{checksum for _, checksum in files.values()} for files in stores]
    assert sums[1] <= sums[0]
    again = place.type(*words)
    assert (again.code, again.out, again.torch) == (0, without_what_is_beforehand(ended.out), False)
