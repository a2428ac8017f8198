"""Learned activation functions as components: named by the short form of the key of the lesson that learned them.

A person types `learned:3f2a9c1b`, the first digits of the key, or `learned:3f2a9c1b/linear` for its fit by straight
pieces. Before anything is trained the name is resolved from the store into one that holds the whole key and the
function itself, so that a network's spec says what it computes and needs no file to be built again, in any process.
"""

from __future__ import annotations

import base64
import logging
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from expzoo.system.checksummed import Corrupt
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from torch import nn

    from expzoo.store.network import Network
    from expzoo.store.store import Store

log = logging.getLogger(__name__)

PREFIX = "learned:"
KNOTS = 65  # of `expzoo.components.splines`, which imports torch
_NAME = re.compile(r"learned:(?P<key>[0-9a-f]{6,64})(?P<form>/linear)?(:(?P<data>[\w-]+))?", re.ASCII)
KIND = "learned_activation"  # a stored lesson has this measure if what it learned is an activation function


class Name(NamedTuple):
    """A name taken apart; `data` is empty as long as it is not resolved."""

    key: str
    linear: bool
    data: str


def parse(text: str) -> Name:
    """The parts of a name; BadInput if it is none."""
    if not (found := _NAME.fullmatch(text)):
        raise BadInput(f"{text[:60]!r} is no name of a learned activation: write it like learned:3f2a9c1b")
    return Name(found["key"], bool(found["form"]), found["data"] or "")


def encode(key: str, values: np.ndarray, slopes: np.ndarray | None = None) -> str:
    """The whole name of a function: its key, its values (65,) and, unless it is made of straight pieces, its slopes."""
    arrays = [values] if slopes is None else [values, slopes]
    data = np.concatenate(arrays).astype("<f4").tobytes()
    return f"{PREFIX}{key}{'/linear' if slopes is None else ''}:{base64.urlsafe_b64encode(data).decode().rstrip('=')}"


def table(name: Name) -> np.ndarray:
    """The values and, for a cubic one, the slopes that a resolved name holds: (1 or 2, 65) float32."""
    if not name.data:
        raise BadInput(f"the activation {PREFIX}{name.key} is not resolved: only a run or `resolve` can look it up")
    rows = 1 if name.linear else 2
    content = base64.urlsafe_b64decode(name.data + "=" * (-len(name.data) % 4)) if len(name.data) % 4 != 1 else b""
    if len(content) != 4 * rows * KNOTS or not np.isfinite(numbers := np.frombuffer(content, "<f4")).all():
        raise BadInput(f"the activation {PREFIX}{name.key} holds no function: {len(content)} bytes")
    return numbers.reshape(rows, KNOTS)


def activation(text: str) -> nn.Module:
    """A new module for a resolved name, without parameters."""
    import torch

    from expzoo.components import splines

    name = parse(text)
    rows = [torch.from_numpy(row.copy()) for row in table(name)]
    return splines.SplineActivation(splines.linear(*rows) if name.linear else splines.cubic(*rows))


def names_of(key: str, row: np.ndarray) -> dict[str, str]:
    """The whole names of a learned function, as a cubic and by straight pieces, from the small network's weights."""
    import torch

    from expzoo.components import splines
    from expzoo.studies.metalearning.activation import small_network

    values, slopes = (part.numpy() for part in small_network(torch.from_numpy(row).double(), splines.knots()))
    return {"": encode(key, values, slopes), "/linear": encode(key, straight_pieces(values))}


def straight_pieces(values: np.ndarray, every: int = 4) -> np.ndarray:
    """Values (65,) of the best fit by straight pieces that bend at every fourth knot, in least squares over all."""
    places = np.arange(KNOTS)
    bends = np.arange(0, KNOTS, every)
    hats = np.maximum(0.0, 1 - np.abs(places[:, None] - bends) / every)
    return hats @ np.linalg.lstsq(hats, values, rcond=None)[0]


def wholes(config: Any, store: Store, known: Any = None) -> dict[str, str]:
    """The whole name of every learned activation in a plain config; BadInput if one cannot be had.

    They are looked up in `known`, such as a finished run has in its manifest, then in the store.
    """
    known = known if isinstance(known, dict) else {}
    return {text: _known(text, known) or resolve(text, store) for text in sorted(set(_names(config)))}


def resolved(config: Any, names: Mapping[str, str]) -> Any:
    """A plain config in which names of learned activations are whole."""
    match config:
        case dict():
            return {key: resolved(value, names) for key, value in config.items()}
        case list() | tuple():
            return [resolved(value, names) for value in config]
        case str():
            return names.get(config, config)
    return config


def _names(config: Any) -> Iterator[str]:
    match config:
        case dict():
            yield from _names([*config.values()])
        case list() | tuple():
            for value in config:
                yield from _names(value)
        case str() if config.startswith(PREFIX):
            yield config


def _known(text: str, known: Mapping[str, Any]) -> str:
    """The whole form of a name from a file that says it, if it holds a function and is of that name; else nothing."""
    if not isinstance(whole := known.get(text), str):
        return ""
    given, found = parse(text), parse(whole)
    table(found)
    return whole if found.key.startswith(given.key) and found.linear == given.linear else ""


def resolve(text: str, store: Store) -> str:
    """The whole name of a learned activation, from the store; BadInput, with its key, if it is not there or not whole.

    Missing, foreign (the key is that of something else) and corrupted files are told apart.
    """
    name = parse(text)
    if name.data:
        table(name)
        return text
    keys = sorted(folder.name for folder in (store.root / name.key[:2]).glob(f"{name.key}*") if folder.is_dir())
    if not keys:
        hint = "expzoo store lists those that are, expzoo +experiment=metalearn_activation learns some"
        raise BadInput(f"no learned activation {PREFIX}{name.key} is in {store.root}: {hint}")
    if len(keys) > 1:
        raise BadInput(f"{PREFIX}{name.key} is the start of {len(keys)} keys in {store.root}: give more of its digits")
    return names_of(keys[0], _checked(keys[0], store))["/linear" if name.linear else ""]


def _checked(key: str, store: Store) -> np.ndarray:
    """The last row of a stored lesson that learned an activation function."""
    try:
        network = store.read(key)
    except Corrupt as error:
        raise BadInput(
            f"the learned activation {key} cannot be used: {error}. Remove the file and learn it again"
        ) from None
    if network is None:
        raise BadInput(f"the learned activation {key} has no file in {store.root}: it was never finished there")
    if fault := _fault(network):
        raise BadInput(f"{key} in {store.root} is no learned activation: {fault}")
    if network.status == "diverged":
        log.warning("%s%s: %s, and used", PREFIX, key[:8], divergence(network))
    return network.rows[network.step]


def divergence(network: Network) -> str:
    """Where an outer loop diverged, and what it left: it has a cost for each outer step before that one."""
    kept = f"what {network.step} outer steps learned is kept" if network.step else "nothing had been learned before"
    return f"an inner loop diverged in outer step {len(network.losses)}; {kept}"


def _fault(network: Network) -> str:
    row = network.rows[network.step]
    if f"{KIND}/" not in network.measured:
        return "it is another thing that was trained"
    if network.status == "diverged" and not network.step:
        return divergence(network)
    return "" if len(row) % 3 == 1 and len(row) > 3 else f"its row has {len(row)} numbers"
