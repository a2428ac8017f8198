"""Every analysis with data and models of all sorts: docs/FITS.md is what is so, and what it says runs does run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from tests import fits
from tests.image_archives import stand_in

from expzoo.analysis.studies.memory_splits import num_parameters
from expzoo.config import registry
from expzoo.config.check import resolved
from expzoo.runs import experiment
from expzoo.science.verdicts import read_verdicts
from expzoo.spec.component import Component
from expzoo.store import run_directory

RUNNING = [place for place in fits.cells() if fits.in_page(*place)]
ELSEWHERE = {"cost_of_determinism", "rerun_training"}  # train in processes that know nothing of the small files
TRAINED = [place for place in RUNNING if not (place[0] in ELSEWHERE and place[1] == "cifar10")]


@pytest.fixture(scope="module", autouse=True)
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Small files in the format of CIFAR-10."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        stand_in("cifar10", tmp_path_factory.mktemp("data"), monkeypatch)
        yield


def test_the_table_is_what_is_so() -> None:
    told = fits.page(fits.all_cells())
    assert fits.PAGE.read_text() == told, "python -m tests.fits writes it anew"


def test_every_analysis_runs_somewhere() -> None:
    """But for those that need a dataset that is in no column."""
    assert {name for name, *_ in RUNNING} | {"minefield", "two_patterns"} == {*registry.available("analysis")}
    assert len(RUNNING) > 100


@pytest.mark.parametrize("name", [name for name in registry.available("model") if registry.load("model", name).SIZE])
def test_a_model_grows_with_its_size(name: str) -> None:
    reads = registry.load("model", name).READS
    shape = {"sequence": (40,), "board": (1, 8, 8)}.get(reads[0] if reads else "", (3, 32, 32))
    option, model = registry.load("model", name).SIZE, Component.of("model", name)
    outputs = 64 if reads == ("board",) else 10
    counts = [num_parameters(model.replace(**{option: size}), shape, outputs) for size in (8, 16, 32)]
    assert counts == sorted({*counts})


@pytest.mark.slow
@pytest.mark.parametrize("place", TRAINED, ids="-".join)
def test_what_runs_is_trained_judged_and_drawn(place: tuple[str, str, str], tmp_path: Path) -> None:
    config = resolved([*fits.words(*place), f"store={tmp_path}/store", "logger=csv"])
    assert experiment.run(config, tmp_path / "run", []) == 0
    found = run_directory.require(tmp_path / "run")
    assert not found.get("left_out")
    assert len(pl.read_parquet(tmp_path / "run" / run_directory.RECORDS))
    verdicts = read_verdicts(tmp_path / "run" / run_directory.VERDICTS)
    assert verdicts or place[0] == "learning_curves"
    assert list((tmp_path / "run" / run_directory.FIGURES).glob("*.svg"))
