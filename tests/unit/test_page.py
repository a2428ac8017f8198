"""The page of a run whose every text tries to break out: whole, offline, accessible, and nothing of it runs."""

import base64
import hashlib
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from expzoo.report import figures, page
from expzoo.report.figures.figure import Figure
from expzoo.report.model import Networks, Report
from expzoo.science.verdicts import Verdict, dump_verdicts
from expzoo.store import records

EVIL = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'&"
NAN = math.nan


def verdict(**changes):
    base = {
        "claim": "mnist1d.ticket_beats_dense",
        "statement": "The ticket beats the dense network.",
        "effect": 3.82,
        "unit": "percentage points",
        "interval": (2.94, 4.71),
        "level": 0.95,
        "n": 6,
        "verdict": "supported",
        "published": "+9.2 points at 92 % sparsity (2 trials; 2024 notebook); later withdrawn",
        "source": "a paper",
        "smallest_effect": 1.0,
        "direction": "greater",
        "rule": "paired t",
    }
    return Verdict(**(base | changes))


OPEN = verdict(claim="mnist1d.transfers", effect=0.3, interval=(-0.7, 1.4), verdict="inconclusive", n_needed=1400)
LOST = verdict(claim="mnist1d.lost", effect=NAN, interval=(NAN, NAN), verdict="withheld", n=2, published="", note="why")
VERDICTS = [verdict(), OPEN, LOST]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The directory of a small run whose every text tries to break out."""
    directory = tmp_path_factory.mktemp("outputs") / "lottery_ticket" / "0123456789ab"
    figure, (axes,) = figures.canvas()
    figures.curve(axes, np.arange(4.0), np.arange(12.0).reshape(3, 4), EVIL)
    axes.set(xlabel=EVIL, ylabel="accuracy")
    figures.name_curves(axes)
    data = pl.DataFrame({"arm": [EVIL], "value": [1.5]})
    masks = figures.masks({EVIL: np.eye(4)})
    pictures = [Figure("accuracy", EVIL, EVIL, figure, data), Figure("masks", "Masks", "", masks, data)]
    figures.save_all(pictures, directory / "figures")
    evil = replace(verdict(), statement=EVIL, published=EVIL, source=EVIL, control=EVIL, unit=EVIL, claim=EVIL)
    (directory / "verdicts.json").write_text(dump_verdicts([*VERDICTS, evil]))
    (directory / "config.yaml").write_text(f"seed: 0\nabout: {{title: other}}\nlabel: {json.dumps(EVIL)}\n")
    (directory / "environment.json").write_text(json.dumps({"packages": {"torch": "2.13", EVIL: EVIL}, "list": [1, 2]}))
    manifest = {"title": EVIL, "question": EVIL, "command": f"python -m expzoo 'x={EVIL.replace(chr(39), '')}'"}
    networks = {"trained": 12, "cached": 3, "diverged": 1, "seconds": 412.3}
    (directory / "manifest.json").write_text(json.dumps(manifest | {"networks": networks, "notes": [EVIL]}))
    key = "0123456789abcdef" * 4
    row = {"key": key, "seed": 0, "arm": EVIL, "step": 1, "split": "test", "metric": "accuracy", "value": 0.5}
    records.write(records.frame([row]), directory / "records.parquet")
    return directory


class Page(HTMLParser):
    """Every tag with its attributes, and the text of scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.inside = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag == "script"

    def handle_endtag(self, tag):
        self.inside = False

    def handle_data(self, data):
        if self.inside:
            self.scripts.append(data)


def test_a_directory_becomes_a_report(run):
    report = Report.from_directory(run)
    assert (report.experiment, report.run) == ("lottery_ticket", "0123456789ab")
    assert report.title == report.question == report.notes[0] == EVIL
    assert report.networks == Networks(trained=12, cached=3, diverged=1, seconds=412.3)
    assert report.verdicts[0] == verdict()
    assert [picture.name for picture in report.pictures] == ["accuracy", "masks"]
    assert report.pictures[0].table(9) == (["arm", "value"], [[EVIL, "1.5"]], 1)
    assert "records.parquet" in report.files


@pytest.mark.check("S9")
def test_no_text_of_a_run_becomes_markup(run):
    text = page.render(Report.from_directory(run))
    whole = Page(text)
    assert [tag for tag, _ in whole.tags].count("script") == 1
    assert all(not name.startswith("on") for _, attributes in whole.tags for name in attributes)
    assert all("alert" not in script for script in whole.scripts)
    assert text.count("&lt;script&gt;alert") >= 15
    panels = [json.loads(a["data-readings"]) for _, a in whole.tags if "data-readings" in a]
    assert panels[0][0]["series"][0]["label"] == EVIL


def test_the_page_fetches_nothing_and_runs_only_its_own_script(run):
    whole = Page(page.render(Report.from_directory(run)))
    for tag, attributes in whole.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            address = attributes.get(name) or ""
            assert not re.match(r"\s*(https?:|//|javascript:|file:)", address), (tag, address)
    (policy,) = [a["content"] for tag, a in whole.tags if a.get("http-equiv") == "Content-Security-Policy"]
    digest = base64.b64encode(hashlib.sha256("".join(whole.scripts).encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


def test_the_page_is_accessible_and_its_parts_have_names(run):
    whole = Page(page.render(Report.from_directory(run)))
    ids = [a["id"] for _, a in whole.tags if "id" in a]
    assert len(ids) == len(set(ids))
    for tag, attributes in whole.tags:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids
        if attributes.get("role") == "img":
            assert attributes["aria-label"]
        if tag == "img":
            assert attributes["alt"]
    headings = [int(tag[1]) for tag, _ in whole.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
    assert ("html", {"lang": "en"}) in whole.tags
    assert any(a.get("name") == "viewport" for _, a in whole.tags)


def test_the_page_says_what_was_found(run):
    text = page.render(Report.from_directory(run))
    for part in (
        "+3.8 percentage points",
        "[\N{MINUS SIGN}0.7, +1.4]",
        "n = 1,400",
        "population.size=1400",
        "no effect was",
    ):
        assert part in text
    for part in ("6 min 52 s", "packages.torch", "seed: 0", "How to read a verdict", 'href="records.parquet"'):
        assert part in text
    numbers = re.search(r'href="data:text/csv;charset=utf-8;base64,([^"]+)"', text)
    assert numbers is not None
    assert base64.b64decode(numbers[1]).decode().startswith("arm,value\n")


def test_equal_runs_give_equal_pages(run):
    assert page.render(Report.from_directory(run)) == page.render(Report.from_directory(run))
    assert page.write(run).read_text() == page.render(Report.from_directory(run))


def test_the_png_stands_in_for_a_picture_that_cannot_be_taken_in(run):
    report = Report.from_directory(run)
    broken = replace(report.pictures[0], svg="<svg")
    text = page.render(replace(report, pictures=(broken, replace(broken, name="gone", png=b""))))
    whole = Page(text)
    (image,) = [a for tag, a in whole.tags if tag == "img"]
    assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,")) == broken.png
    assert "The picture could not be read" in text


def test_many_rows_are_shown_in_part(run):
    report = Report.from_directory(run)
    many = replace(report.pictures[0], csv="x\n" + "1\n" * 1000)
    text = page.render(replace(report, pictures=(many,)))
    assert "1000 rows, the first 300 shown" in text
    assert text.count("<tr><td>1</td></tr>") == 300
