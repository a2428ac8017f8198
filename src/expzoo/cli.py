"""The command line: verbs, help, and a Hydra application whose every fault is said before anything is trained."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from expzoo.errors import BadInput, PluginError
from expzoo.interruption import ignore, interruptible
from expzoo.progress import shown
from expzoo.words import Words

if TYPE_CHECKING:
    from omegaconf import DictConfig

DONE, FAILED, BAD_INPUT, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 75


def main() -> int:
    """Do what the command line says and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal cannot show is shown by its number
            stream.reconfigure(errors="backslashreplace")
    try:
        with interruptible():
            return _ended(lambda: _dispatch(sys.argv[1:]), "the system")
    except KeyboardInterrupt:
        return _say(INTERRUPTED, "interrupted: what was done is kept; the same command goes on from here")


def _ended(work: Callable[[], int], place: object) -> int:
    """The exit code of `work`, with what went wrong said; `place` is where, if the system does not say it."""
    try:
        code = work()
        sys.stdout.flush()
    except BadInput as error:
        return _say(BAD_INPUT, *str(error).splitlines())
    except PluginError as error:
        from expzoo.blame import own_traceback

        return _say(FAILED, own_traceback(error), str(error))
    except MemoryError as error:
        return _say(FAILED, f"there is not enough memory: {error}")
    except BrokenPipeError:  # the reader of our output has seen enough: it comes last
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        return _say(FAILED, f"{error.filename or place}: {error.strerror or error}")
    return code


def _say(code: int, *lines: str) -> int:
    print(*lines, sep="\n", file=sys.stderr)
    return code


def _dispatch(arguments: list[str]) -> int:
    words = Words.of(arguments)
    if "--help" in words.flags:
        from expzoo.catalogue import help_text

        print(help_text())
    elif "--version" in words.flags:
        from expzoo import __version__

        print(f"expzoo {__version__}")
    elif words.verb in ("list", "show"):
        from expzoo import catalogue

        return catalogue.main(words.verb, arguments[1:])
    elif words.verb:
        from expzoo import verbs

        return verbs.main(words.verb, arguments[1:])
    else:
        return _run(words)
    return DONE


def _run(words: Words) -> int:
    """Compose and run every job; BadInput with all faults at once."""
    import logging

    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from expzoo import faults, source
    from expzoo.explanations import REFUSALS
    from expzoo.registry import HOME

    logging.raiseExceptions = False  # a log line that nobody reads is no reason for a traceback
    source.install()
    multirun = "--multirun" in words.flags
    wanted = faults.asked(words.overrides, multirun=multirun)
    # One job is left to Hydra first, since a look ahead would take as long again; several are worth it.
    if words.faults or multirun or any(request.suspicious for request in wanted):
        found = [*words.faults, *faults.check(wanted)]
        if found:
            raise BadInput("\n".join(found))
    codes: list[int] = []
    here = os.getpid()

    sweeps: set[Path] = set()

    def job(cfg: DictConfig) -> None:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            sweeps.add(Path(HydraConfig.get().sweep.dir))
        codes.append(_job(cfg))
        if codes[-1] != DONE and os.getpid() != here:  # a launcher's worker: only an exception gets home
            raise RuntimeError(f"the job in {Path.cwd()} ended with exit code {codes[-1]}")

    try:
        with _environment(HYDRA_FULL_ERROR="1"):  # Hydra then raises what it would have printed
            hydra.main(version_base="1.3", config_path=str(HOME / "conf"), config_name="config")(job)()
    except REFUSALS as error:
        raise BadInput("\n".join(faults.check(wanted, error))) from error
    for sweep in sweeps:
        with suppress(OSError):  # Hydra writes it anew at every sweep; each job keeps its own config
            (sweep / "multirun.yaml").unlink()
    return _together(codes)


def _together(codes: list[int]) -> int:
    """One exit code for all jobs: their own if they agree, else partial."""
    return codes[0] if len(set(codes)) == 1 else PARTIAL if codes else DONE


@contextmanager
def _environment(**variables: str | None) -> Generator[None]:
    """The environment with these variables, None for absent, and afterwards as it was."""
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _job(cfg: DictConfig) -> int:
    """One job: its exit code, with what went wrong already said, so that the other jobs of a multirun go on."""
    from hydra.core.hydra_config import HydraConfig

    directory = Path(HydraConfig.get().runtime.output_dir)
    try:
        with _environment(HYDRA_FULL_ERROR=None):  # not for what the job itself starts
            return _ended(lambda: _results(cfg, directory), directory)
    except Exception:  # noqa: BLE001 - the boundary of a job: whatever it is, it is printed and the next job runs
        return _say(FAILED, traceback.format_exc().rstrip())
    finally:
        _remove_empty(directory)


def _remove_empty(directory: Path) -> None:
    """Take away the directories that Hydra made, up to the working directory, if nothing was kept in them."""
    here = Path.cwd()
    with suppress(OSError):
        for folder in (directory, *directory.parents):
            if folder == here or not (folder == directory or folder.is_relative_to(here)):
                return
            folder.rmdir()


def _results(cfg: DictConfig, directory: Path) -> int:
    from hydra.core.hydra_config import HydraConfig

    from expzoo import faults, finished, identity

    if found := faults.incomplete(cfg):
        raise BadInput("\n".join(found))
    config = identity.plain(cfg)
    config["about"]["experiment"] = identity.experiment_name(HydraConfig.get().overrides.task)
    if finished.show_if_finished(directory, config):
        return DONE
    with shown("starting"):
        from expzoo import experiment
    code = experiment.run(config, directory)
    if code == INTERRUPTED:
        ignore()
        sys.exit(code)  # the jobs that remain are not to be started
    return code
