"""Weights & Biases."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from expzoo.plugin import register, run_directory

if TYPE_CHECKING:
    import polars as pl


OLD_HOME = "https://api.wandb.ai"  # a login made there counts at the present home too
SECONDS = 20.0  # for an answer; W&B would wait 90, and each job of a multirun by itself


@register
class Wandb:
    """Mirrors a finished run to Weights & Biases: means and intervals of each population, verdicts, records, figures.

    The figures are those that are drawn by then: of a multirun's jobs, `expzoo report` draws them when it opens them.

    One call for each step that was evaluated. Without a login, or with mode=offline, the run is
    kept in the run's directory, for `wandb sync`. Its id is the run id, so that syncing twice gives
    one run. Local results come first: if W&B fails, that is said and nothing else changes.

    Args:
        project: the project's name.
        entity: the user or team; null is the login's own.
        mode: auto is what WANDB_MODE says, else online where there is a login.
    """

    CACHE_VERSION = 1

    def __init__(
        self, *, project: str = "expzoo", entity: str | None = None, mode: Literal["auto", "online", "offline"] = "auto"
    ) -> None:
        self.project, self.entity, self.mode = project, entity, mode

    def log(self, directory: Path, about: dict[str, Any], summary: pl.DataFrame) -> str:
        """Send the summary (see `records.summary`) step by step, the verdicts with their numbers, records and figures.

        Returns where the run is, if it was kept offline.
        """
        import wandb

        mode: Any = self.mode
        if mode == "auto":
            mode = os.environ.get("WANDB_MODE") or ("online" if _has_login() else "offline")
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
            settings=wandb.Settings(
                init_timeout=SECONDS, console="off", disable_git=True, save_code=False, silent=True
            ),
        )
        try:
            for (step,), rows in summary.sort("step").group_by("step", maintain_order=True):
                values: dict[str, Any] = {"step": step}
                for row in rows.iter_rows(named=True):
                    values |= {f"{row['series']}/{part}": row[part] for part in ("mean", "low", "high")}
                run.log(values)
            for verdict in about["verdicts"]:
                claim = verdict["claim"]
                low, high = verdict["interval"]
                run.summary[claim] = verdict["verdict"]
                numbers = {"effect": verdict["effect"], "low": low, "high": high, "n": verdict["n"]}
                run.summary.update({f"{claim}/{name}": number for name, number in numbers.items()})
            pictures = sorted((directory / run_directory.FIGURES).glob("*.png"))
            if pictures:
                run.log({f"figures/{path.stem}": wandb.Image(str(path)) for path in pictures})
            artifact = wandb.Artifact(f"records-{about['run']}", type="records")
            artifact.add_file(str(directory / run_directory.RECORDS))
            run.log_artifact(artifact)
        finally:
            run.finish()
        if mode != "offline":
            return ""
        return f"W&B: kept offline, to be sent with: wandb sync {os.path.relpath(run.settings.sync_dir)}"


def _has_login() -> bool:
    """Whether there is a key, in the environment or where `wandb login` puts it, without asking anybody."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    import wandb

    home = os.environ.get("WANDB_BASE_URL")
    hosts = {urlsplit(url).netloc for url in ([home] if home else [str(wandb.Settings().base_url), OLD_HOME])}
    try:
        known = netrc.netrc(os.environ.get("NETRC") or Path("~/.netrc").expanduser())
    except (OSError, netrc.NetrcParseError):
        return False
    return any(known.authenticators(host) for host in hosts)
