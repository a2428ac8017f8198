"""The spine: from a plain config to networks, records, verdicts, figures and a report."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.analysis.contract import Analysis, Setting
from expzoo.components.feasibility import loss_faults, model_faults
from expzoo.config import registry
from expzoo.config.plugin_errors import plugins_are_blamed
from expzoo.lab import learned
from expzoo.lab.lockstep import Asking, lockstep, noting
from expzoo.lab.open import open_lab
from expzoo.lab.populations import Irreproducible
from expzoo.lab.progress import shown
from expzoo.runs import results
from expzoo.runs.finished import show
from expzoo.runs.trackers import mirror
from expzoo.spec.spec import Spec
from expzoo.store import run_directory
from expzoo.system.console import say
from expzoo.system.errors import BadInput, PluginError, first_line
from expzoo.system.exit_codes import DONE, FAILED, INTERRUPTED
from expzoo.system.garbage import no_collection
from expzoo.system.randomness import member_seed
from expzoo.system.signals import Interrupted

if TYPE_CHECKING:
    from expzoo.lab.accounting import Account
    from expzoo.lab.lab import Lab

log = logging.getLogger(__name__)


class Said(logging.Handler):
    """Says warnings on standard error as it is at the time: above the progress display, where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        say(self.format(record), file=sys.stderr)


@plugins_are_blamed()
def run(config: dict[str, Any], directory: Path, overrides: Sequence[str] | None = None, lab: Lab | None = None) -> int:
    """Run the experiment of a plain, resolved config; the exit code. BadInput before anything is trained.

    `overrides` are what it was composed from; if they are not given, those of the job that Hydra
    runs now. `lab` is the config's, if it was opened already; it is closed.
    """
    lab = lab or open_lab(config)
    try:
        return lab.drive(conduct(config, directory, lab, overrides=overrides))
    except Interrupted:
        say("interrupted: what was done is kept; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except Irreproducible as error:
        say(error, file=sys.stderr)
        return FAILED
    finally:
        lab.close()


def conduct(
    config: dict[str, Any],
    directory: Path,
    lab: Lab,
    *,
    render: bool = True,
    overrides: Sequence[str] | None = None,
) -> Asking[int]:
    """An experiment that asks `lab`, or whoever drives it, for its networks; the exit code.

    Without `render` there are no pictures and no page, which are made from the results when they
    are opened, and nothing is shown.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[Said()])

    # What is asked: every plugin is built now, so that impossible settings are refused before training.
    with shown("looking at what is asked"), no_collection():
        names = learned.wholes(config, lab.store)
        setting, analyses = prepare(learned.resolved(config, names))
    if config["dry_run"]:
        from expzoo.runs.dry_run import show_plan

        show_plan(lab, setting, analyses)
        return DONE

    # Networks, by whatever is stored and by training the rest.
    begin, keys = time.perf_counter(), set[str]()
    findings = yield from noting(lockstep([analysis.measure(setting) for analysis in analyses.values()]), keys)

    # Records first, then what is made of them; the manifest says that all of it is there, the logger mirrors it.
    account = lab.account.of(keys)
    with shown("judging and drawing" if render else "judging"):
        results.write_records(directory, config, analyses, findings)
        verdicts = results.judge(directory, config, analyses, findings)
        if render:
            results.write_figures(directory, analyses, findings, verdicts)
        results.write_environment(directory, account)
        facts = results.facts(config, directory, account, time.perf_counter() - begin)
        facts |= {"learned": names} if names else {}  # so that the run can be made again without this store
        run_directory.seal(directory, facts | {"rendered": render, "command": command(overrides)})
        mirror(config, directory)
        if render:
            results.write_page(directory)
    report_divergence(account)
    if render:
        show(directory)
    return DONE


def prepare(config: dict[str, Any]) -> tuple[Setting, dict[str, Analysis]]:
    """The setting and the analyses of a config; BadInput, with every fault, if they cannot be built."""
    faults, analyses, base = [], {}, None
    for name, options in (config["analysis"] or {}).items():
        try:
            analyses[name] = registry.build_node("analysis", {**options, "name": name})
        except BadInput as error:
            faults.append(str(error))
    try:
        base = Spec.from_config(config)
        dataset = base.dataset.build()
        for kind in ("optimizer", "schedule", "loss", "stop"):
            getattr(base, kind).build()
        faults += model_faults(base, dataset) or loss_faults(base, dataset)
    except BadInput as error:
        faults.append(str(error))
    except PluginError as error:
        if not isinstance(error.__cause__, MemoryError | OverflowError | RuntimeError):
            raise
        faults.append(f"{error}: {first_line(error.__cause__)}")
    if not config["analysis"]:
        faults.append("analysis is empty: choose at least one, such as analysis=[learning_curves]")
    if faults or base is None:
        raise BadInput("\n".join(faults))
    seeds = tuple(member_seed(config["seed"], index) for index in range(config["population"]["size"]))
    return Setting(base, seeds, config["budget"]), analyses


def command(overrides: Sequence[str] | None = None) -> str:
    """The command line that makes this run again, from Hydra if it started us."""
    import shlex

    from hydra.core.hydra_config import HydraConfig

    if overrides is None:
        overrides = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    return shlex.join(["python", "-m", "expzoo", *overrides])


def report_divergence(account: Account) -> None:
    """Say it when networks diverged: nothing drops them silently."""
    if count := len(account.diverged):
        total = len(account.trained | account.cached)
        say(f"{count} of {total} networks diverged; they are left out of intervals and counted", file=sys.stderr)
