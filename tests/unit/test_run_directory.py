"""The manifest of a run: whole to its last byte, and what it says of the files of the run and of its page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from expzoo.store import run_directory
from expzoo.system.errors import BadInput

PAGE = "<html></html>\n"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A sealed run of small files."""
    files = {"config.yaml": "a: 1\n", "records.parquet": "rows", "verdicts.json": "[]\n", "report.html": PAGE}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    run_directory.seal(tmp_path, {"title": "A title", "seconds": 1.25})
    return tmp_path


@pytest.mark.check("R6")
def test_every_byte_of_a_manifest_counts(run: Path) -> None:
    path = run / run_directory.MANIFEST
    content = path.read_bytes()
    assert run_directory.damaged(run, run_directory.require(run)) == []
    for place in range(len(content)):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        assert run_directory.manifest(run) is None, place
    for other in (content + b"\n", content[:-1], b"", json.dumps(json.loads(content)).encode()):
        path.write_bytes(other)
        with pytest.raises(BadInput, match=r"manifest\.json is not as it was written$"):
            run_directory.require(run)


@pytest.mark.parametrize("name", ["config.yaml", "records.parquet", "verdicts.json", "report.html"])
def test_sizes_are_compared_before_bytes(run: Path, name: str) -> None:
    (run / name).write_text("other words")
    size = json.loads((run / run_directory.MANIFEST).read_bytes())["files"][name]["bytes"]
    [fault] = run_directory.damaged(run, run_directory.require(run))
    assert fault.endswith(f"{name} is not as it was written: 11 bytes, where its checksum is of {size}")
    assert run_directory.damaged(run, run_directory.require(run), but=name) == []


def test_a_change_of_what_is_said_launders_no_file(run: Path) -> None:
    (run / "verdicts.json").write_text("[ ]")
    (run / "report.html").write_text(PAGE * 2)
    run_directory.amend(run, run_directory.require(run), run_directory.REPORT, mirrored=["a"])
    sealed = run_directory.require(run)
    assert run_directory.told(sealed) == {"title": "A title", "seconds": 1.25, "mirrored": ["a"]}
    [fault] = run_directory.damaged(run, sealed)
    assert "verdicts.json is not as it was written" in fault


@pytest.mark.check("R19")
def test_a_manifest_of_the_first_format_is_read_and_its_page_looked_at(run: Path) -> None:
    sealed = json.loads((run / run_directory.MANIFEST).read_bytes())
    del sealed["sha256"], sealed["files"]["report.html"]
    (run / run_directory.MANIFEST).write_bytes(run_directory.json_bytes(sealed | {"format": 1}))
    assert run_directory.damaged(run, run_directory.require(run)) == []
    (run / "report.html").write_text(PAGE[:8])
    [fault] = run_directory.damaged(run, run_directory.require(run))
    assert fault.endswith("report.html is missing or cut short")
