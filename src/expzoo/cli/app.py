"""The command line: verbs, help, and a Hydra application whose every fault is said before anything is trained."""

from __future__ import annotations

import errno
import io
import os
import sys

from expzoo.cli.arguments import Words
from expzoo.config.paths import readable
from expzoo.runs.jobs import outcome_of, print_outcome
from expzoo.system.console import say
from expzoo.system.errors import BadInput, PluginError
from expzoo.system.exit_codes import DONE, INTERRUPTED, Outcome
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
        return print_outcome(outcome_of(error))


def _dispatch(arguments: list[str]) -> int:
    words = Words.of(arguments)
    if "--help" in words.flags:
        from expzoo.cli.catalogue import help_text

        say(help_text())
    elif "--version" in words.flags:
        from expzoo.system.version import __version__

        say(f"expzoo {__version__}")
    elif words.verb in ("list", "show"):
        from expzoo.cli import catalogue

        return catalogue.main(words.verb, arguments[1:])
    elif words.verb:
        from expzoo.cli import commands

        return commands.main(words.verb, arguments[1:])
    else:
        sys.argv[1:] = arguments  # which is where Hydra reads them
        try:
            return _run(words)
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            raise BadInput(f"{str(error.filename)[:60]}...: a name too long for the file system") from error
    return DONE


def _run(words: Words) -> int:
    """Compose and run every job; BadInput with all faults at once."""
    import logging

    import hydra

    from expzoo.config import check, hydra_source
    from expzoo.config.explanations import REFUSALS
    from expzoo.config.homes import HOME
    from expzoo.runs.jobs import Task, combined_exit_code, environment

    logging.raiseExceptions = False  # a log line that nobody reads is no reason for a traceback
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
        with environment(HYDRA_FULL_ERROR="1"):  # Hydra then raises what it would have printed
            hydra.main(version_base="1.3", config_path=str(HOME / "conf"), config_name="config")(task)()
    except REFUSALS as error:
        cause = error.__cause__
        if isinstance(cause, BadInput | PluginError):  # of a launcher or sweeper that Hydra could not make
            raise cause from cause.__cause__
        raise BadInput("\n".join(check.check(wanted, error))) from error
    return combined_exit_code([outcome.code for outcome in task.outcomes])
