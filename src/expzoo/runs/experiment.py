"""The spine: from a plain config to networks, records, verdicts, figures and a report."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.analysis.contract import Analysis, Findings, Setting
from expzoo.components.feasibility import loss_faults, model_faults
from expzoo.config import registry
from expzoo.config.identity import run_id
from expzoo.config.plugin_errors import plugins_are_blamed
from expzoo.lab import learned
from expzoo.lab.lockstep import Asking, lockstep, noting
from expzoo.lab.open import open_lab
from expzoo.lab.populations import Irreproducible
from expzoo.lab.progress import shown
from expzoo.runs.finished import comparable, show
from expzoo.runs.trackers import mirror
from expzoo.science.verdicts import Verdict, dump_verdicts
from expzoo.spec.spec import Spec
from expzoo.store import run_directory
from expzoo.system.errors import BadInput, PluginError, first_line
from expzoo.system.exit_codes import DONE, FAILED, INTERRUPTED
from expzoo.system.garbage import no_collection
from expzoo.system.randomness import member_seed
from expzoo.system.signals import Interrupted

if TYPE_CHECKING:
    from expzoo.lab.accounting import Account
    from expzoo.lab.lab import Lab
    from expzoo.report.figures.figure import Figure

log = logging.getLogger(__name__)


class Said(logging.Handler):
    """Says warnings on standard error as it is at the time: above the progress display, where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        print(self.format(record), file=sys.stderr)


@plugins_are_blamed()
def run(config: dict[str, Any], directory: Path, overrides: Sequence[str] | None = None, lab: Lab | None = None) -> int:
    """Run the experiment of a plain, resolved config; the exit code. BadInput before anything is trained.

    `overrides` are what it was composed from; if they are not given, those of the job that Hydra runs now. `lab` is
    the config's, if it was opened already; it is closed.
    """
    lab = lab or open_lab(config)
    try:
        return lab.drive(conduct(config, directory, lab, overrides=overrides))
    except Interrupted:
        print("interrupted: what was done is kept; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except Irreproducible as error:
        print(error, file=sys.stderr)
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

    Without `render` there are no pictures and no page, which are made from the results when they are opened, and
    nothing is shown.
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
        verdicts = write_results(directory, config, analyses, findings)
        if render:
            write_figures(directory, analyses, findings, verdicts)
        facts = about(config, directory, account, time.perf_counter() - begin)
        facts |= {"learned": names} if names else {}  # so that the run can be made again without this store
        run_directory.seal(directory, facts | {"rendered": render, "command": command(overrides)})
        mirror(config, directory)
        if render:
            write_report(directory)
    report_divergence(account)
    if render:
        show(directory)
    return DONE


def prepare(config: dict[str, Any]) -> tuple[Setting, dict[str, Analysis]]:
    """The setting and the analyses of a config; BadInput, with every fault, if they cannot be built."""
    faults, analyses, base = [], {}, None
    for name, options in (config["analysis"] or {}).items():
        try:
            analyses[name] = registry.build("analysis", name, **{k: v for k, v in options.items() if k != "name"})
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


def write_results(
    directory: Path, config: dict[str, Any], analyses: dict[str, Analysis], findings: list[Findings]
) -> list[Verdict]:
    """Records, arrays and verdicts; each analysis sees its own records only."""
    import yaml

    from expzoo.store import records
    from expzoo.system.checksummed import pack
    from expzoo.system.files import write_atomically

    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(directory / run_directory.CONFIG, yaml.safe_dump(config, sort_keys=False).encode())
    rows = [{**row, "analysis": name} for name, own in zip(analyses, findings, strict=True) for row in own.rows]
    records.write(records.frame(rows), directory / run_directory.RECORDS)
    arrays = {f"{name}/{k}": v for name, own in zip(analyses, findings, strict=True) for k, v in own.arrays.items()}
    write_atomically(directory / run_directory.ARRAYS, pack(arrays, {}))
    verdicts: list[Verdict] = []
    for (name, analysis), own in zip(analyses.items(), findings, strict=True):
        table = records.frame(own.rows)
        verdicts += [cut(verdict, config["about"]["cut"]) for verdict in analysis.judge(table, own.arrays)]
        log.info("%s judged %d rows", name, len(own.rows))
    write_atomically(directory / run_directory.VERDICTS, dump_verdicts(verdicts).encode())
    return verdicts


def write_figures(
    directory: Path, analyses: dict[str, Analysis], findings: list[Findings], verdicts: list[Verdict]
) -> None:
    """The pictures of the verdicts and of each analysis; of two with one name the second gets its analysis's too."""
    from expzoo.report import figures
    from expzoo.store import records

    pictures: list[Figure] = [figures.forest(verdicts)] if verdicts else []
    for (name, analysis), own in zip(analyses.items(), findings, strict=True):
        taken = {picture.name for picture in pictures}
        for picture in analysis.draw(records.frame(own.rows), own.arrays):
            pictures.append(replace(picture, name=f"{name}-{picture.name}") if picture.name in taken else picture)
    figures.save_all(pictures, directory / run_directory.FIGURES)


def cut(verdict: Verdict, how: str) -> Verdict:
    """A verdict whose statement says how the published setting was cut, if it was."""
    said = f"{verdict.statement.removesuffix('.')} ({how})."
    return replace(verdict, statement=said) if how else verdict


def about(config: dict[str, Any], directory: Path, account: Account, seconds: float) -> dict[str, Any]:
    """What the manifest says of a run besides its files."""
    from expzoo.runs import environment
    from expzoo.system.files import write_atomically

    facts = environment.describe(set(account.machines.values()))
    write_atomically(directory / run_directory.ENVIRONMENT, run_directory.json_bytes(facts))
    notes = []
    if config["dataset"].get("draw") == "frozen":
        notes.append("All seeds saw one draw of the data: the verdicts speak about this draw only.")
    return {
        "run": directory.name,
        "experiment": directory.parent.name,
        "title": config["about"]["title"],
        "question": config["about"]["question"],
        "source": config["about"]["source"],
        "id": run_id(config),
        "config": comparable(config),
        "networks": {
            "trained": len(account.trained),
            "cached": len(account.cached - account.trained),
            "diverged": len(account.diverged),
            "seconds": round(account.training_seconds, 1),
            "looking_seconds": round(account.looking_seconds, 1),
        },
        "seconds": round(seconds, 1),
        "notes": notes,
    }


def command(overrides: Sequence[str] | None = None) -> str:
    """The command line that makes this run again, from Hydra if it started us."""
    import shlex

    from hydra.core.hydra_config import HydraConfig

    if overrides is None:
        overrides = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    return shlex.join(["python", "-m", "expzoo", *overrides])


def write_report(directory: Path) -> None:
    """Render the page of a run from its files."""
    from expzoo.report import page

    page.write(directory)


def report_divergence(account: Account) -> None:
    """Say it when networks diverged: nothing drops them silently."""
    if count := len(account.diverged):
        total = len(account.trained | account.cached)
        print(f"{count} of {total} networks diverged; they are left out of intervals and counted", file=sys.stderr)
