"""What a lab did: how many networks it trained and found, where, and how long that took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expzoo.store.network import Network


@dataclass
class Account:
    """What a lab did: networks trained and found, by key, and how long training them and looking at them took."""

    trained: set[str] = field(default_factory=set)
    cached: set[str] = field(default_factory=set)
    diverged: set[str] = field(default_factory=set)
    machines: dict[str, str] = field(default_factory=dict)  # the class on which each network was trained
    training_seconds: float = 0.0
    looking_seconds: float = 0.0
    member_steps: int = 0
    seconds: dict[str, float] = field(default_factory=dict)  # each network's share of the time of training
    looking: dict[str, float] = field(default_factory=dict)  # and of looking

    def note(self, networks: Iterable[Network]) -> None:
        """Where these networks were trained, and which of them diverged."""
        for network in networks:
            self.machines[network.key] = network.machine
            if network.status == "diverged":
                self.diverged.add(network.key)

    def spent(self, keys: list[str], training: float, looking: float = 0.0) -> None:
        """So many seconds went into these networks."""
        self.training_seconds += training
        self.looking_seconds += looking
        for key in keys:
            self.seconds[key] = self.seconds.get(key, 0.0) + training / len(keys)
            self.looking[key] = self.looking.get(key, 0.0) + looking / len(keys)

    def of(self, keys: set[str]) -> Account:
        """What was done for these networks alone."""
        seconds, looking = ({k: v for k, v in table.items() if k in keys} for table in (self.seconds, self.looking))
        return Account(
            self.trained & keys,
            self.cached & keys,
            self.diverged & keys,
            {key: machine for key, machine in self.machines.items() if key in keys},
            sum(seconds.values()),
            sum(looking.values()),
            self.member_steps,
            seconds,
            looking,
        )
