"""A finished run is handed to its logger: once to each, also when it is typed again with another one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from expzoo.config import registry
from expzoo.store import run_directory
from expzoo.system.console import say

MIRRORED = "mirrored"  # in the manifest: the configs of the loggers that have the run


def mirror(config: dict[str, Any], directory: Path) -> None:
    """Hand a finished run to the logger of this config, unless that has it already, and note it in the manifest.

    If it fails that is said, and tried again the next time: a tracker is a mirror, the run is done without it.
    """
    sealed, node = run_directory.require(directory), config["logger"]
    told = sealed.get(MIRRORED)
    told = told if isinstance(told, list) else []
    if node in told:
        return
    try:
        if said := _log(node, directory, sealed):
            say(said)
    except Exception as error:  # noqa: BLE001 - whatever happens to a tracker
        why, kept = (
            " ".join(str(error).split()),
            f"the results in {directory} are complete, the same command tries again",
        )
        say(f"logger={node['name']} failed: {why}; {kept}", file=sys.stderr)
        return
    facts = {key: value for key, value in sealed.items() if key not in ("format", "files")}
    run_directory.seal(directory, facts | {MIRRORED: [*told, node]})


def _log(node: dict[str, Any], directory: Path, sealed: run_directory.Manifest) -> str | None:
    from expzoo.science.verdicts import read_verdicts
    from expzoo.store import records

    logger = registry.build_node("logger", node)
    verdicts = [verdict.to_json() for verdict in read_verdicts(directory / run_directory.VERDICTS)]
    summary = records.summary(records.read(directory / run_directory.RECORDS))
    return logger.log(directory, {**sealed, "verdicts": verdicts}, summary)
