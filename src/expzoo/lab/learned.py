"""Learned activations that a config names, looked up in a store: whole, or refused with what is there."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, overload

from expzoo.components.learned_activations import KIND, PREFIX, names_of, parse, table
from expzoo.system.checksummed import Corrupt
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

    from expzoo.store.network import Network
    from expzoo.store.store import Store
    from expzoo.system.canonical import JSON

log = logging.getLogger(__name__)


def wholes(config: JSON, store: Store, known: JSON = None) -> dict[str, str]:
    """The whole name of every learned activation in a plain config; BadInput if one cannot be had.

    They are looked up in `known`, such as a finished run has in its manifest, then in the store.
    """
    known = known if isinstance(known, dict) else {}
    return {text: _known(text, known) or resolve(text, store) for text in sorted(set(_names(config)))}


@overload
def resolved(config: dict[str, JSON], names: Mapping[str, str]) -> dict[str, JSON]: ...
@overload
def resolved(config: JSON, names: Mapping[str, str]) -> JSON: ...
def resolved(config: JSON, names: Mapping[str, str]) -> JSON:
    """A plain config in which names of learned activations are whole."""
    match config:
        case dict():
            return {key: resolved(value, names) for key, value in config.items()}
        case list() | tuple():
            return [resolved(value, names) for value in config]
        case str():
            return names.get(config, config)
    return config


def _names(config: JSON) -> Iterator[str]:
    match config:
        case dict():
            yield from _names([*config.values()])
        case list() | tuple():
            for value in config:
                yield from _names(value)
        case str() if config.startswith(PREFIX):
            yield config


def _known(text: str, known: Mapping[str, JSON]) -> str:
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
