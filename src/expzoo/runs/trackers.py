"""A finished run is handed to its loggers: once to each, also when it is typed again with others."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from expzoo.config import registry
from expzoo.runs.drawing import draw
from expzoo.store import run_directory
from expzoo.system.console import say

SWEEP = "EXPZOO_SWEEP"  # variable of the environment: what the jobs of one multirun have in common
MIRRORED = "mirrored"  # in the manifest: the configs of the loggers that have the run


def sweep() -> str:
    """What the jobs of the multirun that this job is of have in common; empty for a single run."""
    return os.environ.get(SWEEP, "")


def mirror(config: dict[str, Any], directory: Path) -> None:
    """Hand a finished run to the loggers of this config that do not have it already, and note them in the manifest.

    If one fails that is said, and tried again the next time: a tracker is a mirror, the run is done without it.
    """
    for node in config["logger"].values():
        _mirror(config, node, directory)


def _mirror(config: dict[str, Any], node: dict[str, Any], directory: Path) -> None:
    sealed = run_directory.require(directory)
    told = sealed.get(MIRRORED)
    told = told if isinstance(told, list) else []
    if node in told:
        return
    try:
        if said := _log(config, node, directory, sealed):
            say(said)
    except Exception as error:  # noqa: BLE001 - whatever happens to a tracker
        why, kept = (
            " ".join(str(error).split()),
            f"the results in {directory} are complete, the same command tries again",
        )
        say(f"logger={node['name']} failed: {why}; {kept}", file=sys.stderr)
        return
    sealed = run_directory.require(directory)  # which has pictures now, if the logger wanted them
    run_directory.amend(directory, sealed, run_directory.SUMMARY, **{MIRRORED: [*told, node]})


def _log(config: dict[str, Any], node: dict[str, Any], directory: Path, sealed: run_directory.Manifest) -> str | None:
    from expzoo.science.verdicts import read_verdicts
    from expzoo.store import records

    logger = registry.build_node("logger", node)
    if getattr(logger, "PICTURES", False) and not run_directory.is_rendered(sealed):
        draw(directory, config)
        sealed = run_directory.require(directory)
    verdicts = [verdict.to_json() for verdict in read_verdicts(directory / run_directory.VERDICTS)]
    summary = records.summary(records.read(directory / run_directory.RECORDS))
    return logger.log(directory, {**sealed, "verdicts": verdicts, "sweep": sweep()}, summary)
