"""A W&B Report without W&B: its spec, as it was seen once, and saved to a stand-in for the server, failures too."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import random
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from expzoo.report import gallery
from expzoo.runs import wandb_report
from expzoo.science.verdicts import Verdict, dump_verdicts
from expzoo.store import records, run_directory
from expzoo.system.errors import BadInput

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the package itself
GOLDEN = Path(__file__).parents[1] / "golden" / "wandb_report.json"
VIEWER = {"id": "u", "entity": "me", "flags": "{}", "username": "me", "email": "e", "admin": False}
PROJECT = {"id": "UHJv", "name": "expzoo", "entityName": "me", "user": None, "isBenchmark": False}
ANSWERS: dict[str, Any] = {
    "ProjectInternalId": {"project": {"id": "UHJv", "internalId": "42"}},
    "GetDefaultEntity": {"viewer": VIEWER},
    "Viewer": {"viewer": VIEWER | {"teams": {"edges": []}, "apiKeys": {"edges": []}}, "serverInfo": {}},
    "GetProjects": {
        "models": {
            "edges": [{"node": PROJECT | {"createdAt": "2026-01-01T00:00:00"}, "cursor": "a"}],
            "pageInfo": {"endCursor": "a", "hasNextPage": False},
        }
    },
}


@pytest.fixture(autouse=True)
def _package(not_run: Callable[[str], NoReturn]) -> None:
    if importlib.util.find_spec("wandb_workspaces") is None:
        not_run("needs expzoo[wandb-report]")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run: two arms, a curve of one of them, a claim and a figure."""
    directory = tmp_path / "outputs" / "own" / "0123456789ab"
    (directory / run_directory.FIGURES).mkdir(parents=True)
    verdict = Verdict(
        *("own.wide_wins", "Wide | <b>wins</b>.", 3.0, "percentage points", (-1.0, 4.0), 0.95, 5, "inconclusive"),
        *("+5 points", "a paper (2019), figure 1", 1.0, "greater", "paired t", 14),
    )
    (directory / run_directory.VERDICTS).write_text(dump_verdicts([verdict]))
    (directory / run_directory.CONFIG).write_text("model:\n  width: 5\nabout:\n  title: Width\n  question: Wins it?\n")
    rows = [
        {"key": f"{seed}{step}".rjust(64, "0"), "arm": "wide", "seed": seed, "step": step, "split": "test"}
        | {"metric": "accuracy", "value": 50.0 + seed + step, "analysis": "own"}
        for seed in range(3)
        for step in (1, 2)
    ]
    records.write(records.frame(rows), directory / run_directory.RECORDS)
    told = [{"name": "bars", "title": "Bars", "caption": ""}]
    (directory / run_directory.FIGURES / "figures.json").write_text(json.dumps(told))
    (directory / run_directory.REPORT).write_text("<html>")
    for name in (run_directory.ENVIRONMENT, run_directory.ARRAYS):
        (directory / name).write_text("{}")
    run_directory.seal(directory, {"run": directory.name, "experiment": "own", "command": "expzoo +experiment=own"})
    return directory


def test_the_spec_is_what_it_was(run: Path) -> None:
    state = random.getstate()
    random.seed(0)  # by which the package names blocks
    try:
        report = wandb_report.build(wandb_report.told(run), "expzoo", None)
        spec = report._to_model().spec.model_dump_json(by_alias=True, exclude_none=True)
    finally:
        random.setstate(state)
    text = json.dumps(scrubbed(json.loads(spec)), indent=1, ensure_ascii=False) + "\n"
    if not GOLDEN.exists():  # deleted, so that it is written anew
        GOLDEN.write_text(text)
        pytest.fail(f"{GOLDEN} is written anew: look at it")
    assert text == GOLDEN.read_text()
    for part in ("wide/accuracy/test/low", "figures/bars", "expzoo +experiment=own", "width: 5", "holds +1", "(2019)"):
        assert part in text, part
    assert "<b>" not in text.replace("\\\\<b\\\\>", "")


def scrubbed(node: Any) -> Any:
    """The spec without identifiers that are drawn."""
    if isinstance(node, list):
        return [scrubbed(one) for one in node]
    if isinstance(node, dict):
        return {key: scrubbed(value) for key, value in node.items() if key not in ("id", "__id__", "ref")}
    return node


def test_a_sweep_and_a_gallery_have_reports_too(tmp_path: Path, run: Path) -> None:
    entry, _ = gallery.entry(run, "smoke")
    gallery.write_entry(tmp_path / "site", entry, None, pages=False)
    said = wandb_report.told(tmp_path / "site")
    assert list(said.sections) == ["a paper (2019)"]
    assert said.runs == ("0123456789ab",)
    assert wandb_report.build(said, "expzoo", None).blocks
    with pytest.raises(BadInput, match="holds no finished run"):
        wandb_report.told(tmp_path)


def test_a_cell_is_no_markup() -> None:
    assert wandb_report._cell("a | <b>\n`c`") == r"a \| \<b\> \`c\`"


def test_nobody_waits_for_a_server_that_hangs(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr(wandb_report, "SECONDS", 0.05)
    monkeypatch.setattr(wandb_report, "_saved", lambda *_, **__: gate.wait(60) and {})
    with pytest.raises(wandb_report.Refused, match=r"W&B did not answer within 0\.05 seconds"):
        wandb_report.publish(run, "expzoo", None, draft=True)
    gate.set()
    assert wandb_report.kept(run) == {}


class Server(http.server.ThreadingHTTPServer):
    """Answers as W&B's server does, or refuses."""

    def __init__(self, *, refuses: bool) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.refuses = refuses
        self.views: list[dict[str, Any]] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        answer: Any = {"data": {}}
        if "graphql" in self.path:
            body = json.loads(raw)
            found = re.search(r"(?:query|mutation)\s+(\w+)", body["query"])
            name, given = found[1] if found else "", body.get("variables") or {}
            answer = {"data": next((data for key, data in ANSWERS.items() if key in name), {})}
            if "upsertView" in name:
                answer = self._saved(given)
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _saved(self, given: dict[str, Any]) -> Any:
        if self.server.refuses:
            return {"errors": [{"message": "permission denied"}], "data": None}
        self.server.views.append(given)
        view = {key: given[key] for key in ("type", "name", "displayName", "description", "spec")}
        view |= {"id": given["id"] or "VmlldzoxMjM=", "updatedAt": None}
        view["project"] = {"id": "UHJv", "name": given["projectName"], "entityName": given["entityName"]}
        return {"data": {"upsertView": {"view": view, "inserted": not given["id"]}}}


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Server(refuses=getattr(request, "param", False)) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def typed(run: Path, server: Server, home: Path, *words: str, key: str = "0" * 40) -> tuple[int, str, str]:
    """What `expzoo wandb-report` ends with in a process of its own, whose W&B is the stand-in."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    own = {"HOME": str(home), "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}"}
    own |= {"WANDB_API_KEY": key} if key else {}
    command = [sys.executable, "-m", "expzoo", "wandb-report", str(run), *words]
    done = subprocess.run(command, env=kept | own, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_saved_again_it_is_the_same_report(tmp_path: Path, run: Path, server: Server) -> None:
    code, out, err = typed(run, server, tmp_path)
    assert (code, err) == (0, "")
    assert out.strip().endswith("/me/expzoo/reports/Width--VmlldzoxMjM=")
    assert wandb_report.kept(run) == {"id": "VmlldzoxMjM=", "url": out.strip()}
    assert run_directory.damaged(run, run_directory.require(run)) == []
    assert typed(run, server, tmp_path, "--publish") == (0, out, "")
    assert [view["id"] for view in server.views] == [None, "VmlldzoxMjM="]
    assert [view["type"] for view in server.views] == ["runs/draft", "runs"]


@pytest.mark.slow
@pytest.mark.parametrize("server", [True], indirect=True)
def test_what_is_refused_is_said_on_a_line(tmp_path: Path, run: Path, server: Server) -> None:
    code, out, err = typed(run, server, tmp_path)
    assert (code, out, len(err.splitlines())) == (1, "", 1), err
    assert err.startswith("expzoo wandb-report: W&B refused the report: ")
    assert "permission denied" in err
    assert wandb_report.kept(run) == {}


@pytest.mark.slow
def test_without_a_login_it_is_said_what_to_type(tmp_path: Path, run: Path, server: Server) -> None:
    code, out, err = typed(run, server, tmp_path, key="")
    assert (code, out) == (1, "")
    assert err == "expzoo wandb-report: there is no login: type wandb login, or set WANDB_API_KEY\n"
