"""A multirun whose jobs share populations: each job's files are those it has alone, and its failure is its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.places import Place

from expzoo.report.sweep_model import Comparison
from expzoo.store import run_directory, sweep_record

ANALYSES = "analysis=[learning_curves,iterative_pruning]"
SMALL = (
    "population.size=2",
    "stop.steps=20",
    "dataset.num_samples=300",
    ANALYSES,
    "analysis.iterative_pruning.levels=2",
    "analysis.iterative_pruning.decide_at=0.3",
)
SWEPT = ("model.width=8,16", "seed=0,1", "optimizer.lr=0.01,1e38")

ADAPTIVE = '''
from expzoo.study import Findings, Request, register


@register
class Adaptive:
    """Asks for more steps until it is accurate; with a learning rate of 0.5 it raises on the way."""

    def measure(self, setting):
        rows = []
        for steps in (10, 20, 30):
            networks = yield Request(tuple(setting.specs(stop={"steps": steps})))
            rows += [row for n in networks for row in n.rows(("accuracy", "test"), arm="dense", steps=steps)]
            if steps == 20 and setting.base.optimizer["lr"] == 0.5:
                raise LookupError("no luck")
            if networks[0].value() > 90:
                break
        return Findings(rows)

    def judge(self, table, arrays):
        return []

    def draw(self, table, arrays):
        return []
'''


def runs(place: Place) -> dict[str, Path]:
    return {path.parent.name: path.parent for path in (place.folder / "outputs" / "custom").glob("*/manifest.json")}


def contents(directory: Path) -> dict[str, bytes]:
    """Everything but what says when and how fast."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.name not in ("manifest.json",))
    return {str(path.relative_to(directory)): path.read_bytes() for path in files if path.name != run_directory.REPORT}


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Eight jobs, half of them with a learning rate at which everything diverges."""
    place = Place(tmp_path_factory.mktemp("fused"), warm=True)
    ended = place.type("-m", *SMALL, *SWEPT)
    assert ended.code == 0, ended.err
    assert "8 jobs: 8 done" in ended.out
    return place


@pytest.mark.check("D6")
def test_each_job_has_the_bits_that_it_has_alone(fused: Place, tmp_path: Path) -> None:
    alone = Place(tmp_path / "alone", warm=True)
    assert alone.type(*SMALL, "model.width=16", "seed=1", "optimizer.lr=0.01").code == 0
    [(name, directory)] = runs(alone).items()
    own = runs(fused)[name]
    assert not (own / run_directory.REPORT).exists()
    assert fused.type("report", str(own)).code == 0
    assert (own / run_directory.REPORT).read_bytes().rstrip().endswith(b"</html>")
    assert contents(own) == contents(directory)
    assert run_directory.damaged(own, run_directory.require(own)) == []
    counts = [run_directory.require(run)["networks"] for run in (own, directory)]
    assert [count["trained"] for count in counts] == [counts[1]["trained"]] * 2
    commands = [run_directory.require(run)["command"] for run in (own, directory)]
    assert sorted(commands[0].split()) == sorted(commands[1].split())


def test_typed_again_it_writes_nothing_and_a_job_typed_alone_is_drawn(fused: Place) -> None:
    before = fused.files()
    again = fused.type("-m", *SMALL, *SWEPT, warm=False)
    assert (again.code, again.torch) == (0, False)
    assert fused.files() == before
    alone = fused.type(*SMALL, "model.width=8", "seed=0", "optimizer.lr=0.01")
    assert alone.code == 0
    assert len(fused.files().keys() - before.keys()) > 3
    assert "trained" not in alone.err


def test_a_sweep_is_compared_over_what_was_swept(fused: Place) -> None:
    [folder] = (fused.folder / "outputs" / "custom" / sweep_record.FOLDER).iterdir()
    compared = Comparison.of(folder)
    assert set(compared.keys) == {"model.width", "seed", "optimizer.lr"}
    assert len(compared.settings) == 4
    seeds = compared.measured.filter((compared.measured["setting"] == 0) & (compared.measured["metric"] == "accuracy"))
    assert set(seeds["n"]) <= {4}  # two jobs of two seeds each are pooled
    ended = fused.type("report", str(folder))
    assert (ended.code, ended.err) == (0, "")
    page = (folder / run_directory.REPORT).read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")
    assert page.count("<figure") >= 3
    assert "model.width" in (folder / "comparison.csv").read_text()
    whole = fused.type("report", "outputs/custom")
    assert whole.code == 0
    assert "8 runs compared" in (fused.folder / "outputs/custom/report.html").read_text(encoding="utf-8")


@pytest.mark.check("R15")
def test_a_job_that_fails_fails_alone(tmp_path: Path) -> None:
    home = tmp_path / "home" / "analyses"
    home.mkdir(parents=True)
    (home / "adaptive.py").write_text(ADAPTIVE)
    place = Place(tmp_path / "place", {"EXPZOO_PLUGINS": str(home.parent)}, warm=True)
    quick = ("analysis=[adaptive]", "population.size=2", "dataset.num_samples=300", "model.width=8")
    ended = place.type("-m", *quick, "optimizer.lr=0.01,0.5,0.02", "dataset.batch_size=20,10000")
    assert ended.code == 3, ended.err
    failed = ended.err.partition("jobs did not end well:\n")[2].splitlines()
    assert [line for line in failed if "lr=0.5 dataset.batch_size=20" in line and "no luck" in line]
    assert all("optimizer.lr=0.5" in line or "batch_size=10000" in line for line in failed)
    [folder] = (place.folder / "outputs" / "custom" / sweep_record.FOLDER).iterdir()
    record = json.loads((folder / sweep_record.RECORD).read_bytes())
    assert sorted({job["code"] for job in record["jobs"]})[0] == 0
    assert place.type("report", str(folder)).code == 0
    page = (folder / run_directory.REPORT).read_text(encoding="utf-8")
    assert "no luck" not in page + json.dumps(record)  # what an exception says may hold secrets
    assert "<td>LookupError in analyses/adaptive.py, line " in page
    assert "<td>dataset.batch_size=20 optimizer.lr=0.5</td>" in page  # what all jobs have is left out
    assert '<table class="data whole">' in page  # which cuts no reason
    assert "test accuracy (%)" in page
