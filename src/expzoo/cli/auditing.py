"""The words of `expzoo audit`."""

from __future__ import annotations

import math
from pathlib import Path

from expzoo.cli.verb_options import sort_words
from expzoo.config.paths import path_fault, place
from expzoo.system.errors import BadInput
from expzoo.system.exit_codes import DONE, FAILED
from expzoo.system.untrusted import quoted

USAGE = "usage: expzoo audit DIRECTORY [--fraction F] [--seed N]"
OPTIONS = {"--fraction": "0.1", "--seed": "0"}
"""The options with what they are if they are not given."""


def audit(arguments: list[str]) -> int:
    """Train a sample of stored networks again in other ways and compare their bits; exit code 1 if any differ."""
    given, directories, faults = sort_words("audit", arguments, OPTIONS)
    if len(directories) != 1:
        faults.append(f"expzoo audit takes one directory, not {len(directories)}: {USAGE}")
    fraction, seed = _fraction(given["--fraction"], faults), _seed(given["--seed"], faults)
    if directories and (fault := path_fault(directories[0])):
        faults.append(f"{directories[0][:60]}...: {fault}")
    if faults:
        raise BadInput("\n".join(faults))
    from expzoo.runs.audit.audit import audit as conduct

    directory = place(directories[0]) if directories[0].startswith("~") else Path(directories[0])
    return DONE if conduct(directory, fraction, seed) else FAILED


def _fraction(text: str, faults: list[str]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        faults.append(f"--fraction {quoted(text, 40)}: it must be a number above 0 and at most 1, such as 0.1")
    return value


def _seed(text: str, faults: list[str]) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        faults.append(f"--seed {quoted(text, 40)}: it must be a whole number, such as 0")
        return 0
    return int(text)
