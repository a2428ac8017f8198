"""What is kept of one network: trained, or on its way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

Status = Literal["finished", "diverged", "not_fitted"]


@dataclass
class Network:
    """What is kept of one trained network.

    `rows` are weights (size,) by step, among them step 0 and the last; `measured` maps a label such
    as "accuracy/test" to {step: value}; `losses` are the batch losses before each update; `mask`
    (size,) of bool where there is one; `events` are named steps, such as "best".
    """

    key: str
    status: Status
    step: int
    rows: dict[int, np.ndarray]
    losses: np.ndarray
    mask: np.ndarray | None = None
    measured: dict[str, dict[int, float]] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    machine: str = ""

    def starts_as(self, other: Network) -> bool:
        """Whether both were trained from the same weights, with the same mask."""
        ours, theirs = (np.ones(0) if network.mask is None else network.mask for network in (self, other))
        return np.array_equal(self.rows[0], other.rows[0]) and np.array_equal(ours, theirs)

    def take_over(self, other: Network) -> None:
        """Add what has been kept of the same network elsewhere: rows, events and values; its own come first."""
        self.rows, self.events = other.rows | self.rows, other.events | self.events
        for label, values in other.measured.items():
            self.measured[label] = values | self.measured.get(label, {})


@dataclass
class Partial:
    """A member between two steps: everything that its training needs to go on."""

    key: str
    step: int
    theta: np.ndarray
    state: dict[str, np.ndarray]
    network: Network
