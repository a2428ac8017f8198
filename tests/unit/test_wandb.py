"""What W&B is given of a finished run, read back from what an offline run keeps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest
import wandb

from expzoo.config import registry
from expzoo.runs import wandb_report

VERDICT = {"claim": "own.claim", "verdict": "supported", "effect": 1.5, "interval": [1.25, 1.75], "n": 8}
CONFIG = {"seed": 3, "budget": "smoke", "dataset": {"name": "mnist1d"}}
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8ffff3f0005fe02fea735817d0000000049454e44ae426082"
)


@pytest.fixture
def about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / "figures").mkdir(parents=True)
    (tmp_path / "run" / "figures" / "curve.png").write_bytes(PIXEL)
    told = [{"name": "curve", "title": "Curve", "caption": "How it went."}]
    (tmp_path / "run" / "figures" / "figures.json").write_text(json.dumps(told))
    pl.DataFrame({"value": [1.0]}).write_parquet(tmp_path / "run" / "records.parquet")
    return {
        "run": "0123456789ab",
        "experiment": "own",
        "config": CONFIG,
        "verdicts": [VERDICT],
        "sweep": "a0a0a0a0a0a0",
    }


def inspected(folder: Path) -> list[dict[str, Any]]:
    """The records of an offline run, by W&B's own reader."""
    [path] = folder.glob("wandb/offline-run-*/run-*.wandb")
    done = subprocess.run(
        [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.check("R18")
def test_without_a_login_a_run_is_kept_with_verdicts_records_and_figures(tmp_path: Path, about: dict[str, Any]) -> None:
    summary = pl.DataFrame(
        {
            "series": ["dense/-/accuracy", "ticket/0.5/accuracy", "ticket/0.9/accuracy"],
            "step": [5, 5, 5],
            "mean": [50.0, 60.0, 70.0],
            "low": [40.0, 50.0, 60.0],
            "high": [60.0, 70.0, 80.0],
            "arm": ["dense", "ticket", "ticket"],
            "metric": ["accuracy"] * 3,
            "split": ["test"] * 3,
            "sparsity": [None, 0.5, 0.9],
        }
    )
    said = registry.build("logger", "wandb").log(tmp_path / "run", about, summary)
    assert said.startswith("W&B: kept offline, to be sent with: wandb sync run/wandb/offline-run-")
    assert (tmp_path / said.split()[-1]).is_dir()
    records = inspected(tmp_path / "run")
    text = json.dumps(records)
    for part in (
        "own.claim/effect",
        "own.claim/high",
        "supported",
        "dense/accuracy/test/low",
        "media/table/verdicts",
        "media/table/summary",
        "media/table/records",
        "Curve. How it went.",
        "a0a0a0a0a0a0",
        "records-0123456789ab",
        "figures/curve",
    ):
        assert part in text, part
    assert "ticket/accuracy" not in text  # at two sparsities: these are rows of the table
    metrics = {record["metric"]["glob_name"]: record["metric"] for record in of_kind(records, "metric", "glob_name")}
    assert metrics["*"]["step_metric"] == "step"
    run = of_kind(records, "run", "run_group")[0]["run"]
    assert (run["run_group"], run["job_type"], run["tags"]) == ("a0a0a0a0a0a0", "own", ["smoke", "mnist1d"])


def of_kind(records: list[dict[str, Any]], kind: str, key: str) -> list[dict[str, Any]]:
    """The records of a kind that have a key."""
    return [record for record in records if key in (record.get(kind) or {})]


def test_what_the_environment_says_of_the_mode_counts(
    tmp_path: Path, about: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)  # a login
    monkeypatch.setenv("WANDB_MODE", "offline")
    said = registry.build("logger", "wandb").log(tmp_path / "run", about | {"verdicts": []}, pl.DataFrame({"step": []}))
    assert said.startswith("W&B: kept offline")


@pytest.mark.parametrize(
    ("host", "there"),
    [("api.wandb.ai", True), (urlsplit(str(wandb.Settings().base_url)).netloc, True), ("x.org", False)],
)
def test_a_login_is_found_where_wandb_puts_it(tmp_path: Path, about: dict[str, Any], host: str, there: bool) -> None:
    (tmp_path / ".netrc").write_text(f"machine {host} login user password {'0' * 40}\n")
    logger = registry.build("logger", "wandb")
    assert sys.modules[type(logger).__module__]._has_login() is there


@pytest.mark.parametrize(("project", "entity", "known"), [("p", None, "1"), ("q", None, ""), ("p", "us", "")])
def test_a_report_is_the_same_one_within_its_project(
    monkeypatch: pytest.MonkeyPatch, project: str, entity: str | None, known: str
) -> None:
    saved = SimpleNamespace(id="", url="address", save=lambda *, draft: None)
    monkeypatch.setattr(wandb, "Api", lambda **_: SimpleNamespace(default_entity="me"))
    monkeypatch.setattr(wandb_report, "build", lambda *_: saved)
    before = {"id": "1", "url": "https://wandb.ai/me/p/reports/Title--1"}
    said = wandb_report.Told("Title", "", {})
    assert wandb_report._saved(said, project, entity, before, draft=True) == {"id": known, "url": "address"}
