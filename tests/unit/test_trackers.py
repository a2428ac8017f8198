"""Lightning's own loggers are handed a finished run, where their packages are."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import polars as pl
import pytest

from expzoo.components import trackers
from expzoo.config import registry

SUMMARY = pl.DataFrame(
    {
        "series": ["a", "a", "b"],
        "step": [1, 5, 5],
        "mean": [50.0, 60.0, 70.0],
        "low": [40.0, 50.0, float("nan")],
        "high": [60.0, 70.0, float("nan")],
        "arm": ["dense", "dense", "ticket"],
        "metric": ["accuracy"] * 3,
        "split": ["test"] * 3,
    }
)
ABOUT = {
    "run": "0123456789ab",
    "experiment": "own",
    "config": {"seed": 3},
    "verdicts": [{"claim": "c", "verdict": "inconclusive", "effect": 1.5, "interval": [None, None], "n": 8}],
}


def test_lines_are_told_step_by_step_without_what_there_is_not() -> None:
    assert list(trackers.scalars(SUMMARY)) == [
        (1, {f"dense/accuracy/test/{part}": value for part, value in (("mean", 50.0), ("low", 40.0), ("high", 60.0))}),
        (
            5,
            {f"dense/accuracy/test/{part}": value for part, value in (("mean", 60.0), ("low", 50.0), ("high", 70.0))}
            | {"ticket/accuracy/test/mean": 70.0},
        ),
    ]
    assert trackers.numbers(ABOUT["verdicts"]) == {"c/effect": 1.5, "c/n": 8.0}  # type: ignore[arg-type]
    assert list(trackers.scalars(SUMMARY.clear())) == []


def test_the_csv_of_lightning_is_the_same_however_often_it_is_written(tmp_path: Path) -> None:
    logger = registry.build("logger", "lightning_csv", folder=str(tmp_path))
    texts = []
    for _ in range(2):
        logger.log(tmp_path, ABOUT, SUMMARY)
        texts.append((tmp_path / "own" / "0123456789ab" / "metrics.csv").read_text())
    assert texts[0] == texts[1]
    rows = list(csv.DictReader(texts[0].splitlines()))
    assert [row["dense/accuracy/test/mean"] for row in rows if row["dense/accuracy/test/mean"]] == ["50.0", "60.0"]
    assert rows[-1]["c/effect"] == "1.5"


@pytest.mark.filterwarnings("default")  # of the packages themselves
@pytest.mark.parametrize(("name", "package"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow")])
def test_a_run_reaches_the_loggers_of_extras(
    tmp_path: Path, name: str, package: str, not_run: Callable[[str], NoReturn]
) -> None:
    if importlib.util.find_spec(package) is None:
        not_run(f"needs expzoo[{name}]")
    own: dict[str, Any] = (
        {"folder": str(tmp_path / "tb")} if name == "tensorboard" else {"uri": f"sqlite:///{tmp_path}/m.db"}
    )
    said = registry.build("logger", name, **own).log(tmp_path, ABOUT, SUMMARY)
    assert next(iter(own.values())) in said
    assert [path for path in tmp_path.rglob("*") if path.is_file()]
