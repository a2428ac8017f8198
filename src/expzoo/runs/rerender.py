"""A finished run that is asked for again: judged again if its rules have changed, drawn if it was not, shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from expzoo.config.identity import chosen, earlier_ids, raised_rules, run_id
from expzoo.config.paths import place
from expzoo.lab.pinned import say_changes
from expzoo.runs import finished
from expzoo.runs.drawing import built_again, draw
from expzoo.runs.trackers import mirror
from expzoo.store import run_directory
from expzoo.system.console import say

FILES = (
    run_directory.CONFIG,
    run_directory.EXPERIMENT,
    run_directory.ENVIRONMENT,
    run_directory.RECORDS,
    run_directory.ARRAYS,
)
"""What a run measured, and with what: the decision rules change none of it."""


def show_if_finished(directory: Path, config: dict[str, Any], *, render: bool = True) -> bool:
    """Show the verdicts if `directory` holds the whole result of this config; a logger that lacks it gets it.

    What earlier decision rules judged is judged again. Pictures are drawn if they are not there yet.
    """
    if config["dry_run"] or not is_finished(directory, config):
        return False
    if render and not run_directory.is_rendered(run_directory.require(directory)):
        draw(directory, config)
    mirror(config, directory)
    if (store := place(config["store"])).is_dir():  # which need not be there to show what is finished
        say_changes(store, chosen(config))
    finished.show(directory)
    return True


def is_finished(directory: Path, config: dict[str, Any]) -> bool:
    """Whether `directory` holds the whole result of this config, judged again now if its rules have changed."""
    return finished.is_finished(directory, config) or judge_again(directory, config)


def judge_again(directory: Path, config: dict[str, Any]) -> bool:
    """Judge a run of this config that earlier decision rules judged, from its records; whether there is one.

    Nothing is trained. The earlier run stays as it is, unless it is in `directory` itself, as one may have chosen.
    """
    earlier = _judged_before(directory, config)
    if earlier is None:
        return False
    from expzoo.runs import results, robustness
    from expzoo.system import untrusted
    from expzoo.system.files import write_atomically

    sealed = run_directory.require(earlier)
    analyses = built_again(config, sealed)
    findings = [results.read_findings(earlier, name) for name in analyses]
    analyses, findings = robustness.that_differ(analyses, findings)
    for name in FILES if earlier != directory else ():
        if untrusted.is_there(earlier / name):  # a run of before has no file of its experiment
            write_atomically(directory / name, untrusted.read(earlier / name, run_directory.limit(name), earlier))
    results.judge(directory, config, analyses, findings)
    facts = {key: value for key, value in run_directory.told(sealed).items() if key not in ("rules", "mirrored")}
    facts |= {"id": run_id(config), "run": directory.name, "rules": raised_rules(config), "rendered": False}
    run_directory.seal(directory, facts)
    told = "its decision rules have changed: it is judged again from its records, nothing is trained"
    say(f"{earlier}: {told}", file=sys.stderr)
    return True


def _judged_before(directory: Path, config: dict[str, Any]) -> Path | None:
    """Where a whole run of this config is that earlier decision rules judged, the newest rules first."""
    for earlier in earlier_ids(config):
        for folder in (directory, directory.parent / earlier):
            sealed = run_directory.manifest(folder)
            if sealed and sealed.get("id") == earlier and not run_directory.damaged(folder, sealed):
                return folder
    return None
