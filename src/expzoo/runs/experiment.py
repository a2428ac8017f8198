"""The spine: from a plain config to networks, records, verdicts, figures and a report."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.config.homes import typed_folder
from expzoo.config.plugin_errors import plugins_are_blamed
from expzoo.lab import learned
from expzoo.lab.lockstep import Asking, lockstep, noting
from expzoo.lab.open import open_lab
from expzoo.lab.pinned import say_changes
from expzoo.lab.populations import Irreproducible
from expzoo.lab.progress import shown
from expzoo.runs import results, robustness
from expzoo.runs.finished import show
from expzoo.runs.live import watchers
from expzoo.runs.plan import plan
from expzoo.runs.trackers import mirror
from expzoo.store import run_directory
from expzoo.system.console import say
from expzoo.system.exit_codes import DONE, FAILED, INTERRUPTED
from expzoo.system.garbage import no_collection
from expzoo.system.logs import say_what_is_logged
from expzoo.system.signals import Interrupted

if TYPE_CHECKING:
    from expzoo.lab.accounting import Account
    from expzoo.lab.lab import Lab


@plugins_are_blamed()
def run(config: dict[str, Any], directory: Path, overrides: Sequence[str] | None = None, lab: Lab | None = None) -> int:
    """Run the experiment of a plain, resolved config; the exit code. BadInput before anything is trained.

    `overrides` are what it was composed from; if they are not given, those of the job that Hydra
    runs now. `lab` is the config's, if it was opened already; it is closed.
    """
    lab, watching = lab or open_lab(config), ExitStack()
    try:
        for live in () if config["dry_run"] else watchers(config, directory):
            watching.callback(live.close)
            lab.resources.watchers.append(live.note)
        return lab.drive(conduct(config, directory, lab, overrides=overrides, trained=watching.close))
    except Interrupted:
        say("interrupted: what was done is kept; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except Irreproducible as error:
        say(error, file=sys.stderr)
        return FAILED
    finally:
        watching.close()
        lab.close()


def conduct(
    config: dict[str, Any],
    directory: Path,
    lab: Lab,
    *,
    render: bool = True,
    overrides: Sequence[str] | None = None,
    trained: Callable[[], None] = lambda: None,
) -> Asking[int]:
    """An experiment that asks `lab`, or whoever drives it, for its networks; the exit code.

    Without `render` there are no pictures and no page, which are made from the results when they
    are opened, and nothing is shown. `trained` is called once all networks are there.
    """
    say_what_is_logged()

    # What is asked: every plugin is built now, so that impossible settings are refused before training.
    with shown("looking at what is asked"), no_collection():
        names = learned.wholes(config, lab.store)
        planned = plan(learned.resolved(config, names), lab.resources.blueprints.dataset)
        begun = planned.begin()
    notes, analyses = planned.say_notes(beforehand=render or config["dry_run"]), planned.asked()
    if config["dry_run"]:
        from expzoo.runs.dry_run import show_plan

        show_plan(lab, list(begun.values()))
        return DONE

    # Networks, by whatever is stored and by training the rest.
    say_changes(lab.store.root, (("analysis", name) for name in config["analysis"]))
    begin, keys = time.perf_counter(), set[str]()
    findings = yield from noting(lockstep([*begun.values()]), keys)
    trained()
    analyses, findings = robustness.that_differ(analyses, findings)

    # Records first, then what is made of them; the manifest says that all of it is there, the logger mirrors it.
    account = lab.account.of(keys)
    with shown("judging and drawing" if render else "judging"):
        results.write_records(directory, config, analyses, findings)
        verdicts = results.judge(directory, config, analyses, findings)
        if render:
            results.write_figures(directory, analyses, findings, verdicts)
        results.write_environment(directory, config, account)
        facts = results.facts(config, directory, account, time.perf_counter() - begin, notes)
        facts |= said({"left_out": planned.left_out, "learned": names})  # to make it again without this store
        finish(directory, config, facts | {"rendered": render, "command": command(overrides)})
    report_divergence(account)
    if render:
        show(directory)
    return DONE


def finish(directory: Path, config: dict[str, Any], facts: dict[str, Any]) -> None:
    """The page, if it is drawn now, then the manifest; a logger mirrors what it seals."""
    if facts["rendered"]:
        results.write_page(directory, facts)
    run_directory.seal(directory, facts)
    mirror(config, directory)


def said(facts: dict[str, Any]) -> dict[str, Any]:
    """Those of these facts that there are."""
    return {name: fact for name, fact in facts.items() if fact}


def command(overrides: Sequence[str] | None = None) -> str:
    """The command line that makes this run again, from Hydra if it started us."""
    import shlex

    from hydra.core.hydra_config import HydraConfig

    from expzoo.config.identity import typed

    if overrides is None:
        overrides = typed(HydraConfig.get()) if HydraConfig.initialized() else []
    return shlex.join(["python", "-m", "expzoo", *typed_folder(), *overrides])


def report_divergence(account: Account) -> None:
    """Say it when networks diverged: nothing drops them silently."""
    if count := len(account.diverged):
        total = len(account.trained | account.cached)
        say(f"{count} of {total} networks diverged: the verdicts say what they count as", file=sys.stderr)
