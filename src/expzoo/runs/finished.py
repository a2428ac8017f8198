"""A finished run is recognised from its own manifest; its verdicts are shown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.config.identity import OF_NO_EFFECT, run_id
from expzoo.store import run_directory
from expzoo.system.console import say

if TYPE_CHECKING:
    from expzoo.science.verdicts import Verdict


def is_finished(directory: Path, config: dict[str, Any]) -> bool:
    """Whether `directory` holds the whole result of this config; a damaged file is said and means that it does not."""
    sealed = run_directory.manifest(directory)
    if sealed is None or sealed.get("id") != run_id(config):
        return False
    faults = run_directory.damaged(directory, sealed)
    if run_directory.is_rendered(sealed) and not run_directory.is_page(directory / run_directory.REPORT):
        faults.append(f"{directory / run_directory.REPORT} is missing or cut short")
    if not faults:
        try:
            verdicts(directory)
        except ValueError as error:
            faults.append(str(error))
    if faults:
        say(*faults, "the run is made again from its networks", sep="\n", file=sys.stderr)
    return not faults


def comparable(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a config that decides the results; see `identity.run_id`."""
    return {key: value for key, value in config.items() if key not in OF_NO_EFFECT}


def show(directory: Path) -> None:
    """Print the verdicts of a run and where its report is."""
    from expzoo.report.terminal import print_verdicts

    print_verdicts(verdicts(directory), directory)


def verdicts(directory: Path) -> list[Verdict]:
    """The verdicts of a run; ValueError, naming the file, if they are none."""
    from expzoo.science.verdicts import read_verdicts

    return read_verdicts(directory / run_directory.VERDICTS)
