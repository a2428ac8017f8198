"""What loggers share: which numbers of a summary are lines, and how one of Lightning's own loggers is handed a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl
    from pytorch_lightning.loggers import Logger

LINE = ("arm", "metric", "split")  # what names a line; what varies beside it is a column of tables


def scalars(summary: pl.DataFrame) -> Iterator[tuple[int, dict[str, float]]]:
    """Step by step the mean and interval of each line, as {"dense/accuracy/test/mean": 91.2, ...}.

    A line has one value at each step: of an arm that was measured at several sparsities, say, tables tell.
    """
    names = [name for name in LINE if name in summary.columns]
    if summary.is_empty():
        return
    single = summary.filter(~summary.select([*names, "step"]).is_duplicated())
    for (step,), rows in single.sort("step").group_by("step", maintain_order=True):
        values: dict[str, float] = {}
        for row in rows.iter_rows(named=True):
            line = "/".join(str(row[name]) for name in names) or row["series"]
            values |= {f"{line}/{part}": row[part] for part in ("mean", "low", "high")}
        yield int(step), {name: value for name, value in values.items() if value == value}


def numbers(verdicts: list[dict[str, Any]]) -> dict[str, float]:
    """Effect, interval and n of each verdict by name, those that there are."""
    found: dict[str, float | None] = {}
    for verdict in verdicts:
        low, high = verdict["interval"]
        parts = {"effect": verdict["effect"], "low": low, "high": high, "n": verdict["n"]}
        found |= {f"{verdict['claim']}/{name}": number for name, number in parts.items()}
    return {name: float(number) for name, number in found.items() if number is not None}


def hand_over(logger: Logger, about: Mapping[str, Any], summary: pl.DataFrame) -> None:
    """Give one of Lightning's loggers the config, the lines, and at the last step the verdicts' numbers."""
    logger.log_hyperparams(about["config"])
    last = 0
    for last, values in scalars(summary):
        logger.log_metrics(values, step=last)
    if verdicts := numbers(about["verdicts"]):
        logger.log_metrics(verdicts, step=last)
    logger.save()
    logger.finalize("success")
