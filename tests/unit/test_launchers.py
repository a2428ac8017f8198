"""Launchers and sweepers are plugins: found in every home, typed by their signatures, imported when they are chosen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from expzoo.config import registry
from expzoo.system.errors import BadInput
from expzoo.testing import check_plugin

TOP = sorted(
    {
        *registry.KINDS,
        "about",
        "budget",
        "dry_run",
        "experiment",
        "population",
        "robustness",
        "robustness_size",
        "seed",
        "store",
    }
)

STAND_INS = """
import sys, types

def show_if_finished(directory, config, *, render=True):
    return False

def run(config, directory, lab=None):
    print("ran", config["seed"])
    return 0

def fake(name, **members):
    module = types.ModuleType(f"expzoo.{name}")
    vars(module).update(members)
    sys.modules[f"expzoo.{name}"] = module

fake("runs.rerender", show_if_finished=show_if_finished)
fake("lab.open", open_lab=lambda config: None)
fake("runs.experiment", run=run)
"""

BACKWARDS = '''
from typing import Literal
from hydra._internal.core_plugins.basic_launcher import BasicLauncher
from expzoo.config.options import Natural
from expzoo.config.registry import register

print("imported")

@register
class Backwards(BasicLauncher):
    """Runs the last job first.

    Args:
        skipped: how many jobs are left out.
    """

    def __init__(self, *, skipped: Natural = 0, ages: tuple[int, ...] = (1, 2)) -> None:
        super().__init__()
        if skipped == 13:
            raise ValueError("13 jobs are too many")
        if skipped == 14:
            raise KeyError("fourteen")
        assert ages == (1, 2), ages
        self.skipped = skipped

    def launch(self, job_overrides, initial_job_idx):
        print("skipped", self.skipped)
        return super().launch(list(job_overrides)[::-1], initial_job_idx)
'''

STRANGER = "from expzoo.config.registry import register\n\n@register\nclass Stranger:\n    '''Launches nothing.'''\n"

ONCE = """
from expzoo.config.registry import register
from expzoo.runs.grid_sweep import GridSweeper

@register
class Once(GridSweeper):
    '''Sweeps over the first values alone.'''

    def sweep(self, arguments):
        return super().sweep([word.partition(",")[0] for word in arguments])
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two launchers, one of which is none, and a sweeper."""
    home = tmp_path_factory.mktemp("home")
    files = {"launchers/backwards.py": BACKWARDS, "launchers/stranger.py": STRANGER, "sweepers/once.py": ONCE}
    for name, content in files.items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(content)
    return home


@pytest.fixture
def expzoo(command_line: Any, home: Path, tmp_path: Path) -> Callable[..., Any]:
    """Types a command line in an empty directory."""
    return lambda *arguments: command_line.type(*arguments, folder=tmp_path, plugins=home)


def test_a_launcher_of_another_home_runs_the_jobs(expzoo: Callable[..., Any]) -> None:
    ended = expzoo("-m", "seed=0,1", "hydra/launcher=backwards", "hydra.launcher.skipped=2")
    assert (ended.code, ended.err) == (0, [])
    assert [line for line in ended.out if line.startswith(("skipped", "ran"))] == ["skipped 2", "ran 1", "ran 0"]


def test_a_launcher_in_the_working_directory_is_found(command_line: Any, tmp_path: Path) -> None:
    (tmp_path / "plugins" / "launchers").mkdir(parents=True)
    (tmp_path / "plugins" / "launchers" / "mine.py").write_text(BACKWARDS)
    ended = command_line.type("-m", "seed=0,1", "hydra/launcher=mine", "hydra.launcher.skipped=3", folder=tmp_path)
    assert (ended.code, ended.err) == (0, [])
    assert [line for line in ended.out if line.startswith(("skipped", "ran"))] == ["skipped 3", "ran 1", "ran 0"]


def test_a_sweeper_of_another_home_finds_them(expzoo: Callable[..., Any]) -> None:
    ended = expzoo("-m", "seed=3,4", "hydra/sweeper=once", "hydra/launcher=basic")
    assert (ended.code, ended.err) == (0, [])
    assert [line for line in ended.out if line.startswith("ran")] == ["ran 3"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("hydra/launcher=backward", "there is no hydra/launcher=backward: did you mean backwards?"),
        ("hydra/launcher=backwards hydra.launcher.skiped=1", "hydra.launcher has no skiped: did you mean skipped?"),
        (
            "hydra/launcher=backwards hydra.launcher.skipped=-1",
            "hydra.launcher.skipped must be a whole number at least 0, not -1",
        ),
        ("hydra/launcher=backwards hydra.launcher.skipped=13", "hydra.launcher: 13 jobs are too many"),
        (
            "hydra/launcher=stranger",
            "hydra/launcher=stranger of EXPZOO_PLUGINS has to derive from hydra.plugins.launcher.Launcher",
        ),
        ("hydra/sweeper=one", "there is no hydra/sweeper=one: did you mean once?"),
        ("hydra/sweeper=optuan", "there is no hydra/sweeper=optuan: did you mean optuna?"),
        ("hydra/launcher=ray hydra.launcher.num_cpu=1", "hydra.launcher has no num_cpu: did you mean num_cpus?"),
        (
            "hydra/launcher=ray hydra.launcher.num_cpus=-1",
            "hydra.launcher.num_cpus must be a number at least 0, not -1",
        ),
        (
            "hydra/sweeper=optuna hydra.sweeper.sampler=grid",
            "hydra.sweeper.sampler must be one of tpe, random, nsga2, not 'grid'",
        ),
        ("launcher=ray", f"the config has no launcher: known: {', '.join(TOP)}"),
        ("+launcher=ray", f"the config has no launcher: known: {', '.join(TOP)}"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(expzoo: Callable[..., Any], words: str, line: str) -> None:
    ended = expzoo("-m", "seed=0,1", *words.split())
    assert ended.code == 2
    assert [said for said in ended.err if " needs ray: pip install " not in said] == [line]
    assert not any(line.startswith("ran") for line in ended.out)


def test_what_its_constructor_raises_is_its_own(expzoo: Callable[..., Any], home: Path) -> None:
    ended = expzoo("-m", "seed=0,1", "hydra/launcher=backwards", "hydra.launcher.skipped=14")
    file = home / "launchers" / "backwards.py"
    assert ended.code == 1
    assert ended.err[-2:] == [
        "KeyError: 'fourteen'",
        f"hydra/launcher=backwards of EXPZOO_PLUGINS ({file}) raised while it was constructed",
    ]


def test_it_is_listed_and_shown(expzoo: Callable[..., Any], home: Path) -> None:
    assert any(line.startswith("  backwards ") for line in expzoo("list", "launchers").out)
    assert expzoo("list", "launcher").out == expzoo("list", "launchers").out
    shown = expzoo("show", "backwards").out
    assert shown[0] == f"hydra/launcher=backwards  ({home}/launchers/backwards.py)"
    assert "  hydra.launcher.skipped=0                 a whole number at least 0; how many jobs are left out." in shown
    assert "  hydra/launcher           backwards fused ray stranger" in expzoo("--help").out


def test_nothing_is_imported_before_it_is_chosen(home: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from expzoo.config.check import resolved; "
        "config = resolved(['hydra/launcher=backwards', 'hydra/sweeper=optuna']); "
        "print('launcher' in config, [name for name in sys.modules if name.startswith('expzoo.plugins.')]); "
        "print({'expzoo.runs', 'optuna', 'ray', 'torch'} & set(sys.modules))"
    )
    environment = {**os.environ, "EXPZOO_PLUGINS": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["False []", "set()"], done.stderr


def test_they_are_kinds_of_plugin_but_no_part_of_a_config(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPZOO_PLUGINS", str(home))
    assert {"launcher", "sweeper"} & registry.KINDS.keys() == set()
    assert registry.available("launcher") == ["backwards", "fused", "ray", "stranger"]
    with pytest.raises(BadInput, match=r"there is no hydra/sweeper=gird: did you mean grid\?"):
        registry.declared("sweeper", "gird")


def test_the_contract_of_a_launcher(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPZOO_PLUGINS", str(home))
    check_plugin("launcher", "backwards", skipped=3)
    check_plugin("sweeper", "once")
    with pytest.raises(AssertionError, match="Stranger must derive from hydra"):
        check_plugin("launcher", "stranger")
