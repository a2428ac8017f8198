"""The gallery in small: what a run becomes, the index of all claims, and published values beside ours."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from expzoo.cli import publishing
from expzoo.report import gallery, published
from expzoo.report.model import Picture, Report
from expzoo.runs import gallery as runs
from expzoo.science.verdicts import Outcome, Verdict
from expzoo.system.errors import BadInput

EVIL = "<script>alert(1)</script>"


def verdict(outcome: Outcome = "supported", **changes: object) -> Verdict:
    base = {
        "claim": "lth.ticket_wins",
        "statement": f"Tickets win {EVIL}.",
        "effect": 3.0,
        "unit": "percentage points",
        "interval": (2.0, 4.0),
        "level": 0.95,
        "n": 5,
        "verdict": outcome,
        "published": "+3.5 points (figure 2)",
        "source": "Frankle & Carbin, The lottery ticket hypothesis (2019), section 3",
        "smallest_effect": 1.0,
        "direction": "greater",
        "rule": "paired t",
    }
    return Verdict.from_json({**verdict_fields(base), **verdict_fields(changes)})


def verdict_fields(values: dict[str, object]) -> dict[str, object]:
    empty = {"n_needed": None, "control": "", "note": "", "reference": 0.0, "self_test": "", "robustness": []}
    listed = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return (empty | listed) if "rule" in values else listed


def noise(width: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (width, width, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def entry(name: str = "tickets", **changes: object) -> gallery.Entry:
    told = {"title": name.title(), "question": "Do they win?", "seconds": 61.0, "budget": "smoke"} | changes
    return gallery.Entry(name, **told)  # type: ignore[arg-type]


class Addresses(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [value or "" for name, value in attrs if name in ("src", "href")]


def test_a_small_file_is_read_back_as_it_was(tmp_path: Path) -> None:
    made = entry(verdicts=(verdict(),), traps=("Cut.",))
    gallery.write_entry(tmp_path, made, None, pages=True)
    assert gallery.read_entries(tmp_path) == [made]


@pytest.mark.parametrize("damage", ["[]", "{", '{"name": "../x"}', "NAME", "VERDICT"])
def test_a_file_of_another_kind_is_named(tmp_path: Path, damage: str) -> None:
    gallery.write_entry(tmp_path, entry(verdicts=(verdict(),)), None, pages=False)
    path = tmp_path / "data" / "tickets.json"
    whole = json.loads(path.read_text())
    odd = {"NAME": whole | {"name": "../../x"}, "VERDICT": whole | {"verdicts": [{"claim": 1}]}}
    path.write_text(json.dumps(odd[damage]) if damage in odd else damage)
    with pytest.raises(BadInput, match=r"tickets\.json.* is no file of a gallery"):
        gallery.write_index(tmp_path)


@pytest.mark.parametrize(("width", "there"), [(100, True), (600, True), (3000, False)])
def test_a_picture_is_made_small_or_left_out(width: int, there: bool) -> None:
    content = gallery.small(noise(width))
    assert len(content) <= gallery.MAX_PICTURE
    if there and width == 100:
        with Image.open(io.BytesIO(content)) as picture:
            assert picture.size == (100, 100)


def test_pages_link_to_each_other_and_fetch_nothing(tmp_path: Path) -> None:
    pictures = (Picture("verdicts", "All", "", png=noise(20)), Picture("curve", "Curve", "How.", png=noise(30)))
    report = Report("Tickets", "Win?", "", "tickets", "0123", "run", (verdict(),), pictures=pictures, cut="small")
    gallery.write_entry(tmp_path, entry(verdicts=(verdict(),), picture="Curve", traps=report.traps), report, pages=True)
    gallery.write_entry(tmp_path, entry("other", failed=EVIL), None, pages=True)
    index = gallery.write_index(tmp_path)
    for page in (index, tmp_path / "tickets" / "index.html"):
        parsed = Addresses(page.read_text())
        own = [address for address in parsed.found if not address.startswith(("data:", "#"))]
        assert own
        assert [address for address in own if not (page.parent / address).is_file()] == []
        assert parsed.tags.count("script") == 1
    assert "Smaller than what was published: small." in (tmp_path / "tickets" / "index.html").read_text()
    assert "Frankle &amp; Carbin, The lottery ticket hypothesis (2019)</h2>" in index.read_text()
    with Image.open(tmp_path / "data" / "tickets.png") as picture:
        assert picture.size == (30, 30)  # not the one of all verdicts


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Greydanus, Scaling down (2020), open questions", "Greydanus, Scaling down (2020)"),
        ("Belkin et al. 2019, figure 2", "Belkin et al. 2019"),
        ("control of ours: after Li (2019)", gallery.OURS),
        ("", gallery.OURS),
        ("folklore", "folklore"),
    ],
)
def test_a_claim_stands_under_its_document(source: str, said: str) -> None:
    assert gallery.document(source) == said


OUTCOMES = [
    ({}, published.AGREES),
    ({"published": "+1 to +2.5 points"}, published.AGREES),
    ({"published": "+9 points (a); +3 points (b)"}, published.AGREES),
    ({"published": "+9 points", "outcome": "supported"}, published.OUTSIDE),
    ({"published": "larger", "outcome": "supported"}, published.AGREES),
    ({"published": "larger", "outcome": "not supported"}, published.OUTSIDE),
    ({"published": "larger", "outcome": "inconclusive"}, published.OPEN),
    ({"outcome": "withheld"}, published.OPEN),
    ({"published": "-38 % steps", "unit": "log points of steps"}, published.AGREES),  # other units: whether it holds
]


@pytest.mark.parametrize(("changes", "said"), OUTCOMES)
def test_ours_is_compared_with_theirs(changes: dict[str, str], said: str) -> None:
    outcome = changes.pop("outcome", "supported")
    assert published._outcome(verdict(outcome, **changes)) == said  # type: ignore[arg-type]


def test_what_the_words_of_the_verb_are_is_said_at_once() -> None:
    with pytest.raises(BadInput) as raised:
        publishing.gallery(["--budget", "huge", "--small=yes", "life", "--processes=0", "--colour"])
    said = str(raised.value).splitlines()
    assert len(said) == 5, said
    with pytest.raises(BadInput, match="--only lotery_ticket: no experiment is called so; did you mean lottery_ticket"):
        publishing.gallery(["--only", "lotery_ticket"])


TALKS = """#!/bin/sh
yes 'much is said' | head -n 20000 >&2
echo "the last words of $3 with $EXPZOO_PROCESSORS" >&2
case "$3" in *killed*) kill -9 $$;; *bad*) exit 2;; esac
"""


@pytest.fixture
def experiments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two experiments that are no experiments, but say more than a pipe holds: one is killed, one ends badly."""
    script = tmp_path / "talks"
    script.write_text(TALKS)
    script.chmod(0o755)
    about = {"title": "Own", "question": "", "source": ""}
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", str(script))
    monkeypatch.setattr(runs, "processors", lambda: 6)
    monkeypatch.setattr(runs, "names", lambda _: ["killed", "bad"])
    monkeypatch.setattr(runs, "_job", lambda name, _: runs._Job(name, [name], {"about": about}, Path("outputs") / name))
    monkeypatch.setattr(runs.rerender, "is_finished", lambda *_: False)
    return ["killed", "bad"]


def test_what_a_process_says_does_not_stop_it_and_its_end_is_told(
    tmp_path: Path, experiments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert runs.make("smoke", "*", tmp_path / "site", pages=True, processes=99) == 3
    failed = {one.name: one.failed for one in gallery.read_entries(tmp_path / "site")}
    assert failed == {"killed": "it was killed by SIGKILL", "bad": "the last words of bad with 3"}
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "site" / "index.html")
    assert sorted(failed) == sorted(experiments)


def test_one_that_cannot_be_shown_is_said_and_the_others_are_shown(
    tmp_path: Path, experiments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del experiments
    monkeypatch.setattr(runs.rerender, "is_finished", lambda *_: True)
    monkeypatch.setattr(runs.rerender, "draw", lambda *_: None)

    def shown(directory: Path, _: str) -> tuple[gallery.Entry, None]:
        if directory.name == "bad":
            raise ValueError("records.parquet\nis none")
        return entry(directory.name), None

    monkeypatch.setattr(gallery, "entry", shown)
    assert runs.make("smoke", "*", tmp_path / "site", pages=False, processes=1) == 3
    assert {one.name: one.failed for one in gallery.read_entries(tmp_path / "site")} == {
        "killed": "",
        "bad": "records.parquet is none",
    }


def test_a_place_where_nothing_can_be_written_is_refused_before_anything_is_run(
    tmp_path: Path, experiments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del experiments
    monkeypatch.setattr(runs, "_start", None)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        runs.make("smoke", "*", tmp_path / "file", pages=True, processes=1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "own.json").write_text("{}")
    with pytest.raises(BadInput, match=r"own\.json is no file of a gallery"):
        runs.make("smoke", "*", tmp_path, pages=True, processes=1)


def test_what_is_left_of_an_earlier_success_is_not_shown(tmp_path: Path) -> None:
    report = Report("Tickets", "", "", "tickets", "0123", "run", (), pictures=(Picture("a", "A", "", png=noise(9)),))
    gallery.write_entry(tmp_path, entry(), report, pages=True)
    gallery.write_entry(tmp_path, entry(failed="no longer"), None, pages=True)
    page = gallery.write_index(tmp_path).read_text()
    assert "no longer" in page
    assert "tickets/index.html" not in page
    assert "data/tickets.png" not in page
