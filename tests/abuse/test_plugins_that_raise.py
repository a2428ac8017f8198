"""A plugin that raises while it is used: its own traceback, one line that names it, and what was finished is kept."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

HEAD = """\
from torch import nn
from expzoo.study import Findings, Measure, Request, build, register

def helper(*_):
    raise LookupError("boom")

@register
"""

SOURCES = {
    "stops": """
class Given:
    at_most, every, watches, must_end = 20, 4, ("loss", "train"), False
    def done(self, history):
        return helper() if len(history) > 2 else False
""",
    "schedules": """
class Given:
    def factor(self, step, steps):
        helper()
""",
    "optimizers": """
class Given:
    lr, state = 1.0, ()
    def step(self, theta, grad, state, lr, step):
        helper()
""",
    "losses": """
class Given:
    def __call__(self, outputs, targets):
        helper()
""",
    "constraints": """
class Given:
    def project(self, theta, layout):
        helper()
""",
    "parametrisations": """
class Given:
    maps, num_fixed, middle = True, 0, 0.0
    def size(self, layout):
        return layout.size
    def trainable(self, layout):
        return None
    def start(self, first, fixed):
        helper()
""",
    "models": """
class Given(nn.Module):
    def __init__(self, inputs, outputs) -> None:
        super().__init__()
        self.layer = nn.Linear(*inputs, outputs)
    def forward(self, x):
        helper()
""",
    "datasets": """
class Given:
    def __init__(self) -> None:
        self.same = build("dataset", "mnist1d", num_samples=200)
        self.inputs, self.outputs, self.batch_size = (40,), 10, 100
    def identity(self, seed):
        return 0
    def split(self, name, seed):
        return self.same.split(name, seed)
    def indices(self, seed, start, stop):
        helper()
""",
    "metrics": """
class Given:
    def __call__(self, outputs, targets):
        helper()
""",
    "probes": """
class Given:
    on_split = False
    def __call__(self, point):
        helper()
""",
}
METHODS = {
    "stop=given": "done",
    "schedule=given": "factor",
    "optimizer=given": "step",
    "loss=given": "__call__",
    "constraint=given": "project",
    "model=given": "forward",
    "dataset=given": "indices",
    "analysis=[asking] analysis.asking.of=metric": "__call__",
    "analysis=[asking] analysis.asking.of=probe": "__call__",
    "analysis=[asking]": "measure",
    "analysis=[judging]": "judge",
    "analysis=[drawing]": "draw",
}
"""How a plugin is chosen, and the method of it that raises."""

ANALYSIS = """
class Given:
    def __init__(self, *, of: str = "") -> None:
        self.of = of
    def measure(self, setting):
        looks = {"metric": (Measure("given", "test"),), "probe": (Measure("probing", ""),)}
        networks = yield Request(tuple(setting.specs()), looks.get(self.of, (Measure(),)))
        MEASURE
        return Findings([row for network in networks for row in network.rows(("accuracy", "test"), arm="dense")])
    def judge(self, table, arrays):
        JUDGE
        return []
    def draw(self, table, arrays):
        DRAW
        return []
"""
SMALL = ("population.size=3", "stop.steps=8", "model.width=8", "dataset.num_samples=200")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one plugin of every kind, each of which raises while it is used."""
    home = tmp_path_factory.mktemp("home")
    files = {f"{folder}/given.py": source for folder, source in SOURCES.items()}
    files["probes/probing.py"] = files.pop("probes/given.py")
    for name, where in (("asking", "MEASURE"), ("judging", "JUDGE"), ("drawing", "DRAW")):
        files[f"analyses/{name}.py"] = ANALYSIS.replace(where, "helper()")
    for name, source in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(HEAD + re.sub("MEASURE|JUDGE|DRAW", "pass", source.lstrip()))
    return home


@pytest.mark.parametrize("choice", METHODS)
def test_it_is_named_after_its_own_traceback(command_line: Any, home: Path, tmp_path: Path, choice: str) -> None:
    words = [word for word in SMALL if f"{word.partition('.')[0]}=given" not in choice]
    ended = command_line.type(*choice.split(), *words, folder=tmp_path, plugins=home)
    assert ended.code == 1
    first, *frames, last, named = ended.err
    assert first == "Traceback (most recent call last):"
    assert [line.rpartition(" ")[2] for line in frames if line.startswith("  File ")] == [METHODS[choice], "helper"]
    assert last == "LookupError: boom"
    kind, name = re.sub(r"[\[\]]", "", choice).split("=")[:2]
    when = f"used, in {METHODS[choice]}; what was finished is kept"
    if measured := choice.partition("asking.of=")[2]:
        kind, name, when = measured, {"metric": "given", "probe": "probing"}[measured], "measured"
    assert named.startswith(f"{kind}={name} of EXPZOO_PLUGINS ({home}/")
    assert named.endswith(f"/{name}.py) raised while it was {when}")
    finished = 3 if kind == "analysis" else 0
    assert len(list(tmp_path.glob("outputs/store/*/*/*/network.safetensors"))) == finished
    assert not list(tmp_path.glob("outputs/custom/*/manifest.json"))


def test_each_job_of_a_sweep_has_its_own_traceback_once(command_line: Any, home: Path, tmp_path: Path) -> None:
    ended = command_line.type("-m", "optimizer=given", "seed=0,1,2,3", *SMALL, folder=tmp_path, plugins=home)
    assert ended.code == 1
    starts = [number for number, line in enumerate(ended.err) if line.startswith("Traceback")]
    assert len(starts) == 4
    each = [tuple(ended.err[start : start + starts[1] - starts[0]]) for start in starts]
    assert len(set(each)) == 1
    assert not [line for line in ended.err if line.startswith(("During handling", "The above exception"))]


def test_what_was_finished_is_found_by_another_analysis(command_line: Any, home: Path, tmp_path: Path) -> None:
    assert command_line.type("analysis=[judging]", *SMALL, folder=tmp_path, plugins=home).code == 1
    assert command_line.type("analysis=[learning_curves]", *SMALL, folder=tmp_path, plugins=home).code == 0
    [manifest] = tmp_path.glob("outputs/custom/*/manifest.json")
    networks = json.loads(manifest.read_bytes())["networks"]
    assert (networks["trained"], networks["cached"]) == (0, 3)
