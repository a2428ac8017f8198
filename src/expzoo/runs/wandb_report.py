"""A W&B Report of a run, a sweep or a gallery: the same report model as the page, as blocks of wandb-workspaces.

It shows runs that W&B has (`logger=wandb`, or `wandb sync`). Made again, it is the same report.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from expzoo.components.trackers import LINE, scalars
from expzoo.config.check import typed_again
from expzoo.report import gallery, sweep_page
from expzoo.report.model import Report
from expzoo.report.sweep_model import Comparison
from expzoo.runs.drawing import draw
from expzoo.science import wording
from expzoo.store import records, run_directory, sweep_record
from expzoo.system import untrusted
from expzoo.system.errors import BadInput
from expzoo.system.files import write_atomically

if TYPE_CHECKING:
    from expzoo.science.verdicts import Verdict

KEPT = "wandb_report"  # in the manifest of a run, or in a file of this name
SECONDS = 60.0  # for W&B to answer
MOST_ARMS = 6  # of one panel
MOST_PANELS = 12
MOST_RUNS = 100
MOST_TITLE = 128  # letters, by W&B


class Refused(RuntimeError):
    """W&B did not take the report; what was said about it is one line."""


@dataclass(frozen=True)
class Told:
    """What a report says, before it is made of W&B's blocks: markdown by heading, and what its panels show."""

    title: str
    description: str
    sections: dict[str, str]
    runs: tuple[str, ...] = ()
    panels: dict[str, list[str]] = field(default_factory=dict)
    figures: tuple[str, ...] = ()
    command: str = ""
    config: str = ""


def told(directory: Path) -> Told:
    """What there is to say of a run, a sweep or a gallery; BadInput if it is none of them."""
    if (directory / gallery.DATA).is_dir():
        return _of_gallery(directory)
    if sweep_record.is_sweep(directory):
        return _of_sweep(directory)
    return _of_run(directory)


def _of_run(directory: Path) -> Told:
    sealed = run_directory.whole(directory)
    if not run_directory.is_rendered(sealed):
        draw(directory, typed_again(run_directory.config_of(directory)))
        sealed = run_directory.require(directory)
    report = Report.from_directory(directory, sealed)
    summary = records.summary(records.read(directory / run_directory.RECORDS))
    panels: dict[str, list[str]] = {}
    for name in dict.fromkeys(name for _, values in scalars(summary) for name in values):
        arm, measure = name.split("/", 1)[0], "/".join(name.split("/")[1 : len(LINE)])
        if len(panels.setdefault(measure, [])) < 3 * MOST_ARMS and arm:
            panels[measure].append(name)
    sections = {
        "Verdicts": _verdicts(report.verdicts),
        "How each was decided": "\n".join(f"- `{v.claim}`: {wording.decision(v)}" for v in report.verdicts),
        "Traps": "\n".join(f"- {trap}" for trap in report.traps),
        "Sources": "\n".join(f"- {source}" for source in dict.fromkeys(v.source for v in report.verdicts) if source),
    }
    return Told(
        report.title,
        report.question,
        {name: text for name, text in sections.items() if text},
        (report.run,),
        dict(list(panels.items())[:MOST_PANELS]),
        tuple(picture.name for picture in report.pictures),
        report.command,
        yaml.safe_dump(dict(report.config), sort_keys=False, allow_unicode=True),
    )


def _of_sweep(directory: Path) -> Told:
    compared = Comparison.of(directory)
    tables = {"Summary": sweep_page.summary(compared), "Each claim by setting": sweep_page.claims(compared)}
    runs = tuple(run.directory.name for run in compared.runs)[:MOST_RUNS]
    title = f"{len(compared.runs)} runs over {', '.join(compared.keys)}"
    sections = {name: _table(table.columns, table.rows) for name, table in tables.items() if table.rows}
    return Told(title, "A sweep, compared.", sections, runs)


def _of_gallery(directory: Path) -> Told:
    entries = gallery.read_entries(directory)
    sections: dict[str, list[Verdict]] = {}
    for one in entries:
        for verdict in one.verdicts:
            sections.setdefault(gallery.document(verdict.source or one.source), []).append(verdict)
    tables = {name: _verdicts(verdicts) for name, verdicts in sorted(sections.items())}
    runs = tuple(one.run for one in entries if one.run)[:MOST_RUNS]
    commands = "\n".join(one.command for one in entries)
    return Told("Claims about deep learning, tested", f"{len(entries)} experiments", tables, runs, command=commands)


def _verdicts(verdicts: Sequence[Verdict]) -> str:
    rows = [
        [
            v.claim,
            v.statement,
            wording.effect(v),
            f"{wording.interval(v)} {wording.level(v)}",
            str(v.n),
            v.verdict,
            v.published,
            wording.reason(v),
        ]
        for v in verdicts
    ]
    return _table(["claim", "statement", "effect", "interval", "n", "verdict", "published", "why"], rows)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in markdown; what would be markup in a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines) if rows else ""


def _cell(text: str) -> str:
    plain = " ".join(text.split())
    for letter in "\\|<>`*_[]":
        plain = plain.replace(letter, f"\\{letter}")
    return plain


def build(said: Told, project: str, entity: str | None) -> Any:
    """The report as wandb-workspaces has it. Without an entity nothing is asked of W&B, and it cannot be saved."""
    import wandb_workspaces.reports.v2 as wr

    blocks: list[Any] = [wr.TableOfContents()]
    for name, text in said.sections.items():
        blocks += [wr.H1(name), wr.MarkdownBlock(text)]
    if said.runs:
        query = "|".join(said.runs)
        runs = wr.Runset(entity=entity or "", project=project if entity else "", name="runs", query=query)
        blocks += [wr.H1("Runs"), wr.PanelGrid(runsets=[runs], panels=list(_panels(said)))]
    if said.command:
        blocks += [wr.H1("Command"), wr.MarkdownBlock(f"```\n{said.command}\n```")]
    if said.config:
        blocks += [wr.H1("Configuration"), wr.CodeBlock(said.config, language="yaml")]
    title = said.title[:MOST_TITLE]
    return wr.Report(
        project=project, entity=entity or "nobody", title=title, description=said.description, blocks=blocks
    )


def _panels(said: Told) -> Iterator[Any]:
    import wandb_workspaces.reports.v2 as wr

    for number, (measure, lines) in enumerate(said.panels.items()):
        layout = wr.Layout(12 * (number % 2), 8 * (number // 2), 12, 8)
        yield wr.LinePlot(title=measure, x="step", y=lines, layout=layout)
    below = 8 * ((len(said.panels) + 1) // 2)
    for number, name in enumerate(said.figures):
        layout = wr.Layout(12 * (number % 2), below + 10 * (number // 2), 12, 10)
        yield wr.MediaBrowser(title=name.replace("_", " "), media_keys=[f"figures/{name}"], layout=layout)
    if len(said.runs) > 1:
        yield wr.RunComparer(layout=wr.Layout(0, below, 24, 10))


def require_package() -> None:
    """BadInput, with what installs it, if wandb-workspaces is not here."""
    if find_spec("wandb_workspaces") is None:
        raise BadInput("expzoo wandb-report needs wandb-workspaces: pip install 'expzoo[wandb-report]'")


def publish(directory: Path, project: str, entity: str | None, *, draft: bool) -> str:
    """Save the report of `directory`, or save it anew; its address. Refused if W&B does not take it."""
    require_package()
    said, before = told(directory), kept(directory)
    found: dict[str, str] = {}
    faults: list[BaseException] = []

    def save() -> None:
        try:
            found.update(_saved(said, project, entity, before, draft=draft))
        except BaseException as error:  # noqa: BLE001 - SystemExit among them; it is told by the thread that waits
            faults.append(error)

    thread = threading.Thread(target=save, daemon=True)
    thread.start()
    thread.join(SECONDS)
    if thread.is_alive():
        raise Refused(f"W&B did not answer within {SECONDS:g} seconds; the same command tries again")
    if faults:
        raise Refused(_why(faults[0])) from faults[0]
    _keep(directory, found)
    return found["url"]


def _saved(said: Told, project: str, entity: str | None, before: dict[str, str], *, draft: bool) -> dict[str, str]:
    """Id and address of the report, which is that of `before` if this is in the same project."""
    os.environ["WANDB_SILENT"] = "true"  # the address is said once, by the command
    import wandb

    api = wandb.Api(timeout=int(SECONDS / 3))
    entity = entity or api.default_entity
    report = build(said, project, entity)
    report.id = before.get("id", "") if f"/{entity}/{project}/reports/" in before.get("url", "") else ""
    report.save(draft=draft)
    return {"id": report.id, "url": report.url}


def _why(error: BaseException) -> str:
    text = " ".join(str(error).split())[:300]
    if "api_key" in text.lower() or "api key" in text.lower() or "login" in text.lower():
        return "there is no login: type wandb login, or set WANDB_API_KEY"
    return f"W&B refused the report: {text or type(error).__name__}"


def kept(directory: Path) -> dict[str, str]:
    """What is kept of the report of a directory: its id and address; nothing if it has none."""
    sealed = run_directory.manifest(directory)
    path = directory / f"{KEPT}.json"
    found: object = sealed.get(KEPT) if sealed else None
    if sealed is None and untrusted.is_there(path):
        found = untrusted.json_of(untrusted.read(path, 10_000, directory))
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _keep(directory: Path, found: dict[str, str]) -> None:
    if sealed := run_directory.manifest(directory):
        run_directory.amend(directory, sealed, **{KEPT: found})
    else:
        write_atomically(directory / f"{KEPT}.json", json.dumps(found).encode())
