"""Learned activation functions as components: named by the short form of the key of the lesson that learned them.

A person types `learned:3f2a9c1b`, the first digits of the key, or `learned:3f2a9c1b/linear` for its
fit by straight pieces. Before anything is trained the name is resolved from the store into one that
holds the whole key and the function itself, so that a network's spec says what it computes and
needs no file to be built again, in any process.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor, nn


PREFIX = "learned:"
KNOTS = 65  # of `expzoo.components.splines`, which imports torch
_NAME = re.compile(r"learned:(?P<key>[0-9a-f]{6,64})(?P<form>/linear)?(:(?P<data>[\w-]+))?", re.ASCII)
SHARE = 0.2  # of the small network in the function (notebook)
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

    values, slopes = (part.numpy() for part in small_network(torch.from_numpy(row).double(), splines.knots()))
    return {"": encode(key, values, slopes), "/linear": encode(key, straight_pieces(values))}


def small_network(
    row: Float[Tensor, " weights"], x: Float[Tensor, " n"]
) -> tuple[Float[Tensor, " n"], Float[Tensor, " n"]]:
    """Values and slopes of f at x, from the weights of g in a row of 3 hidden + 1."""
    import torch
    from torch.nn import functional

    weight, bias, out = row[:-1].view(3, -1)
    inside = torch.tanh(x.unsqueeze(1) * weight + bias)
    values = functional.elu(x) + SHARE * (inside @ out + row[-1])
    slopes = torch.where(x < 0, x.exp(), torch.ones_like(x)) + SHARE * ((1 - inside.square()) * weight) @ out
    return values, slopes


def straight_pieces(values: np.ndarray, every: int = 4) -> np.ndarray:
    """Values (65,) of the best fit by straight pieces that bend at every fourth knot, in least squares over all."""
    knots = np.arange(KNOTS)
    bends = np.arange(0, KNOTS, every)
    hats = np.maximum(0.0, 1 - np.abs(knots[:, None] - bends) / every)
    return hats @ np.linalg.lstsq(hats, values, rcond=None)[0]
