"""Weights & Biases."""

from __future__ import annotations

import netrc
import os
from typing import TYPE_CHECKING, Any, Literal

from expzoo.registry import register

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl


@register
class Wandb:
    """Mirrors a finished run to Weights & Biases: means and intervals of each population, and the verdicts.

    One call for each step that was evaluated. Without a login, or with mode=offline, the run is kept in the run's
    directory, for `wandb sync`. Its id is the run id, so that syncing twice gives one run. Local results come first:
    if W&B fails, that is said and nothing else changes.

    Args:
        project: the project's name.
        entity: the user or team; null is the login's own.
        mode: auto is online where there is a login.
    """

    CACHE_VERSION = 1

    def __init__(
        self, *, project: str = "expzoo", entity: str | None = None, mode: Literal["auto", "online", "offline"] = "auto"
    ) -> None:
        self.project, self.entity, self.mode = project, entity, mode

    def log(self, directory: Path, about: dict[str, Any], summary: pl.DataFrame) -> None:
        """Send the summary (see `records.summary`) step by step, then the verdicts."""
        import wandb

        mode = self.mode
        if mode == "auto":
            mode = "online" if _has_login() else "offline"
        run = wandb.init(
            project=self.project,
            entity=self.entity,
            id=about["run"],
            name=f"{about['experiment']} {about['run']}",
            config=about["config"],
            dir=str(directory),
            mode=mode,
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(console="off", disable_git=True, save_code=False, silent=True),
        )
        try:
            for (step,), rows in summary.sort("step").group_by("step", maintain_order=True):
                values: dict[str, Any] = {"step": step}
                for row in rows.iter_rows(named=True):
                    values |= {f"{row['series']}/{part}": row[part] for part in ("mean", "low", "high")}
                run.log(values)
            for verdict in about["verdicts"]:
                run.summary[verdict["claim"]] = verdict["verdict"]
        finally:
            run.finish()


def _has_login() -> bool:
    """Whether there is a key, in the environment or where `wandb login` puts it, without asking anybody."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").partition("://")[2].partition("/")[0]
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
