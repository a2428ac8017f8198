"""Plugins of one's own are edited and the command is typed again: nothing that is shown is of the earlier source."""

from __future__ import annotations

import json
from pathlib import Path

from tests.places import Place, run_in

from expzoo.store import records

MODEL = """
from torch import nn

from expzoo.plugin import register
from layers_of_mine import Between


@register
class Droppy(nn.Sequential):
    def __init__(self, inputs, outputs) -> None:
        super().__init__(nn.Flatten(), nn.Linear(40, 8), Between(), nn.Linear(8, outputs))
"""
WORDS = ("model=droppy", "dataset.test_size=100", "population.size=2", "stop.steps=5")


def networks(place: Place) -> int:
    return len([*(place.folder / "outputs" / "store").rglob("*.safetensors")])


def test_an_edited_source_is_trained_again_and_a_comment_is_not(tmp_path: Path) -> None:
    place = Place(tmp_path / "user")
    helper, model = (place.folder / name for name in ("layers_of_mine.py", "plugins/models/droppy.py"))
    model.parent.mkdir(parents=True)
    model.write_text(MODEL)
    helper.write_text("from torch.nn import ReLU as Between\n")
    first = run_in(place, *WORDS)
    trained = networks(place)
    assert trained

    helper.write_text("from torch.nn import Tanh as Between\n")
    second = run_in(place, *WORDS)  # a run of another name, of networks of another key
    assert networks(place) == 2 * trained
    contents = [run.contents()["records.parquet"] for run in (first, second)]
    assert contents[0] != contents[1]

    helper.write_text('"""Mine."""\nfrom torch.nn import Tanh as Between  # bounded\n')
    assert place.type(*WORDS).code == 0
    assert networks(place) == 2 * trained

    environment = json.loads((second.directory / "environment.json").read_text())
    assert environment["processor"]
    assert {"expzoo", "model=droppy"} <= environment["sources"].keys()


def test_a_version_that_stays_while_its_source_changes_is_said_once(tmp_path: Path) -> None:
    place = Place(tmp_path / "user")
    model = place.folder / "plugins/models/droppy.py"
    model.parent.mkdir(parents=True)
    text = MODEL.replace("from layers_of_mine import Between\n", "").replace("Between", "nn.ReLU")
    text = text.replace("    def __init__", "    CACHE_VERSION = 3\n\n    def __init__")
    model.write_text(text)
    run_in(place, *WORDS)
    model.write_text(text.replace("ReLU", "Tanh"))
    told = [place.type(*WORDS).err.count("raise CACHE_VERSION to train again") for _ in range(2)]
    assert told == [1, 0]


ANALYSIS = """
from expzoo.study import Findings, Measure, Request, register


@register
class Looking:
    NEEDS = ()

    def measure(self, setting):
        networks = yield Request(tuple(setting.specs()), (Measure("accuracy", "test"), Measure("loss", "test")))
        return Findings([row for network in networks for row in network.rows(("accuracy", "test"), arm="base")])

    def judge(self, table, arrays):
        return []

    def draw(self, table, arrays):
        return []
"""


def test_an_edited_analysis_is_measured_again_from_stored_networks(tmp_path: Path) -> None:
    """Another run, nothing trained; the run of the earlier source stays as it is, and a comment changes nothing."""
    place = Place(tmp_path / "user")
    analysis = place.folder / "plugins/analyses/looking.py"
    analysis.parent.mkdir(parents=True)
    analysis.write_text(ANALYSIS)
    words = ("analysis=[looking]", "dataset.test_size=100", "population.size=2", "stop.steps=5", "model.width=8")
    first = run_in(place, *words)
    kept = {path: sum for path, (_, sum) in place.files().items() if path.is_relative_to(first.directory)}

    analysis.write_text(ANALYSIS.replace('("accuracy", "test"), arm', '("loss", "test"), arm'))
    second = run_in(place, *words)  # which is a new run
    assert (first.manifest["networks"]["trained"], second.manifest["networks"]["trained"]) == (2, 0)
    assert second.manifest["networks"]["cached"] == 2
    assert networks(place) == 2
    tables = [records.read(run.directory / "records.parquet") for run in (first, second)]
    assert [set(table["metric"]) for table in tables] == [{"accuracy"}, {"loss"}]
    assert {path: sum for path, (_, sum) in place.files().items() if path in kept} == kept

    analysis.write_text(analysis.read_text().replace("NEEDS = ()", "NEEDS = ()  # anything"))
    before = place.files()
    assert place.type(*words).code == 0
    assert place.files() == before
