"""Stores and records of sweeps that a stranger may have made."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from tests.faults.hostile.files_media import header
from tests.faults.hostile.files_place import (
    BIDI,
    DAMAGE,
    ESCAPE,
    LINES,
    Change,
    Place,
    put,
)

from expzoo.components.learned_activations import KIND
from expzoo.system.checksummed import pack, unpack


def network(place: Place) -> Path:
    """The first network of the run in the store."""
    keys = set(pl.read_parquet(place.run / "records.parquet")["key"])
    paths = place.store.glob("*/*/*/network.safetensors")
    return min(path for path in paths if path.parent.parent.name in keys)


def stored(damage: Callable[[Path], object]) -> Change:
    """A network's file, damaged."""
    return lambda place: damage(network(place))


def restored(change: Callable[[dict[str, np.ndarray], dict[str, str]], Any]) -> Change:
    """A network with a checksum that fits."""

    def changed(place: Place) -> None:
        found, about = unpack(network(place).read_bytes(), "genuine")
        change(found, about)
        put(network(place), pack(found, about))

    return changed


def _folder_elsewhere(place: Place) -> None:
    folder = network(place).parents[2]
    folder.rename(place.outside / folder.name)
    folder.symlink_to(place.outside / folder.name)


STORES: dict[str, Change] = {
    f"network {kind}": stored(damage) for kind, damage in DAMAGE.items() if kind != "elsewhere"
} | {
    "network elsewhere": lambda place: [
        put(place.outside / "network", network(place).read_bytes()),
        (path := network(place)).unlink(),
        path.symlink_to(place.outside / "network"),
    ],
    "a folder elsewhere": _folder_elsewhere,
    "rows of other sizes": restored(lambda a, _: a.update({"row/0": a["row/0"][:-3]})),
    "losses that are no list": restored(lambda a, _: a.update(losses=np.zeros((0, 3)))),
    "a learned one without losses": restored(lambda a, _: [a.update({f"steps/{KIND}/": np.zeros(1)}), a.pop("losses")]),
    "a key that steers": restored(lambda _, about: about.update(key=ESCAPE + LINES)),
    "a format that steers": restored(lambda _, about: about.update(format=ESCAPE + LINES + BIDI)),
    "a step that is none": restored(lambda _, about: about.update(step="9" * 4000)),
    "events that are deep": restored(lambda _, about: about.update(events="[" * 10**5)),
    "a header that says more": stored(
        lambda p: put(p, header('{"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}}', b"1"))
    ),
    "many tensors": stored(
        lambda p: put(
            p,
            header(
                "{" + ",".join(f'"{i}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}' for i in range(90_000)) + "}"
            ),
        )
    ),
    "a lease of nothing": lambda place: put(network(place).parent / "lease", b""),
    "a lease of a device": lambda place: (network(place).parent / "lease").symlink_to("/dev/zero"),
    "a lease of a pipe": lambda place: os.mkfifo(network(place).parent / "lease"),
    "names that steer": lambda place: put(place.store / "ab" / "\x1b[2J" / "c\nd" / "network.safetensors", b"x"),
}


WHOLE = {name for name in STORES if "lease" in name} | {
    "network gone",
    "rows of other sizes",
    "losses that are no list",
    "a key that steers",
    "a format that steers",
    "a step that is none",
    "events that are deep",
}
"""Those whose checksums fit, which is all that the verb says something of."""
REFUSED = ("a format that steers", "a folder elsewhere")
"""Those that are left as they are: the run is refused."""


def record(**changed: object) -> str:
    """A record of a sweep over the two runs."""
    job = {"overrides": ["seed=0"], "directory": "../../{run}", "code": 0, "reason": ""} | changed
    return json.dumps({"format": 1, "jobs": [job, job | {"directory": "../../{other}", "overrides": ["seed=1"]}]})


SWEEPS: dict[str, str | bytes | Callable[[Path], object]] = {
    "genuine": record(),
    "steering words": record(overrides=["seed=\x1b[2J\u202e"], reason=ESCAPE + BIDI, directory="../../gone", code=1),
    "elsewhere": record(directory="../../../../../outside/run"),
    "an absolute directory": record(directory="/etc"),
    "a name with a NUL": record(directory="nul\0"),
    "a code that is none": record(code="1" * 400),
    "a code without end": record().replace('"code": 0', '"code": 1e999'),
    "many jobs": json.dumps({"format": 1, "jobs": [{}] * 200_000}),
    "deep": '{"jobs":' * 10**5,
    "a list": "[]",
    "no jobs": '{"format": 1, "jobs": {"a": 1}}',
    "overrides that are none": record(overrides=7),
    "no UTF-8": b"\xff\xfe",
    "a field twice": '{"format": 1, "format": 1, "jobs": []}',
    **{kind: DAMAGE[kind] for kind in ("a device", "a pipe", "a folder", "a circle", "sparse")},
}
