"""Verdict files: what is written is read back, and nothing else is accepted."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from expzoo.science.claims import Verdict, dump_verdicts, load_verdicts

FIELDS = [
    "claim", "statement", "effect", "unit", "interval", "level", "n", "verdict", "published", "source",
    "smallest_effect", "direction", "rule", "n_needed", "control", "note", "reference", "self_test", "robustness",
]  # fmt: skip

texts = st.text(st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("\n\t"), max_size=20)
finite = st.floats(allow_nan=False, allow_infinity=False)
intervals = st.tuples(finite, finite).map(lambda ends: (min(ends), max(ends)))
undecided = st.sampled_from(["inconclusive", "withheld"])
common = {
    "claim": texts.filter(bool), "statement": texts, "unit": texts, "level": st.floats(0.01, 0.99),
    "n": st.integers(0, 10**6), "published": texts, "source": texts, "smallest_effect": st.floats(0, 1e300),
    "direction": st.sampled_from(["greater", "less", "equivalent"]), "rule": texts,
    "n_needed": st.none() | st.integers(0, 10**12), "control": texts, "note": texts, "reference": st.floats(-1e6, 1e6),
    "self_test": texts,
}  # fmt: skip
verdicts = st.builds(
    Verdict, effect=finite, interval=intervals, verdict=undecided | st.sampled_from(["supported", "not supported"]),
    **common,
) | st.builds(
    Verdict, effect=st.just(math.nan) | finite, interval=st.just((math.nan, math.nan)), verdict=undecided, **common
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)


def example(**changes: Any) -> dict[str, Any]:
    verdict = Verdict(
        "zoo.claim", "a statement", 2.5, "points", (2.0, 3.0), 0.95, 8, "supported", "3.1", "a paper", 1.0, "greater",
        "paired t",
    )  # fmt: skip
    return verdict.to_json() | changes


@given(st.lists(verdicts, max_size=3))
def test_round_trip(written: list[Verdict]) -> None:
    text = dump_verdicts(written)
    read = load_verdicts(text)
    assert dump_verdicts(read) == text
    if not any(math.isnan(verdict.effect) or math.isnan(verdict.interval[0]) for verdict in written):
        assert read == written
    assert text.encode().decode() == text


def test_file_has_the_agreed_fields_in_order_and_plain_numbers() -> None:
    assert [field.name for field in fields(Verdict)] == FIELDS
    data = example() | {"robustness": ()}
    nothing = Verdict(**data | {"effect": math.nan, "interval": (math.nan, math.nan), "verdict": "inconclusive"})
    (plain,) = json.loads(dump_verdicts([nothing]))
    assert list(plain) == FIELDS
    assert (plain["effect"], plain["interval"], plain["n_needed"]) == (None, [None, None], None)
    numpy_numbers = Verdict(**data | {"effect": np.float64(2.5), "interval": (np.float64(2), np.float64(3))})
    assert dump_verdicts([numpy_numbers]) == dump_verdicts([Verdict.from_json(data)])
    assert type(numpy_numbers.to_json()["effect"]) is float


def test_whole_numbers_are_numbers() -> None:
    assert Verdict.from_json(example(effect=2, interval=[2, 3])) == Verdict.from_json(example(effect=2.0))


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("claim", ""), ("claim", None), ("claim", 3), ("statement", ["a"]), ("statement", "\x1b[2J"),
        ("unit", "\ud800"),
        ("effect", "2.5"), ("effect", True), ("effect", 10**400), ("interval", [1.0]), ("interval", [3.0, 2.0]),
        ("interval", [None, 2.0]), ("interval", {"low": 1}), ("interval", None), ("interval", [1.0, "2"]),
        ("level", 0), ("level", 1.0), ("level", None), ("n", -1), ("n", 2.5), ("n", True), ("n", None),
        ("verdict", "proven"), ("verdict", ["supported"]), ("published", 3.1), ("source", None),
        ("smallest_effect", -1.0), ("smallest_effect", None), ("direction", "up"), ("rule", 1), ("n_needed", -3),
        ("n_needed", 1.5), ("n_needed", False), ("control", None), ("note", {}),
        ("robustness", "cosine"), ("robustness", [["cosine", "proven", 1.0, 0.0, 2.0]]),
        ("robustness", [["cosine", "supported", 1.0, 2.0, 0.0]]), ("robustness", [["cosine", "supported", 1.0]]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_file_place_and_field(field: str, bad: Any) -> None:
    text = json.dumps([example(), example(**{field: bad})])
    with pytest.raises(ValueError, match=rf"^run/verdicts\.json: verdict 1: field '{field}' is ") as caught:
        load_verdicts(text, "run/verdicts.json")
    assert len(str(caught.value)) < 300


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"field 'n' is -1.*field 'direction' is 'up'"):
        load_verdicts(json.dumps([example(n=-1, direction="up")]))
    data = example(extra=1)
    del data["note"], data["unit"]
    with pytest.raises(ValueError, match=r"'unit' is missing.*'note' is missing.*'extra' is unknown \(known: claim, "):
        load_verdicts(json.dumps([data]))


def test_no_decision_without_an_interval() -> None:
    for verdict in ("supported", "not supported"):
        with pytest.raises(ValueError, match=f"field 'verdict' is '{verdict}' without an interval"):
            load_verdicts(json.dumps([example(interval=[None, None], verdict=verdict)]))


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "3", '"text"', "{}", "[3]", "[null]", "[[]]", "[NaN]", "[Infinity]", "[" * 100_000, "[1e999]",
     "[" + "9" * 5000 + "]", '[{"claim": "a", "claim": "b"}]', "\ufeff[]", "[] []"],
)  # fmt: skip
def test_what_is_no_list_of_verdicts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^verdicts\.json: "):
        load_verdicts(text)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("1e999", "field 'effect' is inf"),
        ("NaN", "NaN is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ('2.5, "effect": 9.5', "a field twice"),
    ],
)
def test_what_json_readers_let_pass_is_refused(written: str, message: str) -> None:
    text = json.dumps([example()]).replace('"effect": 2.5', f'"effect": {written}')
    with pytest.raises(ValueError, match=message):
        load_verdicts(text)


def test_an_enormous_file_is_refused_unread() -> None:
    with pytest.raises(ValueError, match="are more than"):
        load_verdicts(" " * 10_000_001)


@given(st.sampled_from([*FIELDS, "other"]), json_values)
def test_any_value_in_any_field_is_accepted_unchanged_or_refused(field: str, value: Any) -> None:
    text = json.dumps([example(**{field: value})])
    try:
        (verdict,) = load_verdicts(text)
    except ValueError:
        return
    assert load_verdicts(dump_verdicts([verdict]))[0].to_json() == verdict.to_json()
    assert verdict.to_json()[field] == json.loads(text)[0][field]


def test_reading_verdicts_imports_nothing_slow() -> None:
    code = (
        "import sys; from expzoo.science.claims import load_verdicts; load_verdicts(sys.argv[1]); "
        "print([name for name in ('scipy', 'statsmodels', 'torch', 'polars', 'matplotlib') if name in sys.modules])"
    )
    arguments = [sys.executable, "-c", code, json.dumps([example()])]
    assert subprocess.run(arguments, capture_output=True, text=True, check=True).stdout == "[]\n"
