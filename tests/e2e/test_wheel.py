"""The wheel carries everything: installed into an environment of its own, expzoo runs from any directory."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUICK = ("population.size=2", "stop.steps=10", "model.width=8", "analysis.iterative_pruning.levels=2")


def run(*command: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without anything of this checkout in its environment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "EXPZOO", "VIRTUAL_ENV"))}
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False, timeout=600)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, ROOT]
    built = run(*command, folder=folder)
    assert built.returncode == 0, built.stdout + built.stderr
    [path] = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of an environment with this wheel, which finds every other package where these tests have it."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    command = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--no-deps", wheel]
    ended = run(*command, folder=folder)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    [packages] = folder.glob("lib/python*/site-packages")
    # A line of a .pth file adds a folder to the path and does not read that folder's own .pth
    # files: the editable installation of this checkout stays out.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


@pytest.mark.slow
def test_the_wheel_holds_sources_plugins_and_configs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        about = {name.rpartition(".dist-info/")[2] for name in archive.namelist()} - names
    expected = {f"expzoo/{path.relative_to(ROOT / 'src' / 'expzoo')}" for path in (ROOT / "src" / "expzoo").rglob("*")}
    for folder in ("conf", "plugins"):
        expected |= {f"expzoo/{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob("*")}
    expected = {name for name in expected if "__pycache__" not in name and "." in name.rpartition("/")[2]}
    assert names == expected
    assert {"METADATA", "entry_points.txt", "licenses/LICENSE"} <= about


@pytest.mark.slow
def test_an_installed_expzoo_runs_from_another_directory(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import expzoo; print(expzoo.__file__)", folder=tmp_path)
    assert Path(where.stdout).is_relative_to(installed.parent), where.stderr

    listed = run(installed / "expzoo", "list", folder=tmp_path)
    assert listed.returncode == 0, listed.stderr
    for folder in ("conf/experiment", "plugins/models", "plugins/analyses"):
        for path in (ROOT / folder).glob("[!_]*.*"):
            assert path.stem in listed.stdout

    ran = run(installed / "expzoo", "+experiment=lottery_ticket", "budget=smoke", *QUICK, folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    [report] = tmp_path.glob("outputs/lottery_ticket/*/report.html")
    assert str(report) in ran.stdout
    assert "mnist1d.lottery_ticket_beats_dense" in report.read_text(encoding="utf-8")
    again = run(
        installed / "python", "-m", "expzoo", "+experiment=lottery_ticket", "budget=smoke", *QUICK, folder=tmp_path
    )
    assert (again.returncode, again.stdout) == (0, ran.stdout)


@pytest.mark.slow
def test_a_plugin_in_the_working_directory_is_found(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "plugins" / "losses").mkdir(parents=True)
    source = (ROOT / "plugins" / "losses" / "mse.py").read_text(encoding="utf-8")
    (tmp_path / "plugins" / "losses" / "mine.py").write_text(source, encoding="utf-8")
    ran = run(installed / "expzoo", "loss=mine", "population.size=2", "stop.steps=5", "model.width=8", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert len(list(tmp_path.glob("outputs/custom/*/report.html"))) == 1
