"""The command line: verbs, help, and a Hydra application whose every fault is said before anything is trained."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress

from expzoo.cli.arguments import Words
from expzoo.config.homes import CONF, looked_at_once
from expzoo.config.paths import readable
from expzoo.runs.jobs import environment, outcome_of, print_outcome
from expzoo.system.console import say
from expzoo.system.errors import BadInput, PluginError
from expzoo.system.exit_codes import BAD_INPUT, DONE, INTERRUPTED, Outcome
from expzoo.system.garbage import end_quickly
from expzoo.system.signals import forget, interruptible


def main() -> int:
    """Do what the command line says and return the exit code."""
    end_quickly()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show is shown by its number
            stream.reconfigure(errors="backslashreplace")
    try:
        with interruptible():
            code = _dispatch([readable(word) for word in sys.argv[1:]])
            sys.stdout.flush()
            return code
    except KeyboardInterrupt:
        forget()
        return print_outcome(
            Outcome(INTERRUPTED, "interrupted: what was done is kept; the same command goes on from here")
        )
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (BadInput, PluginError, MemoryError, OSError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
            told = f"{str(error.filename)[:60]}...: a name too long for the file system"
            return print_outcome(Outcome(BAD_INPUT, told))
        return print_outcome(outcome_of(error))


def _dispatch(arguments: list[str]) -> int:
    words = Words.of(arguments)
    with environment(**{CONF: str(words.config_dir)} if words.config_dir else {}):
        return _do(words)


def _do(words: Words) -> int:
    """What the words ask for; the exit code."""
    if "--help" in words.flags or words.is_bare:
        return _help(words)
    if "--version" in words.flags:
        from expzoo.system.version import __version__

        say(f"expzoo {__version__}")
        return DONE
    if not words.verb:
        return _complete(words) if "--shell-completion" in words.flags else _run(words)
    if words.faults:
        raise BadInput("\n".join(words.faults))
    if words.verb in ("list", "show"):
        from expzoo.cli import catalogue

        return catalogue.main(words.verb, words.rest)
    if words.verb == "new":
        from expzoo.cli import scaffold

        return scaffold.main(words.rest)
    from expzoo.cli import commands

    return commands.main(words.verb, words.rest)


def _help(words: Words) -> int:
    """The text on a verb, or on all; if nothing was asked at all, that is no run of what happens to be the default."""
    from expzoo.cli import catalogue, verbs

    say(verbs.verb_text(words.verb) if words.verb else catalogue.help_text())
    if "--help" in words.flags:
        return DONE
    asked = "nothing is asked for: say +experiment=NAME, where expzoo list experiments says the names, or key=value"
    return print_outcome(Outcome(BAD_INPUT, asked))


def _complete(words: Words) -> int:
    """What the tab key may add: after a verb expzoo's own words, else Hydra's beside them."""
    from expzoo.cli import completion

    line = os.environ.get("COMP_LINE", "")
    if not any(word.startswith("query=") for word in words.overrides):
        return _run(words)
    own, rest, folder = completion.answer(line)
    say(*own, sep="\n", end="\n" if own else "")
    if rest is None:
        return DONE
    # What is wrong with a line is said when it is entered.
    with environment(**{"COMP_LINE": rest, CONF: folder}), suppress(BadInput):
        _run(words)
    return DONE


@looked_at_once()
def _run(words: Words) -> int:
    """Compose and run every job; BadInput with all faults at once."""
    import hashlib
    import logging

    import hydra

    from expzoo.config import check, hydra_source
    from expzoo.config.explanations import REFUSALS
    from expzoo.config.homes import HOME
    from expzoo.runs.jobs import Task, combined_exit_code
    from expzoo.runs.trackers import SWEEP
    from expzoo.system.logs import say_what_is_logged

    sys.argv[1:] = words.for_hydra  # which is where Hydra reads them
    logging.raiseExceptions = False  # a log line that nobody reads is no reason for a traceback
    if any(word.startswith("hydra.verbose=") for word in words.overrides):  # Hydra's --info sees to its own
        say_what_is_logged()
    hydra_source.install()
    multirun = "--multirun" in words.flags
    wanted = check.parse_requests(words.overrides, multirun=multirun)
    # One job is left to Hydra first, since a look ahead would take as long again; several are worth it.
    if words.faults or multirun or any(request.suspicious for request in wanted):
        found = [*words.faults, *check.check(wanted)]
        if found:
            raise BadInput("\n".join(found))
    task = Task()
    try:
        sweep = hashlib.sha256("\n".join(words.overrides).encode()).hexdigest()[:12]
        shared = {SWEEP: sweep} if multirun else {}
        with environment(HYDRA_FULL_ERROR="1", **shared):  # Hydra then raises what it would have printed
            hydra.main(version_base="1.3", config_path=str(HOME / "conf"), config_name="config")(task)()
    except REFUSALS as error:
        cause = error.__cause__
        if isinstance(cause, BadInput | PluginError):  # of a launcher or sweeper that Hydra could not make
            raise cause from cause.__cause__
        raise BadInput("\n".join(check.check(wanted, error))) from error
    return combined_exit_code([outcome.code for outcome in task.outcomes])
