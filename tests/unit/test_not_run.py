"""What could not be tested is listed, and no test disappears by itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[2]

LACKS_ITS_SYSTEM = """
    from tests.not_run import not_run

    def test_by_import(): not_run("needs a GPU")
    def test_by_fixture(not_run): not_run("needs SLURM")
    def test_that_runs(): pass
"""
SKIPS = """
    import pytest

    def test_call(): pytest.skip("later")
    @pytest.mark.skip("some day")
    def test_mark(): pass
    @pytest.mark.skipif(True, reason="never")
    def test_condition(): pass
    def test_import(): pytest.importorskip("no_such_package")
    @pytest.fixture
    def absent(): pytest.skip("no fixture")
    def test_fixture(absent): pass
    @pytest.mark.xfail(strict=True)
    def test_known(): assert False
"""
SKIPS_ITSELF = "import pytest\npytest.importorskip('no_such_part')\ndef test_it(): pass\n"


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest prints about these files."""
    folder = tmp_path_factory.mktemp("tests")
    for name, content in {"a": LACKS_ITS_SYSTEM, "b": SKIPS, "c": SKIPS_ITSELF}.items():
        (folder / f"test_{name}.py").write_text(dedent(content))
    arguments = [f"--rootdir={folder}", "--import-mode=importlib", "-c", "/dev/null", "-q", str(folder)]
    plugins = ["-p", "tests.not_run", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    command = [sys.executable, "-m", "pytest", *plugins, *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    return ended.stdout


def test_what_lacks_its_system_is_listed(output: str) -> None:
    table = output.partition("NOT RUN: 2")[2]
    assert "test_a.py::test_by_import   needs a GPU" in table
    assert "test_a.py::test_by_fixture  needs SLURM" in table


def test_no_other_skip_counts(output: str) -> None:
    assert "2 failed, 1 passed, 2 skipped, 1 xfailed, 4 errors" in output


@pytest.mark.parametrize("reason", ["later", "some day", "never", "no_such_package", "no fixture", "no_such_part"])
def test_every_other_skip_is_told(output: str, reason: str) -> None:
    assert any("was skipped" in line and reason in line for line in output.splitlines())
