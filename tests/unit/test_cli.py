"""How a command ends: exit codes, what is said and where, one directory a run, and nothing left behind by a failure."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STAND_INS = """
import os, sys, types
from pathlib import Path

from expzoo.plugin import BadInput, build

def show_if_finished(directory, config, *, render=True):
    return config["seed"] == 10

def is_finished(directory, config):
    return config["seed"] == 10

def show(directory):
    pass

def verdicts(directory):
    return []

class Lab:
    def answer(self, requests):
        return []

    def close(self):
        pass

def open_lab(config):
    return Lab()

def conduct(config, directory, lab, *, render=True):
    yield []
    directory.mkdir(parents=True, exist_ok=True)
    return run(config, directory)

def run(config, directory, lab=None):
    print("ran", directory.relative_to(Path.cwd()), config["seed"], os.environ.get("HYDRA_FULL_ERROR"))
    match config["seed"]:
        case 1: raise BadInput("one fault\\nand another")
        case 2: raise OSError(28, "No space left on device", "outputs/store/x")
        case 3: raise RuntimeError("a defect")
        case 4: build("stop", "exploding")
        case 5: build("stop", "missing")
        case 6: return 1
        case 7: return 75
        case 8: raise KeyboardInterrupt
        case 9: raise MemoryError("for 3 TiB")
    (directory / "kept").write_text("")
    return 0

def verb(name, arguments):
    print("verb", name, arguments)
    return 3

def fake(name, **members):
    module = types.ModuleType(f"expzoo.{name}")
    vars(module).update(members)
    sys.modules[f"expzoo.{name}"] = module

fake("runs.finished", is_finished=is_finished, show=show, verdicts=verdicts)
fake("runs.rerender", show_if_finished=show_if_finished, is_finished=is_finished)
fake("lab.open", open_lab=open_lab)
fake("runs.experiment", run=run, conduct=conduct)
fake("cli.commands", main=verb)
"""

EXPLODING = """
from expzoo.plugin import register

def helper():
    raise LookupError("boom")

@register
class Exploding:
    def __init__(self) -> None:
        helper()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with two plugins that raise and two experiments."""
    home = tmp_path_factory.mktemp("home")
    (home / "stops").mkdir()
    (home / "stops" / "exploding.py").write_text(EXPLODING)
    (home / "stops" / "missing.py").write_text("import no_such_module\n" + EXPLODING)
    (home / "conf" / "experiment").mkdir(parents=True)
    for name in ("first", "second"):
        (home / "conf" / "experiment" / f"{name}.yaml").write_text("# @package _global_\nabout: {title: A title}\n")
    return home


@pytest.fixture
def expzoo(command_line: Any, home: Path, tmp_path: Path) -> Callable[..., Any]:
    """Types a command line in an empty directory."""
    return lambda *arguments: command_line.type(*arguments, folder=tmp_path, plugins=home)


def directories(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob("outputs/*/*") if path.is_dir())


def test_a_run_has_one_directory_alone_and_in_a_multirun(expzoo: Callable[..., Any], tmp_path: Path) -> None:
    alone = expzoo("+experiment=first")
    assert (alone.code, alone.err) == (0, [])
    [directory] = directories(tmp_path)
    assert directory.startswith("outputs/first/")
    assert alone.out == [f"ran {directory} 0 None"]
    assert expzoo("+experiment=first", "store=elsewhere", "trainer.accelerator=cpu").out == alone.out
    several = expzoo("-m", "+experiment=first", "seed=0,20")
    assert (several.code, several.err) == (0, [])
    assert several.out[0] == alone.out[0]
    assert len(directories(tmp_path)) == 2
    assert expzoo("-m", "+experiment=first,second").out[0] == alone.out[0]
    assert [name.split("/")[1] for name in directories(tmp_path)] == ["first", "first", "second"]


def test_experiments_together_and_none(expzoo: Callable[..., Any], tmp_path: Path) -> None:
    assert expzoo("+experiment=[first,second]").code == 0
    assert expzoo("seed=0").code == 0
    assert [name.split("/")[1] for name in directories(tmp_path)] == ["custom", "first+second"]
    assert expzoo("hydra.run.dir=mine").out == ["ran mine 0 None"]


def test_hydra_writes_nothing_of_its_own(expzoo: Callable[..., Any], tmp_path: Path) -> None:
    expzoo("hydra.run.dir=mine")
    assert [path.name for path in (tmp_path / "mine").rglob("*")] == ["kept"]


@pytest.mark.parametrize(
    ("seed", "code", "said"),
    [
        (1, 2, ["one fault", "and another"]),
        (2, 1, ["outputs/store/x: No space left on device"]),
        (6, 1, []),
        (7, 75, []),
        (8, 75, ["interrupted: what was done is kept; the same command goes on from here"]),
        (9, 1, ["there is not enough memory: for 3 TiB"]),
    ],
)
def test_a_job_that_fails_says_why_and_leaves_nothing(
    expzoo: Callable[..., Any], tmp_path: Path, seed: int, code: int, said: list[str]
) -> None:
    ended = expzoo(f"seed={seed}")
    assert (ended.code, ended.err) == (code, said)
    assert directories(tmp_path) == []


def test_a_defect_keeps_its_traceback(expzoo: Callable[..., Any]) -> None:
    ended = expzoo("seed=3")
    assert ended.code == 1
    assert ended.err[0] == "Traceback (most recent call last):"
    assert [line for line in ended.err if line.strip()][-1] == "RuntimeError: a defect"
    assert "hydra" not in "".join(ended.err)


@pytest.mark.parametrize(
    ("seed", "name", "when", "last"),
    [
        (4, "exploding", "constructed", "LookupError: boom"),
        (5, "missing", "imported", "ModuleNotFoundError: No module named 'no_such_module'"),
    ],
)
def test_a_plugin_that_raises_has_its_own_short_traceback(
    expzoo: Callable[..., Any], home: Path, seed: int, name: str, when: str, last: str
) -> None:
    ended = expzoo(f"seed={seed}")
    file = home / "stops" / f"{name}.py"
    assert ended.code == 1
    assert ended.err[0] == "Traceback (most recent call last):"
    assert ended.err[1].startswith(f'  File "{file}", line ')
    assert ended.err[-2] == last
    assert ended.err[-1] == f"stop={name} of EXPZOO_PLUGINS ({file}) raised while it was {when}"
    assert "registry.py" not in "".join(ended.err)


def ran(ended: Any) -> int:
    return sum(line.startswith("ran ") for line in ended.out)


@pytest.mark.parametrize("launcher", ["fused", "basic"])
@pytest.mark.parametrize(
    ("seeds", "code", "started"), [("0,20", 0, 2), ("0,1,3,20", 3, 4), ("1,1", 2, 2), ("1,3", 3, 2)]
)
def test_a_multirun_goes_on_after_a_failure(
    expzoo: Callable[..., Any], seeds: str, code: int, started: int, launcher: str
) -> None:
    ended = expzoo("-m", f"seed={seeds}", f"hydra/launcher={launcher}")
    assert (ended.code, ran(ended)) == (code, started)


def test_a_multirun_ends_with_an_interrupt(expzoo: Callable[..., Any]) -> None:
    ended = expzoo("-m", "seed=0,7,20", "hydra/launcher=basic")
    assert (ended.code, ran(ended)) == (75, 2)


@pytest.mark.parametrize("launcher", ["fused", "basic"])
def test_the_jobs_that_failed_are_listed_with_their_reasons(expzoo: Callable[..., Any], launcher: str) -> None:
    ended = expzoo("-m", "seed=0,1,2,3,20", "store=here", f"hydra/launcher={launcher}")
    assert ended.out[-1] == "5 jobs: 2 done, 1 bad input, 2 failed"
    line = ended.err.index("3 of 5 jobs did not end well:")
    assert ended.err[line + 1 :] == [
        "  seed=1: exit code 2: one fault",
        "  seed=2: exit code 1: outputs/store/x: No space left on device",
        "  seed=3: exit code 1: RuntimeError: a defect",
    ]


def test_a_finished_run_runs_nothing_and_writes_nothing(expzoo: Callable[..., Any], tmp_path: Path) -> None:
    ended = expzoo("seed=10")
    assert (ended.code, ended.out, ended.err) == (0, [], [])
    assert directories(tmp_path) == []


def test_verbs_get_their_words(expzoo: Callable[..., Any]) -> None:
    for verb in ("report", "verify", "rerun", "compare", "audit", "store"):
        ended = expzoo(verb, "outputs/x", "-y")
        assert (ended.code, ended.out) == (3, [f"verb {verb} ['outputs/x', '-y']"])


def test_a_directory_that_cannot_be_made_is_one_line(expzoo: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "outputs").write_text("a file")
    ended = expzoo("hydra.run.dir=outputs/x")
    assert (ended.code, ended.out, ended.err) == (1, [], ["outputs/x: Not a directory"])


@pytest.mark.parametrize("words", ["--help", "--cfg job", "list", "show mlp", "--info defaults"])
@pytest.mark.parametrize("reader", ["head -n 1", "true"])
def test_a_reader_that_leaves_early_is_no_failure(tmp_path: Path, words: str, reader: str) -> None:
    command = f"{sys.executable} -m expzoo {words} | {reader}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""
