"""A verdict and its file. The file is read back, so it is checked as if a stranger had written it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from reprlib import repr as short
from typing import Any, Literal, get_args

from expzoo.system import untrusted

Direction = Literal["greater", "less", "equivalent"]
Outcome = Literal["supported", "not supported", "inconclusive", "withheld"]

Standing = tuple[str, Outcome, float, float, float]
"""The same claim under another setting of the optimizer: the setting, the verdict, the effect and its interval."""

ADDED: dict[str, object] = {"self_test": "", "robustness": []}
"""Fields that verdicts gained, with what they are in files that were written before."""
MOST_SETTINGS = 20  # of the optimizer, under which a claim is looked at again
LONGEST_FILE = 10_000_000  # characters
MOST = 1000  # verdicts of a run
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")  # steers a terminal, or has no UTF-8


@dataclass(frozen=True)
class Verdict:
    """What a run says about a claim. Frozen, checked, and equal to what is read back from its JSON.

    `effect` and `interval` are NaN where there are none; `n_needed` is None unless more seeds would
    settle the claim, in four of five runs. A self-test is a control that no training could fail.
    `robustness` says what the claim comes to under other settings of the optimizer.
    """

    claim: str
    statement: str
    effect: float
    unit: str
    interval: tuple[float, float]
    level: float
    n: int
    verdict: Outcome
    published: str
    source: str
    smallest_effect: float
    direction: Direction
    rule: str
    n_needed: int | None = None
    control: str = ""
    note: str = ""
    reference: float = 0.0
    self_test: str = ""
    robustness: tuple[Standing, ...] = ()

    def __post_init__(self) -> None:
        faults = [
            f"field {name!r} is {short(getattr(self, name))}, not {kind}"
            for name, (kind, fits) in _SCHEMA.items()
            if not fits(getattr(self, name))
        ]
        if not faults and self.verdict in ("supported", "not supported") and math.isnan(self.interval[0]):
            faults = [f"field 'verdict' is {self.verdict!r} without an interval"]
        if faults:
            raise ValueError("; ".join(faults))

    def __repr__(self) -> str:
        low, high = self.interval
        return f"<Verdict {self.claim}: {self.verdict}, {self.effect:+.3g} [{low:+.3g}, {high:+.3g}], n = {self.n}>"

    def to_json(self) -> dict[str, object]:
        """Plain numbers, text and lists; NaN is None."""
        return {name: _plain(value) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: object) -> Verdict:
        """The inverse of `to_json`, for data that nobody has checked: ValueError names every field at fault."""
        if not isinstance(data, dict):
            raise ValueError(f"{short(data)} is not an object")
        data = ADDED | data
        names = [field.name for field in fields(cls)]
        if faults := [f"field {name!r} is missing" for name in names if name not in data] + [
            f"field {short(name)} is unknown (known: {', '.join(names)})" for name in data if name not in names
        ]:
            raise ValueError("; ".join(faults))
        interval = data["interval"]
        numbers = ("effect", "level", "smallest_effect", "reference")
        values: dict[str, Any] = data | {name: _number(data[name]) for name in numbers}
        values["interval"] = tuple(map(_number, interval)) if isinstance(interval, list) else interval
        values["robustness"] = _standings(data["robustness"])
        return cls(**values)


def dump_verdicts(verdicts: Iterable[Verdict]) -> str:
    """The text of a verdict file: equal verdicts in equal order give equal bytes."""
    objects = [verdict.to_json() for verdict in verdicts]
    if len(objects) > MOST:
        raise ValueError(f"{len(objects):,} verdicts are more than a run can have: at most {MOST:,}")
    return json.dumps(objects, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_verdicts(path: Path) -> list[Verdict]:
    """The verdicts in a file of a run's directory; ValueError, naming it, if they are none."""
    try:
        return load_verdicts(untrusted.read(path, LONGEST_FILE, path.parent).decode("utf-8"), untrusted.quoted(path))
    except UnicodeDecodeError as error:
        raise ValueError(f"{untrusted.quoted(path)}: no UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise ValueError(f"{untrusted.quoted(path)} cannot be read: {error.strerror}") from error


def load_verdicts(text: str, file: str = "verdicts.json") -> list[Verdict]:
    """The verdicts in the text of `file`; ValueError names the file, the verdict and every field at fault."""
    if len(text) > LONGEST_FILE:
        raise ValueError(f"{file}: {len(text)} characters are more than {LONGEST_FILE}")
    try:
        objects = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not a list of verdicts in JSON: {error}") from error
    if not isinstance(objects, list):
        raise ValueError(f"{file}: {short(objects)} is not a list of verdicts")
    if len(objects) > MOST:
        raise ValueError(f"{file}: {len(objects):,} verdicts are more than a run can have: at most {MOST:,}")
    verdicts = []
    for index, data in enumerate(objects):
        try:
            verdicts.append(Verdict.from_json(data))
        except ValueError as error:
            raise ValueError(f"{file}: verdict {index}: {error}") from error
    return verdicts


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float):
        return None if math.isnan(value) else float(value)
    return value


def _number(value: object) -> object:
    """None is NaN and an integer that fits is a float; anything else is left for the schema to judge."""
    if value is None:
        return math.nan
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**1023
    return float(value) if fits else value


def _standings(value: object) -> object:
    """Lists as tuples, and None as NaN; anything else is left for the schema to judge."""
    if not isinstance(value, list) or not all(isinstance(item, list) for item in value):
        return value
    return tuple((*item[:2], *map(_number, item[2:])) for item in value)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    data = dict(pairs)
    if len(data) < len(pairs):
        raise ValueError(f"an object has a field twice among {short([name for name, _ in pairs])}")
    return data


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not UNPRINTABLE.search(value)


def _is_effect(value: object) -> bool:
    return isinstance(value, float) and not math.isinf(value)


def _is_interval(value: object) -> bool:
    if not (isinstance(value, tuple) and len(value) == 2 and all(map(_is_effect, value))):
        return False
    low, high = value
    return low <= high or (math.isnan(low) and math.isnan(high))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _are_standings(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) > MOST_SETTINGS:
        return False
    return all(
        isinstance(item, tuple)
        and len(item) == 5
        and _is_text(item[0])
        and item[1] in get_args(Outcome)
        and _is_effect(item[2])
        and _is_interval(item[3:])
        for item in value
    )


Kind = tuple[str, Callable[[object], bool]]
_TEXT: Kind = ("text without control characters", _is_text)
_SCHEMA: dict[str, Kind] = {
    "claim": ("a name", lambda value: _is_text(value) and value != ""),
    "statement": _TEXT,
    "effect": ("a finite number or null", _is_effect),
    "unit": _TEXT,
    "interval": ("two finite numbers in order, or two nulls", _is_interval),
    "level": ("a number between 0 and 1", lambda value: isinstance(value, float) and 0 < value < 1),
    "n": ("a count", _is_count),
    "verdict": (f"one of {get_args(Outcome)}", lambda value: value in get_args(Outcome)),
    "published": _TEXT,
    "source": _TEXT,
    "smallest_effect": ("a number of at least 0", lambda value: isinstance(value, float) and 0 <= value < math.inf),
    "direction": (f"one of {get_args(Direction)}", lambda value: value in get_args(Direction)),
    "rule": _TEXT,
    "n_needed": ("a count or null", lambda value: value is None or _is_count(value)),
    "control": _TEXT,
    "note": _TEXT,
    "reference": ("a finite number", lambda value: isinstance(value, float) and math.isfinite(value)),
    "self_test": _TEXT,
    "robustness": ("settings, each with a verdict, an effect and an interval", _are_standings),
}
