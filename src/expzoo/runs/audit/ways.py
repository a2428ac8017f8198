"""The ways in which networks are trained again, each by processes of its own in a store of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from expzoo.lab import messages
from expzoo.lab.request import Want
from expzoo.runs.audit.replay import copy
from expzoo.store.store import Store
from expzoo.system.randomness import stable_hash

if TYPE_CHECKING:
    from expzoo.lab.messages import Sent
    from expzoo.store.network import Network

MOST = 64  # members of a population, as when they were trained
KILLED = -9


class Order(TypedDict):
    """What a process is told: where, how, and which networks, those of a list at a time."""

    store: str
    accelerator: str
    processes: int
    most: int
    kill_at: int
    wants: Sent
    groups: list[list[str]]


@dataclass(frozen=True)
class Way:
    """How networks are trained that were trained otherwise before; in each, sets of texts have another order."""

    name: str
    told: str
    most: int = MOST
    alone: bool = False
    strangers: bool = False
    backwards: bool = False
    processes: int = 1
    kills: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)


_THREADS = {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "MKL_DYNAMIC": "TRUE"}
WAYS = tuple(
    Way(name, told, variables={**how.pop("variables", {}), "PYTHONHASHSEED": str(number)}, **how)  # type: ignore[arg-type]
    for number, (name, told, how) in enumerate(
        [
            ("alone", "each by itself", {"alone": True}),
            ("company", "among as many strangers, at other places", {"strangers": True}),
            ("chunks", "in populations of 3 at most", {"most": 3}),
            ("order", "in reverse order", {"backwards": True}),
            ("processes", "by 2 processes", {"processes": 2}),
            ("kill", "killed in mid-training, then resumed", {"most": 3, "kills": 3}),
            ("threads", "with other variables of threads", {"variables": _THREADS}),
        ],
        start=1,
    )
)


@dataclass(frozen=True)
class Place:
    """The audited store, which is only read, what runs want of its networks, and what computes."""

    root: Path
    wants: Mapping[str, Want]
    machine: str
    accelerator: str

    def stored(self, key: str) -> Network | None:
        """The network as this machine class trained it; Corrupt if its file is not whole."""
        return Store(self.root, self.machine, "same").read(key)

    def closure(self, keys: Iterable[str]) -> dict[str, Want]:
        """These networks and those that they are made from, each after its own sources."""
        found: dict[str, Want] = {}

        def add(key: str) -> None:
            if key not in found:
                for source, _ in self.wants[key].spec.sources():
                    add(source.key)
                found[key] = self.wants[key]

        for key in keys:
            add(key)
        return found


def train(
    way: Way, keys: list[str], place: Place, scratch: Path, more: Iterable[int] = ()
) -> tuple[dict[str, Network], int]:
    """These networks trained again in a new store at `scratch`, by key, and how often training was killed.

    The rows of `more` steps are kept, too. What they are made from is taken from the audited store,
    unless it is among them. RuntimeError if a process fails.
    """
    wants = place.closure(keys)
    copy(wants.keys() - set(keys), place.root, scratch)
    ordered = [key for key in wants if key in keys]
    for key in keys:
        known = wants[key]
        wants[key] = Want(known.spec, known.steps | set(more), known.measures, known.events)
    groups = _groups(way, ordered, wants, place)
    order = Order(
        store=str(scratch),
        accelerator=place.accelerator,
        processes=way.processes,
        most=way.most,
        kill_at=0,
        wants=messages.dump(wants.values()),
        groups=groups,
    )
    kills = 0
    for attempt in range(way.kills + 1):
        # of the members that are kept one after the other, another one is the last each time
        order["kill_at"] = (
            1 + stable_hash(f"{attempt} {keys[0]}") % min(len(keys), way.most) if attempt < way.kills else 0
        )
        if _run(order, way) != KILLED:
            break
        kills += 1
    store = Store(scratch, place.machine, "same")
    return {key: network for key in keys if (network := store.load(key)) is not None}, kills


def _groups(way: Way, ordered: list[str], wants: dict[str, Want], place: Place) -> list[list[str]]:
    """What is asked for at a time, with the sources of each; strangers are added to `wants`."""
    if way.alone:
        return [[*place.closure([key])] for key in ordered]
    if way.strangers:
        for index, key in enumerate(ordered):
            spec = wants[key].spec
            stranger = spec.replace(seed=(spec.seed + 7919 * (index + 1)) % 2**31)
            wants.setdefault(stranger.key, Want(stranger))
        return [sorted(wants)]
    return [list(reversed(wants))] if way.backwards else [list(wants)]


def _run(order: Order, way: Way) -> int:
    """Let a process train; its exit code, which is 0 or KILLED. RuntimeError with its last words otherwise."""
    ended = subprocess.run(
        [sys.executable, "-m", "expzoo.runs.audit.retrain"],
        input=json.dumps(order),
        env={**os.environ, **way.variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode and not (ended.returncode == KILLED and order["kill_at"]):
        last = [*ended.stderr.strip().splitlines(), f"exit code {ended.returncode}"]
        raise RuntimeError(f"training {way.told} failed: {last[-2] if len(last) > 1 else last[-1]}")
    return ended.returncode
