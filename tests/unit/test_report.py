"""Verdicts in words and in the terminal, and what a damaged or hostile run directory is told."""

import io
import json
import math
import re
import subprocess
import sys

import pytest
from rich.console import Console

from expzoo.report import page
from expzoo.report.model import MAX_BYTES, Report
from expzoo.report.terminal import print_verdicts
from expzoo.science import wording
from expzoo.science.verdicts import Verdict

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
VERDICTS = [verdict(), OPEN, LOST, verdict(claim="mnist1d.same", direction="equivalent", level=0.9, rule="TOST")]


# Words


@pytest.mark.parametrize(
    ("effect", "interval", "said"),
    [
        (3.82, (2.94, 4.71), "+3.8 pp [+2.9, +4.7]"),
        (0.587, (0.52, 0.654), "+0.59 pp [+0.52, +0.65]"),
        (-10.71, (-31.9, 9.4), "-11 pp [-32, +9]"),
        (0.00031, (0.00011, 0.00051), "+0.00031 pp [+0.00011, +0.00051]"),
        (1234.5, (1000, 1469), "+1234 pp [+1000, +1469]"),
        (2.0, (2.0, 2.0), "+2.00 pp [+2.00, +2.00]"),
        (0.0, (NAN, NAN), "+0.0 pp none"),
        (3e-17, (-2e-16, 3e-16), "+0.0 pp [+0.0, +0.0]"),
        (-1.5e29, (-4.25e30, 3.95e30), "-1.50e+29 pp [-4.25e+30, +3.95e+30]"),
        (NAN, (NAN, NAN), "none none"),
    ],
)
def test_numbers_have_the_digits_that_mean_something(effect, interval, said):
    claim = verdict(effect=effect, interval=tuple(map(float, interval)), unit="pp", verdict="inconclusive")
    assert f"{wording.effect(claim)} {wording.interval(claim)}" == said


def test_a_rate_that_is_compared_with_another_has_no_sign():
    rate = verdict(effect=2.5, interval=(0.8, 5.7), reference=5.0, smallest_effect=0.0, direction="less", unit="% of x")
    assert f"{wording.effect(rate)} {wording.interval(rate)}" == "2.5 % of x [0.8, 5.7]"
    assert wording.decision(rate).endswith("lies below 5 % of x")
    assert wording.effect(verdict(reference=50.0, unit="percentage points")).startswith("+")


def test_a_rule_is_said_in_a_sentence():
    assert wording.decision(verdict()).endswith("interval (paired t) lies above +1 percentage points")
    tost = verdict(direction="equivalent", level=0.9, rule="TOST", unit="")
    assert wording.decision(tost) == "supported if the whole 90 % interval (TOST) lies between -1 and +1"
    assert wording.thresholds(verdict(direction="less")) == (-1.0,)


def test_the_command_that_settles_changes_only_the_number_of_seeds():
    command = "python -m expzoo +experiment=lottery_ticket population.size=6 'x=[1, 2]'"
    expected = "python -m expzoo +experiment=lottery_ticket 'x=[1, 2]' population.size=14"
    assert wording.settling_command(command, 14) == expected
    assert wording.settling_command("a 'unclosed", 3) == "a ''\"'\"'unclosed' population.size=3"


def test_what_was_published_is_brief_in_a_table():
    assert wording.brief(verdict().published) == "+9.2 points at 92 % sparsity"
    assert wording.brief("yes (2020 text; -0.3 in 2024)") == "yes"
    assert wording.brief("(only this)") == "(only this)"
    assert wording.brief("long " * 20) == "long long long long long long long ..."


# The terminal


def printed(verdicts, width, directory="outputs/run", encoding="utf-8"):
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding)
    print_verdicts(verdicts, directory, Console(file=file, width=width))
    file.flush()
    return buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [72, 80, 100, 200])
def test_a_claim_has_two_lines_that_fit_and_say_everything(width):
    lines = printed(VERDICTS, width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) == 2 * len(VERDICTS) + 2
    rest = "+9.2 points at 92 ..." if width == 72 else "+9.2 points at 92 % sparsity"
    told = f"  +3.8 pp [+2.9, +4.7] at 95 %, n = 6; published: {rest}"
    assert lines[:2] == ["supported      mnist1d.ticket_beats_dense", told]
    assert "at 90 %" in lines[7]
    assert lines[5] == "  no effect measured, n = 2; why"
    assert lines[-2] == "2 supported, 1 inconclusive, 1 withheld"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"interval": (-0.7, 1.4), "n_needed": 14}, "holds +1; n = 14 would settle it"),
        ({"interval": (-0.7, 1.4)}, "holds +1"),
        ({"interval": (NAN, NAN), "note": "a; n = 3 is below 5"}, "n = 3 is below 5"),
        ({"interval": (1.2, 1.4), "note": "p = 0.2"}, "p = 0.2"),
        ({"interval": (-2.0, 2.0), "direction": "equivalent"}, "holds -1 and +1"),
    ],
)
@pytest.mark.parametrize("unit", ["percentage points", "doublings of the loss on data that nobody has seen before"])
def test_an_inconclusive_claim_says_why_whatever_its_unit_is(changes, why, unit):
    claim = verdict(effect=0.3, verdict="inconclusive", unit=unit, **changes)
    assert printed([claim], 80).splitlines()[1].endswith(f"; {why}")


def test_a_withheld_claim_says_what_failed():
    note = "compared with 3; withheld: the control failed; 1 of 4 networks diverged"
    assert wording.reason(verdict(verdict="withheld", note=note)) == "the control failed"


def test_a_narrow_terminal_wraps():
    text = printed(VERDICTS, 40)
    assert max(map(len, text.splitlines())) <= 42  # a name is not broken
    assert "supported      mnist1d.ticket_beats_dense" in text.replace("\n", "")


def test_json_objects_print_like_verdicts():
    assert printed([v.to_json() for v in VERDICTS], 80) == printed(VERDICTS, 80)
    with pytest.raises(ValueError, match="'effect' is missing"):
        printed([{"claim": "a"}], 80)


def test_texts_cannot_steer_the_terminal_or_break_its_encoding():
    odd = verdict(published="[bold]+9[/] \N{MINUS SIGN}1 \N{GREEK SMALL LETTER MU}", claim="x" * 70)
    text = printed([odd, verdict()], 80, directory="run\x1b[2J", encoding="ascii")
    assert "\x1b" not in text
    assert "[bold]+9[/]" in text.replace(" ", "")
    assert "run?[2J" in text
    assert text.replace(" ", "").replace("\n", "").count("x") >= 70


def test_no_verdicts_and_the_place_of_the_report(tmp_path):
    assert printed([], 80).startswith("no claim is judged")
    (tmp_path / "report.html").touch()
    assert printed([], 80, directory=tmp_path).endswith(f"report: {tmp_path / 'report.html'}\n")


def test_without_claims_the_final_scores_are_said():
    buffer = io.StringIO()
    print_verdicts([], "outputs/run", Console(file=buffer, width=80), scores=["accuracy/test of dense: 28 %"])
    assert buffer.getvalue().startswith("no claim is judged: the final scores\n  accuracy/test of dense: 28 %\n")


@pytest.mark.parametrize(
    ("interval", "n", "said"),
    [
        ((20.0, 31.0), 4, "25 % [20, 31], n = 4"),
        ((NAN, NAN), 1, "25.2 % no interval, n = 1"),
        ((NAN, NAN), 0, "no value"),
    ],
)
def test_a_final_score_has_the_digits_of_its_interval(interval, n, said):
    assert wording.measured(25.25, interval, n, "%") == said


def test_the_terminal_needs_nothing_heavy():
    heavy = ("torch", "scipy", "numpy", "polars", "matplotlib", "jinja2", "yaml", "hydra")
    code = f"import sys, expzoo.report.terminal; print([name for name in {heavy} if name in sys.modules])"
    seen = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert seen.strip() == "[]"


# The model


def test_only_the_verdicts_must_be_there(tmp_path):
    with pytest.raises(ValueError, match=r"verdicts\.json cannot be read"):
        Report.from_directory(tmp_path)
    (tmp_path / "verdicts.json").write_text("[]")
    (tmp_path / "config.yaml").write_text("about:\n  title: Tickets\n  question: Which?\n")
    report = Report.from_directory(tmp_path)
    assert (report.title, report.question, report.pictures) == ("Tickets", "Which?", ())
    assert "No analysis of this run judges a claim" in page.render(report)


LAUGHS = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9) if i else 'lol'}]" for i in range(9))
DAMAGE = [
    ("config.yaml", "- a list"),
    ("config.yaml", "a: [1, 2"),
    ("config.yaml", "a: !!python/object/apply:os.system ['true']"),
    ("config.yaml", LAUGHS),
    ("config.yaml", "a: &a [*a]"),
    ("manifest.json", "{"),
    ("manifest.json", "[" * 100_000),
    ("environment.json", "[1]"),
    ("environment.json", b"\xff\xfe\x00"),
    ("verdicts.json", "{}"),
    ("verdicts.json", '[{"claim": 1}]'),
    ("figures/figures.json", "{}"),
    ("figures/figures.json", '[{"name": "../../secret"}]'),
    ("figures/figures.json", '[{"title": "no name"}]'),
    ("figures/figures.json", "[" * 100_000),
    ("figures/figures.json", json.dumps([{"name": "a"}] * 201)),
]


@pytest.mark.parametrize(("name", "content"), DAMAGE)
def test_a_damaged_file_is_named(name, content, tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "verdicts.json").write_text("[]")
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=re.escape(name)):
        Report.from_directory(tmp_path)


def test_a_huge_file_is_not_read(tmp_path):
    with (tmp_path / "verdicts.json").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ValueError, match=r"verdicts\.json has .* bytes; it can have at most"):
        Report.from_directory(tmp_path)
