"""The verbs that read what runs have left, such as report, verify, rerun, compare and store."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from expzoo.cli import auditing, publishing
from expzoo.config.check import typed_again
from expzoo.config.paths import path_fault, place
from expzoo.store import run_directory
from expzoo.system.canonical import leaves
from expzoo.system.console import say
from expzoo.system.errors import BadInput
from expzoo.system.exit_codes import DONE, FAILED, INTERRUPTED
from expzoo.system.untrusted import quoted

MAX_FAULTS = 10  # that are told of files which a stranger may have made


def main(verb: str, arguments: list[str]) -> int:
    """Do one verb; the exit code. BadInput if its arguments are not what it takes, or a file is not what it says."""
    try:
        return VERBS[verb](arguments)
    except BadInput as error:
        told = str(error).splitlines()
        raise BadInput("\n".join([*told[:MAX_FAULTS], *_remaining(told)])) from error
    except OSError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
        told = quoted(" ".join(str(error).split()), 300)
        words = quoted(" ".join(arguments), 1000)
        raise BadInput(f"expzoo {verb} {words}: a file there is not what a run writes: {told}") from error


def _remaining(told: list[str]) -> list[str]:
    return [f"and {len(told) - MAX_FAULTS:,} more faults"] if len(told) > MAX_FAULTS else []


def _directories(verb: str, arguments: list[str], least: int = 1) -> list[Path]:
    more = "" if verb == "rerun" else " [DIRECTORY ...]"
    usage = f"usage: expzoo {verb} {' '.join(['DIRECTORY'] * least)}{more}"
    if len(arguments) < least or any(argument.startswith("-") for argument in arguments):
        raise BadInput(usage)
    if not more and len(arguments) > least:
        raise BadInput(f"expzoo {verb} takes nothing but one directory, not {' '.join(arguments[1:])}: {usage}")
    return [_typed(argument) for argument in arguments]


def _typed(path: str) -> Path:
    """A directory as it was typed, but for ~; BadInput if there can be none of that name."""
    if fault := path_fault(path):
        raise BadInput(f"{path[:60]}...: {fault}")
    return place(path) if path.startswith("~") else Path(path)


def report(arguments: list[str]) -> int:
    """Render the page of runs again, or compare the runs of a sweep, and say where the page is."""
    from expzoo.runs import rerender
    from expzoo.runs.results import write_page_again
    from expzoo.store import sweep_record

    for directory in _directories("report", arguments):
        if sweep_record.is_sweep(directory):
            from expzoo.report import sweep_page

            sweep_page.write(directory)
        elif run_directory.is_rendered(run_directory.require(directory)):
            write_page_again(directory)
        else:
            rerender.draw(directory, typed_again(run_directory.config_of(directory)))
        say(directory / run_directory.REPORT)
    return DONE


def verify(arguments: list[str]) -> int:
    """Compare files of runs with their checksums, or by --published claims with papers; exit code 1 if one differs."""
    if "--published" in arguments:
        rest = [word for word in arguments if word != "--published"]
        return publishing.published(_directories("verify", rest, least=0) if rest else [])
    faults = []
    for directory in _directories("verify", arguments):
        sealed = run_directory.require(directory)
        found = run_directory.damaged(directory, sealed)
        faults += found
        unsigned = (
            "" if "sha256" in sealed else f"; {run_directory.MANIFEST} is of an earlier format without a checksum"
        )
        say(f"{directory}: {len(sealed['files'])} files, {len(found)} damaged{unsigned}")
    say(*faults, sep="\n", end="\n" * bool(faults), file=sys.stderr)
    return FAILED if faults else DONE


def rerun(arguments: list[str]) -> int:
    """Train every network of a run again in a store of its own and compare its records with the run's."""
    import io
    import tempfile
    from contextlib import redirect_stdout

    [directory] = _directories("rerun", arguments)  # before what takes seconds to import
    known = run_directory.require(directory).get("learned")

    from expzoo.lab.learned import resolved, wholes
    from expzoo.runs import experiment
    from expzoo.store import records
    from expzoo.store.store import Store

    config = typed_again(run_directory.config_of(directory))
    config = resolved(config, wholes(config, Store(place(config["store"]), ""), known))
    with tempfile.TemporaryDirectory() as scratch:
        again, elsewhere = Path(scratch) / "run", {"store": f"{scratch}/store", "dry_run": False, "logger": {}}
        with redirect_stdout(io.StringIO()):  # the verdicts of a directory that will not be there
            code = experiment.run(config | elsewhere, again)
        if code != DONE:
            return code
        found, before = (records.read(folder / run_directory.RECORDS) for folder in (again, directory))
    equal, once = records.equal(found, before), len(before) - len(records.repeated(before))
    but = (
        f"; {once:,} of {len(before):,} rows are of that run alone, such as times, and are not compared" if once else ""
    )
    say(f"equal records{but}" if equal else "other records: see the machine classes in environment.json")
    return DONE if equal else FAILED


def compare(arguments: list[str]) -> int:
    """Print the claims of several runs beside each other, and the settings in which the runs differ."""
    from expzoo.science import wording
    from expzoo.science.verdicts import read_verdicts

    directories = _directories("compare", arguments, least=2)
    flats = []
    for directory in directories:
        flats.append(dict(leaves(run_directory.config_of(directory))))
    for key in sorted({key for flat in flats for key in flat}):
        values = [flat.get(key) for flat in flats]
        if any(value != values[0] for value in values):
            say(f"{quoted(key)}: {' | '.join(quoted(value, 1000) for value in values)}")
    told: dict[str, list[str]] = {}
    for column, directory in enumerate(directories):
        for verdict in read_verdicts(directory / run_directory.VERDICTS):
            line = f"{wording.effect(verdict)} {wording.interval(verdict)} {verdict.verdict}"
            told.setdefault(verdict.claim, ["-"] * len(directories))[column] = line
    for claim, lines in told.items():
        say(f"{quoted(claim)}: {' | '.join(map(quoted, lines))}")
    return DONE


def store(arguments: list[str]) -> int:
    """Say what a store holds, and check every network's checksum."""
    from expzoo.store.store import FORMAT, files_of
    from expzoo.system.checksummed import Corrupt, read_packed

    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        raise BadInput("usage: expzoo store [DIRECTORY]")
    root = _typed(arguments[0]) if arguments else Path("outputs/store")
    if not root.is_dir():
        raise BadInput(f"{quoted(root)} is no store: give its directory")
    networks, partials, foreign, size, faults, functions = 0, 0, 0, 0, [], set[str]()
    for path in files_of(root):
        try:
            size += path.lstat().st_size
            arrays, about = read_packed(path, root)
            foreign += about.get("format", FORMAT) != FORMAT
            functions |= _learned(path, arrays, about)
        except (Corrupt, FileNotFoundError) as error:  # or another process has just finished a network
            faults += [str(error)] if isinstance(error, Corrupt) else []
        networks += path.name == "network.safetensors"
        partials += path.name.startswith("partial")
    told = f"{root}: {networks} networks, {partials} partial files, {size / 2**20:.0f} MiB, {len(faults)} corrupted"
    say(told + (f", {foreign} of another format than {FORMAT}" if foreign else ""))
    if functions:
        say("learned activations, for model.activation=NAME:", *sorted(functions), sep="\n  ")
    say(*faults, sep="\n", end="\n" * bool(faults), file=sys.stderr)
    return FAILED if faults else DONE


def _learned(path: Path, arrays: dict[str, Any], about: dict[str, str]) -> set[str]:
    """What there is to say of a stored file if it is a learned activation that can be used."""
    from expzoo.components.learned_activations import KIND, PREFIX
    from expzoo.system.checksummed import Corrupt

    steps, losses = about.get("step", "0"), arrays.get("losses")
    if path.name != "network.safetensors" or f"steps/{KIND}/" not in arrays or steps == "0":
        return set()
    if losses is None or losses.ndim != 1 or not len(losses) or losses.dtype.kind != "f":
        raise Corrupt(f"{quoted(path)} holds no network: its losses are no list of numbers")
    key = path.parent.parent.name[:8]
    return {f"{PREFIX}{key}  after {quoted(steps, 20)} outer steps, inner training loss {losses[-1]:.3g}"}


def surface(arguments: list[str]) -> int:
    """Draw the loss along the way of a network of a run, and around it, and say where the pictures are."""
    if not 1 <= len(arguments) <= 2 or any(argument.startswith("-") for argument in arguments):
        raise BadInput("usage: expzoo surface DIRECTORY [KEY]")
    directory, key = _typed(arguments[0]), "".join(arguments[1:])
    run_directory.require(directory)  # before what takes seconds to import

    from expzoo.runs import surface as surfaces
    from expzoo.system.signals import Interrupted

    try:
        say(*surfaces.draw(directory, typed_again(run_directory.config_of(directory)), key), sep="\n")
    except Interrupted:
        return INTERRUPTED
    return DONE


VERBS: dict[str, Callable[[list[str]], int]] = {
    "report": report,
    "verify": verify,
    "rerun": rerun,
    "compare": compare,
    "surface": surface,
    "audit": auditing.audit,
    "gallery": publishing.gallery,
    "wandb-report": publishing.wandb_report,
    "store": store,
}
