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
