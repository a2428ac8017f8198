"""The spine: from a plain config to networks, records, verdicts, figures and a report."""

from __future__ import annotations

import logging
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from expzoo import registry, results
from expzoo.analysis import Analysis, Figure, Findings, Setting
from expzoo.blame import plugins_are_blamed
from expzoo.errors import BadInput, PluginError, first_line
from expzoo.feasibility import model_faults
from expzoo.finished import comparable, show
from expzoo.identity import run_id
from expzoo.lab import Interrupted, Irreproducible, Lab
from expzoo.learned import resolved
from expzoo.mirror import mirror
from expzoo.progress import shown, terminal_progress
from expzoo.randomness import member_seed
from expzoo.spec import Spec
from expzoo.verdicts import Verdict, dump_verdicts

log = logging.getLogger(__name__)
DONE, FAILED, INTERRUPTED = 0, 1, 75


class Said(logging.Handler):
    """Says warnings on standard error as it is at the time: above the progress display, where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line."""
        print(self.format(record), file=sys.stderr)


@plugins_are_blamed()
def run(config: dict[str, Any], directory: Path) -> int:
    """Run the experiment of a plain, resolved config; the exit code. BadInput before anything is trained."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[Said()])

    # What is asked: every plugin is built now, so that impossible settings are refused before training.
    with shown("looking at what is asked"):
        lab = open_lab(config)
        setting, analyses = prepare(resolved(config, lab.store))
    if config["dry_run"]:
        from expzoo.plan import show_plan

        show_plan(lab, setting, analyses)
        return DONE

    # Networks, by whatever is stored and by training the rest.
    begin = time.perf_counter()
    try:
        findings = lab.run_together([analysis.measure(setting) for analysis in analyses.values()])
    except Interrupted:
        print("interrupted: what was done is kept; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except Irreproducible as error:
        print(error, file=sys.stderr)
        return FAILED

    # Records first, then what is made of them; the manifest says that all of it is there, the logger mirrors it.
    with shown("judging and drawing"):
        write_results(directory, config, analyses, findings)
        results.seal(directory, about(config, directory, lab, time.perf_counter() - begin))
        mirror(config, directory)
        write_report(directory)
    report_divergence(lab)
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
        faults += model_faults(base, dataset)
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


def open_lab(config: dict[str, Any]) -> Lab:
    """A lab on the config's store and accelerator; BadInput if the accelerator is not there."""
    from expzoo.machine import machine_class
    from expzoo.store import Store

    accelerator = find_accelerator(config["trainer"]["accelerator"])
    store = Store(Path(config["store"]).absolute(), machine_class(accelerator))
    return Lab(store, accelerator=accelerator, progress=terminal_progress())


def find_accelerator(wanted: str) -> str:
    """The device kind: what was asked for, or the best there is."""
    import torch

    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise BadInput("trainer.accelerator=cuda: torch sees no CUDA device here; use cpu or auto")
    return "cuda" if there and wanted != "cpu" else "cpu"


def write_results(
    directory: Path, config: dict[str, Any], analyses: dict[str, Analysis], findings: list[Findings]
) -> None:
    """Records, arrays, verdicts and figures; each analysis sees its own records only."""
    import yaml

    from expzoo import figures, records
    from expzoo.atomic import write_atomically
    from expzoo.packed import pack

    directory.mkdir(parents=True, exist_ok=True)
    write_atomically(directory / results.CONFIG, yaml.safe_dump(config, sort_keys=False).encode())
    rows = [{**row, "analysis": name} for name, own in zip(analyses, findings, strict=True) for row in own.rows]
    records.write(records.frame(rows), directory / results.RECORDS)
    arrays = {f"{name}/{k}": v for name, own in zip(analyses, findings, strict=True) for k, v in own.arrays.items()}
    write_atomically(directory / results.ARRAYS, pack(arrays, {}))
    verdicts: list[Verdict] = []
    pictures: list[Figure] = []
    for (name, analysis), own in zip(analyses.items(), findings, strict=True):
        table = records.frame(own.rows)
        verdicts += [cut(verdict, config["about"]["cut"]) for verdict in analysis.judge(table, own.arrays)]
        pictures += analysis.draw(table, own.arrays)
        log.info("%s judged %d rows", name, len(own.rows))
    if verdicts:
        pictures.insert(0, figures.forest(verdicts))
    write_atomically(directory / results.VERDICTS, dump_verdicts(verdicts).encode())
    figures.save_all(pictures, directory / results.FIGURES)


def cut(verdict: Verdict, how: str) -> Verdict:
    """A verdict whose statement says how the published setting was cut, if it was."""
    said = f"{verdict.statement.removesuffix('.')} ({how})."
    return replace(verdict, statement=said) if how else verdict


def about(config: dict[str, Any], directory: Path, lab: Lab, seconds: float) -> dict[str, Any]:
    """What the manifest says of a run besides its files."""
    from expzoo import environment
    from expzoo.atomic import write_atomically

    facts = environment.describe(lab.tally.machines)
    write_atomically(directory / results.ENVIRONMENT, results.json_bytes(facts))
    tally = lab.tally
    notes = []
    if config["dataset"].get("draw") == "frozen":
        notes.append("All seeds saw one draw of the data: the verdicts speak about this draw only.")
    return {
        "run": directory.name,
        "experiment": directory.parent.name,
        "title": config["about"]["title"],
        "question": config["about"]["question"],
        "source": config["about"]["source"],
        "command": command(),
        "id": run_id(config),
        "config": comparable(config),
        "networks": {
            "trained": len(tally.trained),
            "cached": len(tally.cached - tally.trained),
            "diverged": len(tally.diverged),
            "seconds": round(tally.training_seconds, 1),
            "looking_seconds": round(tally.looking_seconds, 1),
        },
        "seconds": round(seconds, 1),
        "notes": notes,
    }


def command() -> str:
    """The command line that makes this run again, from Hydra if it started us."""
    import shlex

    from hydra.core.hydra_config import HydraConfig

    overrides = list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
    return shlex.join(["python", "-m", "expzoo", *overrides])


def write_report(directory: Path) -> None:
    """Render the page of a run from its files."""
    from expzoo.report import page

    page.write(directory)


def report_divergence(lab: Lab) -> None:
    """Say it when networks diverged: nothing drops them silently."""
    if count := len(lab.tally.diverged):
        total = len(lab.tally.trained | lab.tally.cached)
        print(f"{count} of {total} networks diverged; they are left out of intervals and counted", file=sys.stderr)
