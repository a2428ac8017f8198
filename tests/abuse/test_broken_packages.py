"""Packages that are broken: what is wrong is said with its owner, and only to who needs it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

FAILED, BAD_INPUT = 1, 2
HEAD = "from expzoo.plugin import register\n"
STOP = f"""{HEAD}
@register
class Given:
    '''As many steps.'''
    every, watches, must_end = 0, ("loss", "train"), False
    def __init__(self, *, steps: int = 5) -> None:
        self.at_most = steps
    def done(self, history):
        return False
"""
RAISES = f"""import math
{HEAD}
def prepared():
    return math.sqrt(-1)
prepared()
@register
class Given:
    '''Never gets here.'''
"""
BARE = f"""{HEAD}
@register
class Given:
    '''No annotation.'''
    def __init__(self, *, steps=5):
        self.at_most = steps
"""
MODEL = """from torch import nn, randn_like
from expzoo.plugin import register
@register
class Given(nn.Module):
    '''Adds noise of its own.'''
    def __init__(self, inputs, outputs) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs[0], outputs)
    def forward(self, x):
        return self.layer(x + NOISE)
"""
EXPERIMENT = "# @package _global_\ndefaults:\n  - override /stop: given\nabout: {title: Theirs}\n"
PACKAGE = "zoo-given"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Site:
    """A folder of installed packages, and a working directory that has nothing to do with it."""

    packages: Path
    elsewhere: Path

    def install(self, name: str, files: dict[str, str], entry: str = "") -> None:
        """A package as pip leaves it; its entry point is its own module unless another is given."""
        module = name.replace("-", "_")
        for file, text in files.items():
            path = self.packages / module / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        info = self.packages / f"{module}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (info / "entry_points.txt").write_text(f"[expzoo.plugins]\ntheirs = {entry or module}\n")

    def expzoo(self, *arguments: str) -> Ended:
        environment = {**os.environ, "PYTHONPATH": str(self.packages), "EXPZOO_PLUGINS": "", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "expzoo", *arguments]
        done = subprocess.run(
            command, cwd=self.elsewhere, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def file(self, name: str) -> str:
        return str(self.packages / PACKAGE.replace("-", "_") / name)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "site").mkdir()
    (tmp_path / "elsewhere").mkdir()
    return Site(tmp_path / "site", tmp_path / "elsewhere")


def assert_others_work(site: Site) -> None:
    """Whoever needs nothing of the broken package notices nothing."""
    for arguments in (("--cfg", "job"), ("list", "models")):
        ended = site.expzoo(*arguments)
        assert (ended.code, ended.err) == (0, "")


@pytest.mark.check("S11")
def test_a_whole_package_is_chosen_and_listed(site: Site) -> None:
    files = {"plugins/stops/given.py": STOP, "conf/experiment/theirs.yaml": EXPERIMENT}
    site.install(PACKAGE, {"__init__.py": "raise RuntimeError('imported')", **files})
    assert_others_work(site)
    ended = site.expzoo("+experiment=theirs", "stop.steps=3", "--cfg", "job", "--package", "stop")
    assert (ended.code, ended.err) == (0, "")
    assert "name: given\nsteps: 3" in ended.out


@pytest.mark.parametrize("entry", ["zoo_absent", "zoo_absent.inner", "zoo_given:Thing", "no such name", "json"])
def test_an_entry_point_that_leads_nowhere_is_said_with_its_package(site: Site, entry: str) -> None:
    site.install(PACKAGE, {"__init__.py": "", "plugins/stops/given.py": STOP}, entry)
    ended = site.expzoo("list")
    assert ended.code == BAD_INPUT
    assert "Traceback" not in ended.err
    assert entry in ended.err
    assert PACKAGE in ended.err


@pytest.mark.check("S11")
def test_a_plugin_that_raises_at_import_fails_when_it_is_chosen_with_its_own_traceback(site: Site) -> None:
    site.install(PACKAGE, {"plugins/stops/given.py": RAISES})
    assert_others_work(site)
    ended = site.expzoo("stop=given", "population.size=1")
    assert ended.code == FAILED
    *trace, said = ended.err.splitlines()
    assert said.startswith("stop=given ")
    assert "raised while it was imported" in said
    assert PACKAGE in said
    assert trace[0] == "Traceback (most recent call last):"
    assert [line for line in trace if line.startswith("  File ")] == [
        f'  File "{site.file("plugins/stops/given.py")}", line {line}, in {name}'
        for line, name in ((6, "<module>"), (5, "prepared"))
    ]
    assert trace[-1].startswith("ValueError")
    assert not list(site.elsewhere.iterdir())


def test_a_package_that_needs_what_is_not_installed_says_so(site: Site) -> None:
    site.install(PACKAGE, {"plugins/stops/given.py": f"import zoo_absent\n{STOP}"})
    assert_others_work(site)
    ended = site.expzoo("stop=given", "population.size=1")
    assert ended.code == FAILED
    *_, last, said = ended.err.splitlines()
    assert last == "ModuleNotFoundError: No module named 'zoo_absent'"
    assert PACKAGE in said


@pytest.mark.parametrize(
    ("source", "line", "why"),
    [
        (BARE, 6, "steps has no annotation"),
        (STOP.replace("steps: int = 5", "steps: dict = 5"), 7, "steps: dict = 5: dict is not an annotation"),
        (STOP.replace("@register", ""), 1, "one class with @register, not 0"),
        (STOP.replace("done(self, history):", "done(self, history)"), 9, "expected ':'"),
    ],
    ids=["no annotation", "no type of an option", "not registered", "a syntax error"],
)
def test_a_plugin_that_cannot_be_read_is_said_when_it_is_chosen_or_listed(
    site: Site, source: str, line: int, why: str
) -> None:
    site.install(PACKAGE, {"plugins/stops/given.py": source})
    assert_others_work(site)
    for arguments in (("stop=given",), ("list", "stops"), ("show", "given")):
        ended = site.expzoo(*arguments)
        assert ended.code == BAD_INPUT
        [said] = ended.err.splitlines()
        location = f"{site.file('plugins/stops/given.py')}:{line}: "
        assert said.startswith(f"stop=given of {PACKAGE} cannot be read: {location}"), said
        assert why in said
    assert "plateau" in site.expzoo("list", "stops").out


@pytest.mark.parametrize("name", ["given", "steps"])
def test_two_plugins_of_one_name_are_refused_naming_both(site: Site, name: str) -> None:
    site.install("zoo-one", {f"plugins/stops/{name}.py": STOP})
    site.install("zoo-two", {f"plugins/stops/{name}.py": STOP})
    ended = site.expzoo("list", "stops")
    assert ended.code == BAD_INPUT
    [said] = ended.err.splitlines()
    assert said.startswith(f"two files are called stop={name}: ")
    assert said.count(f"stops/{name}.py") == 2


def test_a_preset_and_a_plugin_of_one_name_are_refused(site: Site) -> None:
    site.install("zoo-one", {"plugins/stops/given.py": STOP})
    site.install("zoo-two", {"plugins/stops/other.py": STOP, "conf/stop/given.yaml": "steps: 1\n"})
    ended = site.expzoo("list", "stops")
    assert ended.code == BAD_INPUT
    assert "zoo_one/plugins/stops/given.py and " in ended.err
    assert "zoo_two/conf/stop/given.yaml" in ended.err


def test_a_wheel_without_its_conf_has_its_plugins_but_no_experiment(site: Site) -> None:
    site.install(PACKAGE, {"plugins/stops/given.py": STOP})
    ended = site.expzoo("+experiment=theirs", "budget=smoke")
    assert ended.code == BAD_INPUT
    [said] = ended.err.splitlines()
    assert "theirs" in said
    assert "lottery_ticket" in said  # what there is
    assert site.expzoo("stop=given", "--cfg", "job").code == 0


def test_an_experiment_that_names_a_plugin_of_a_package_that_is_gone(site: Site) -> None:
    site.install(PACKAGE, {"plugins/models/other.py": MODEL, "conf/experiment/theirs.yaml": EXPERIMENT})
    assert_others_work(site)
    ended = site.expzoo("+experiment=theirs")
    assert ended.code == BAD_INPUT
    assert "stop" in ended.err
    assert "given" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("noise", "called"),
    [
        ("randn_like(x)", "randn_like"),
        ("x.new_empty(x.shape).normal_()", "normal_"),
        ("x[nn.Linear(1, 1).weight.long()[0]]", "uniform_"),
    ],
)
def test_a_module_that_draws_from_torchs_generator_is_named_with_the_way_out(
    site: Site, noise: str, called: str
) -> None:
    site.install(PACKAGE, {"plugins/models/given.py": MODEL.replace("NOISE", noise)})
    ended = site.expzoo("model=given", "population.size=2", "stop.steps=2", "dataset.num_samples=500")
    assert ended.code in (FAILED, BAD_INPUT)
    assert called in ended.err
    assert "torch's global generator" in ended.err
    assert "nn.Dropout" in ended.err
    assert "Traceback" not in ended.err
    assert "model=given" in ended.err
    assert not [path for path in site.elsewhere.glob("outputs/**/*") if path.name == "manifest.json"]


def test_a_module_that_depends_on_values_is_named(site: Site) -> None:
    source = MODEL.replace("self.layer(x + NOISE)", "self.layer(x if x.sum() > 0 else -x)")
    site.install(PACKAGE, {"plugins/models/given.py": source})
    ended = site.expzoo("model=given", "population.size=2", "stop.steps=2", "dataset.num_samples=500")
    assert ended.code in (FAILED, BAD_INPUT)
    assert "use torch.where" in ended.err
    assert "model=given" in ended.err
    assert "Traceback" not in ended.err
