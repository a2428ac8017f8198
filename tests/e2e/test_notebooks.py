"""The notebooks run from top to bottom in an empty folder, and show what they promise."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from expzoo.config.homes import HOME

NOTEBOOKS = sorted((HOME / "notebooks").glob("*.ipynb"))
SHOWN = {"first_claim": ["<table>", "data:image/png", "inconclusive"], "sweep": ["accuracy", "data:image/png"]}
SHOWN["loss_surface"] = ["<Trained ", "data:image/png"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_results(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    assert len(cells) > 3
    assert [cell["outputs"] for cell in cells if cell["cell_type"] == "code" and cell["outputs"]] == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, not_run: Callable[[str], NoReturn]
) -> None:
    if not all(map(importlib.util.find_spec, ("nbclient", "ipykernel"))):
        not_run("needs expzoo[notebooks]")
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HOME / "src"), os.environ.get("PYTHONPATH", "")]))
    (tmp_path / "work").mkdir()
    notebook: Any = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path / "work")}}).execute()
    shown = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    for part in SHOWN[path.stem]:
        assert part in shown, part
