"""The package that the README shows, word for word: built, installed into a clean environment, run, and removed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECTION = "## A package of your own"
MOST_LINES = 59
PLUGINS = {"dataset": "spirals", "model": "wave", "analysis": "frequency"}
OFFLINE = ("--disable-pip-version-check", "--no-deps", "--no-index")


def shown_files() -> dict[str, str]:
    """The files of the package as the README shows them: a name in backquotes, then the block."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition(f"{SECTION}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^`([^`\n]+)`\n\n```\w+\n(.*?)^```$", section, re.DOTALL | re.MULTILINE))


@dataclass(frozen=True)
class Environment:
    """A virtual environment with nothing of its own but what is installed into it; other packages are borrowed."""

    python: Path
    elsewhere: Path

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`python -m ARGUMENTS` in a directory that has nothing to do with the package."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("EXPZOO_", "PYTHON"))}
        command = [str(self.python), "-m", *arguments]
        return subprocess.run(command, cwd=self.elsewhere, env=clean, capture_output=True, text=True, check=False)

    def pip(self, *arguments: str) -> None:
        done = self.run("pip", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def listed(self) -> set[str]:
        """Every name that `expzoo list` shows."""
        done = self.run("expzoo", "list")
        assert done.returncode == 0, done.stderr
        return {line.split()[0] for line in done.stdout.splitlines() if line.strip()}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for name, text in shown_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "borrowed.pth").write_text(f"{ROOT / 'src'}\n{sysconfig.get_path('purelib')}\n")
    return Environment(folder / "bin" / "python", tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="module")
def wheel(bare: Environment, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    bare.pip("wheel", *OFFLINE, "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    [built] = folder.iterdir()
    return built


@pytest.fixture
def environment(bare: Environment, wheel: Path) -> Iterator[Environment]:
    bare.pip("install", *OFFLINE, str(wheel))
    yield bare
    bare.pip("uninstall", "--yes", "zoo-spirals")


def test_it_is_a_whole_package_in_under_sixty_lines(source: Path) -> None:
    files = shown_files()
    assert sum(len(text.splitlines()) for text in files.values()) <= MOST_LINES
    folders = {str(Path(name).parent) for name in files}
    assert folders >= {".", *(f"zoo_spirals/plugins/{kind}" for kind in ("datasets", "models", "analyses"))}
    assert "zoo_spirals/conf/experiment" in folders


def test_the_wheel_holds_every_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        assert {name for name in shown_files() if name != "pyproject.toml"} <= set(archive.namelist())


def test_its_experiment_runs_from_another_directory(environment: Environment) -> None:
    done = environment.run("expzoo", "+experiment=spirals", "budget=smoke")
    assert done.returncode == 0, done.stderr
    [verdicts] = environment.elsewhere.glob("outputs/spirals/*/verdicts.json")
    [verdict] = json.loads(verdicts.read_text())
    assert (verdict["claim"], verdict["n"]) == ("spirals.fast_beats_slow", 5)
    assert verdict["verdict"] == "supported"
    assert verdict["effect"] > verdict["smallest_effect"]
    assert verdict["claim"] in done.stdout
    assert (verdicts.parent / "figures" / "arms.svg").is_file()
    assert (verdicts.parent / "report.html").is_file()


def test_it_is_listed_while_it_is_installed_and_not_after(bare: Environment, wheel: Path) -> None:
    names = {*PLUGINS.values()}
    assert not names & bare.listed()
    bare.pip("install", *OFFLINE, str(wheel))
    try:
        assert names <= bare.listed()
        shown = bare.run("expzoo", "show", "spirals")
        assert shown.returncode == 0, shown.stderr
    finally:
        bare.pip("uninstall", "--yes", "zoo-spirals")
    assert not names & bare.listed()
    gone = bare.run("expzoo", "+experiment=spirals", "budget=smoke")
    assert gone.returncode == 2
    assert "spirals" in gone.stderr


def test_its_plugins_keep_the_contract(environment: Environment) -> None:
    program = "\n".join(
        [
            "from expzoo import Spec, compose",
            "from expzoo.testing import check_plugin",
            "base = Spec.from_config(compose('+experiment=spirals', 'stop.steps=30'))",
            *(f"check_plugin({kind!r}, {name!r}, base)" for kind, name in PLUGINS.items()),
        ]
    )
    (environment.elsewhere / "contract.py").write_text(program)
    done = environment.run("contract")
    assert done.returncode == 0, done.stderr
