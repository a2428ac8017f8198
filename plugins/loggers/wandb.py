"""Weights & Biases."""

from __future__ import annotations

import json
import netrc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from expzoo.plugin import register, run_directory, trackers

if TYPE_CHECKING:
    import polars as pl


OLD_HOME = "https://api.wandb.ai"  # a login made there counts at the present home too
SECONDS = 20.0  # for an answer; W&B would wait 90, and each job of a multirun by itself
MOST_ROWS = 10_000  # of a table of records; all of them are in the artifact
VERDICT = ("claim", "verdict", "effect", "low", "high", "level", "unit", "n", "published", "statement", "note")


@register
class Wandb:
    """Mirrors a finished run to Weights & Biases: lines with intervals, tables, figures, verdicts, records.

    `step` is the axis of every line. What an analysis varies, such as sparsity, is a column of the
    table `summary`. Runs of one multirun are a group; the experiment is the job type, budget, dataset
    and model are tags. While the networks of a single run train, their mean loss is shown every ten
    seconds, if there is a login. Without one, or with mode=offline, the run is kept in the run's
    directory, for `wandb sync`. Its id is the run id, so that syncing twice gives one run. Local
    results come first: if W&B fails, that is said and nothing else changes.

    Args:
        project: the project's name.
        entity: the user or team; null is the login's own.
        mode: auto is what WANDB_MODE says, else online where there is a login.
    """

    CACHE_VERSION = 1
    PICTURES = True

    def __init__(
        self, *, project: str = "expzoo", entity: str | None = None, mode: Literal["auto", "online", "offline"] = "auto"
    ) -> None:
        self.project, self.entity, self.mode = project, entity, mode

    def log(self, directory: Path, about: dict[str, Any], summary: pl.DataFrame) -> str:
        """Send the summary (see `records.summary`) step by step, then tables, verdicts, figures and records.

        Returns where the run is, if it was kept offline.
        """
        import wandb

        run = self._open(directory, about)
        try:
            for step, values in trackers.scalars(summary):
                run.log({"step": step, **values})
            rows = [_cells(verdict) for verdict in about["verdicts"]]
            tables = {"verdicts": wandb.Table([*VERDICT], [[row[name] for name in VERDICT] for row in rows])}
            for name, table in (("summary", summary), ("records", _records(directory))):
                plain = table.head(MOST_ROWS)
                tables[name] = wandb.Table([*plain.columns], [list(row) for row in plain.iter_rows()])
            run.log(tables)
            run.summary.update({verdict["claim"]: verdict["verdict"] for verdict in about["verdicts"]})
            run.summary.update(trackers.numbers(about["verdicts"]))
            if pictures := _pictures(directory):
                run.log({f"figures/{name}": wandb.Image(str(path), caption=told) for name, path, told in pictures})
            artifact = wandb.Artifact(f"records-{about['run']}", type="records")
            artifact.add_file(str(directory / run_directory.RECORDS))
            run.log_artifact(artifact)
        finally:
            run.finish()
        if self._mode() != "offline":
            return ""
        return f"W&B: kept offline, to be sent with: wandb sync {os.path.relpath(run.settings.sync_dir)}"

    def live(self, directory: Path, about: dict[str, Any]) -> _Live | None:
        """Where values of networks go while they train; None if nobody sees them before the run is sent."""
        if self._mode() != "online":
            return None
        directory.mkdir(parents=True, exist_ok=True)
        return _Live(self._open(directory, about))

    def _mode(self) -> str:
        if self.mode == "auto":
            return os.environ.get("WANDB_MODE") or ("online" if _has_login() else "offline")
        return self.mode

    def _open(self, directory: Path, about: dict[str, Any]) -> Any:
        """The run of this id, begun or gone on with."""
        import wandb

        config, mode = about["config"], self._mode()
        tags = [str(config["budget"])] if "budget" in config else []
        tags += [config[kind]["name"] for kind in ("dataset", "model") if kind in config]
        run = wandb.init(
            project=self.project,
            entity=self.entity,
            id=about["run"],
            name=f"{about['experiment']} {about['run']}",
            group=about.get("sweep") or None,
            job_type=about["experiment"],
            tags=tags,
            config=config,
            dir=str(directory),
            mode=mode,  # type: ignore[arg-type]
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(
                init_timeout=SECONDS, console="off", disable_git=True, save_code=False, silent=True
            ),
        )
        run.define_metric("step", hidden=True)
        run.define_metric("*", step_metric="step", step_sync=False)
        run.define_metric("live/*", step_metric="live/step")
        return run


class _Live:
    """An open run that is shown values."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def send(self, values: dict[str, float]) -> None:
        self.run.log(values)

    def close(self) -> None:
        self.run.finish()


def _cells(verdict: dict[str, Any]) -> dict[str, Any]:
    """The cells of a verdict's row; what an older file lacks is empty."""
    low, high = verdict["interval"]
    return dict.fromkeys(VERDICT) | verdict | {"low": low, "high": high}


def _records(directory: Path) -> pl.DataFrame:
    import polars as pl

    table = pl.read_parquet(directory / run_directory.RECORDS)
    return table.drop([name for name in ("key",) if name in table.columns])


def _pictures(directory: Path) -> list[tuple[str, Path, str]]:
    """Name, file and caption of each figure."""
    folder = directory / run_directory.FIGURES
    index = folder / "figures.json"
    told = json.loads(index.read_bytes()) if index.is_file() else []
    captions = {one["name"]: f"{one['title']}. {one['caption']}" for one in told}
    return [(path.stem, path, captions.get(path.stem, "")) for path in sorted(folder.glob("*.png"))]


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
