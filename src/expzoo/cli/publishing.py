"""The verbs that show results to others: gallery, wandb-report, and verify --published."""

from __future__ import annotations

import sys
from pathlib import Path

from expzoo.cli.verb_options import FLAG, sort_words
from expzoo.config.paths import path_fault, place
from expzoo.config.settings import BUDGETS
from expzoo.store import run_directory
from expzoo.system.console import say
from expzoo.system.errors import BadInput, nearest
from expzoo.system.exit_codes import DONE, FAILED
from expzoo.system.machine import processors
from expzoo.system.untrusted import quoted

OPTIONS = {"--budget": "laptop", "--only": "*", "--to": "outputs/gallery", "--processes": "all", "--small": FLAG}
"""Those of expzoo gallery, with what they are if they are not given."""


def gallery(arguments: list[str]) -> int:
    """Run every experiment, or find that it was run, and write the gallery of all claims."""
    given, rest, faults = sort_words("gallery", arguments, OPTIONS)
    if rest:
        faults.append(f"expzoo gallery takes no {quoted(rest[0])}: say --only {quoted(rest[0])} for one experiment")
    if given["--budget"] not in BUDGETS:
        faults.append(f"--budget {quoted(given['--budget'], 40)}: {nearest(given['--budget'], BUDGETS)}")
    text = given["--processes"]
    if text != "all" and not (text.isascii() and text.isdigit() and 0 < int(text) <= 1000):
        faults.append(f"--processes {quoted(text, 40)}: it must be a whole number from 1 to 1000, or all")
    if fault := path_fault(given["--to"]):
        faults.append(f"--to {given['--to'][:60]}: {fault}")
    if faults:
        raise BadInput("\n".join(faults))
    from expzoo.runs.gallery import make

    processes = processors() if text == "all" else int(text)
    folder = place(given["--to"]) if given["--to"].startswith("~") else Path(given["--to"])
    return make(given["--budget"], given["--only"], folder, pages=not given["--small"], processes=processes)


REPORT = {"--project": "expzoo", "--entity": "the login's own", "--publish": FLAG}
"""The options of expzoo wandb-report, with what they are if they are not given."""


def wandb_report(arguments: list[str]) -> int:
    """Save a report of a run, a sweep or a gallery at W&B; exit code 1, and why, if W&B does not take it."""
    given, rest, faults = sort_words("wandb-report", arguments, REPORT)
    if len(rest) != 1:
        usage = "usage: expzoo wandb-report DIRECTORY [--project P] [--entity E] [--publish]"
        faults.append(f"expzoo wandb-report takes one directory, not {len(rest)}: {usage}")
    if rest and (fault := path_fault(rest[0])):
        faults.append(f"{rest[0][:60]}...: {fault}")
    faults += [f"{name} needs a value" for name in ("--project", "--entity") if not given[name]]
    if faults:
        raise BadInput("\n".join(faults))
    from expzoo.runs import wandb_report as reports

    entity = None if given["--entity"] == REPORT["--entity"] else given["--entity"]
    directory = place(rest[0]) if rest[0].startswith("~") else Path(rest[0])
    try:
        say(reports.publish(directory, given["--project"], entity, draft=not given["--publish"]))
    except reports.Refused as error:
        say(f"expzoo wandb-report: {error}", file=sys.stderr)
        return FAILED
    return DONE


def published(directories: list[Path]) -> int:
    """Say of each claim with a published value what was found here; exit code 1 if one falls outside without reason."""
    from expzoo.report.published import Row, compared

    found = directories or _finished(Path("outputs"))
    if not found:
        raise BadInput("there is no finished run in outputs: give the directories of runs, or run expzoo gallery")
    rows, faults = list[Row](), list[str]()
    for directory in found:
        try:
            own = [*compared(directory)]
        except ValueError as error:  # the others are told nevertheless
            faults += str(error).splitlines()
            continue
        if own:
            say(f"{quoted(directory)}:", *(f"  {row.line}" for row in own), sep="\n")
        rows += own
    counts = {word: sum(row.outcome == word for row in rows) for word in dict.fromkeys(row.outcome for row in rows)}
    say(", ".join(f"{count} {word}" for word, count in counts.items()) or "no claim has a published value")
    if faults:
        raise BadInput("\n".join(faults))
    return FAILED if any(row.is_outside for row in rows) else DONE


def _finished(root: Path) -> list[Path]:
    """The runs below the folder of results, by experiment."""
    return [folder for folder in sorted(root.glob("*/*")) if run_directory.manifest(folder)]
