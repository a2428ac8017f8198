"""Pictures and page of a finished run that has none yet, from its records and arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.config.paths import place
from expzoo.runs import finished
from expzoo.store import run_directory

if TYPE_CHECKING:
    from expzoo.analysis.contract import Analysis


def draw(directory: Path, config: dict[str, Any]) -> None:
    """Draw what a finished run found, from its records and arrays, and write its page; nothing is trained.

    BadInput if its config names a plugin that is not here, ValueError if one of its files cannot be read.
    """
    from expzoo.runs import results

    sealed = run_directory.require(directory)
    if not run_directory.is_rendered(sealed):
        facts = {**run_directory.told(sealed), "rendered": True}
        analyses = built_again(config, sealed)
        findings = [results.read_findings(directory, name) for name in analyses]
        results.write_figures(directory, analyses, findings, finished.verdicts(directory))
        results.write_page(directory, facts)
        run_directory.seal(directory, facts)


def built_again(config: dict[str, Any], sealed: run_directory.Manifest) -> dict[str, Analysis]:
    """The analyses of a finished run, built again."""
    from expzoo.lab.learned import resolved, wholes
    from expzoo.runs.plan import plan
    from expzoo.store.store import Store

    store = Store(place(config["store"]), "")  # of which names of learned components are looked up
    left_out: Any = sealed.get("left_out", {})
    fitting = {name: options for name, options in config["analysis"].items() if name not in left_out}
    names = wholes(config, store, sealed.get("learned"))
    return plan(resolved(config | {"analysis": fitting}, names)).asked()
