"""Wanted networks as JSON, for processes that train them: what is sent is data, and its keys are checked on arrival."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, TypedDict

from expzoo.lab.request import Want
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.recipe import Recipe
from expzoo.spec.spec import Spec
from expzoo.spec.when import When
from expzoo.system.canonical import JSON, freeze
from expzoo.system.errors import BadInput

Fields = dict[str, JSON]


class SentWant(TypedDict):
    """One network, what is wanted of it written as `_encode` does."""

    key: str
    steps: list[int]
    measures: list[JSON]
    events: list[JSON]


class Sent(TypedDict):
    """What one process tells another: the fields of every spec by key, and the wants."""

    specs: dict[str, Fields]
    wants: list[SentWant]


def dump(wants: Iterable[Want]) -> Sent:
    """The wants, with every spec that they or their recipes refer to written once."""
    specs: dict[str, Fields] = {}
    listed: list[SentWant] = [
        {
            "key": _key(want.spec, specs),
            "steps": sorted(want.steps),
            "measures": [_encode(measure, specs) for measure in sorted(want.measures, key=repr)],
            "events": [_encode(event, specs) for event in sorted(want.events, key=repr)],
        }
        for want in wants
    ]
    return {"specs": specs, "wants": listed}


def load(content: Sent) -> dict[str, Want]:
    """The wants by key; BadInput if a spec has another key here, as when two machines have other plugins."""
    reader = _Reader(content["specs"])
    wants = {}
    for entry in content["wants"]:
        measures, events = (set(map(reader.read, sent)) for sent in (entry["measures"], entry["events"]))
        wants[entry["key"]] = Want(reader.spec(entry["key"]), set(entry["steps"]), measures, events)
    return wants


def _key(spec: Spec, specs: dict[str, Fields]) -> str:
    if spec.key not in specs:
        specs[spec.key] = {}
        specs[spec.key] = _fields(spec, specs)
    return spec.key


def _encode(value: Any, specs: dict[str, Fields]) -> JSON:
    match value:
        case Spec():
            return {"spec": _key(value, specs)}
        case Component():
            return {"component": [value.kind, value.name, dict(value.options)]}
        case Recipe() | When() | Measure():
            return {"type": type(value).__name__, "fields": _fields(value, specs)}
        case tuple() | list():
            return [_encode(item, specs) for item in value]
    return value


def _fields(value: Any, specs: dict[str, Fields]) -> Fields:
    return {field.name: _encode(getattr(value, field.name), specs) for field in fields(value)}


class _Reader:
    """Specs by key, each read once."""

    def __init__(self, specs: Mapping[str, Fields]) -> None:
        self._specs, self._read = specs, dict[str, Spec]()
        self._types = {cls.__name__: cls for base in (Recipe, When) for cls in _below(base)} | {"Measure": Measure}

    def spec(self, key: str) -> Spec:
        if key not in self._read:
            made = Spec(**{name: self.read(value) for name, value in self._specs[key].items()})
            if made.key != key:
                raise BadInput(f"network {key[:12]} is {made.key[:12]} here: its plugins have other versions")
            self._read[key] = made
        return self._read[key]

    def read(self, value: JSON) -> Any:
        match value:
            case {"spec": str(key)}:
                return self.spec(key)
            case {"component": [kind, name, options]}:
                return Component(kind, name, tuple(sorted((key, freeze(option)) for key, option in options.items())))
            case {"type": str(name), "fields": dict(content)}:
                return self._types[name](**{key: self.read(item) for key, item in content.items()})
            case list():
                return tuple(self.read(item) for item in value)
        return value


def _below(base: type) -> set[type]:
    """The class and everything derived from it."""
    return {base}.union(*(_below(cls) for cls in base.__subclasses__()))
