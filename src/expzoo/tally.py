"""What a lab did: how many networks it trained and found, where, and how long that took."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Tally:
    """What a lab did: networks trained and found, by key, and how long training took."""

    trained: set[str] = field(default_factory=set)
    cached: set[str] = field(default_factory=set)
    diverged: set[str] = field(default_factory=set)
    machines: dict[str, str] = field(default_factory=dict)  # the class on which each network was trained
    training_seconds: float = 0.0
    member_steps: int = 0
    seconds: dict[str, float] = field(default_factory=dict)  # each network's share of the time

    def of(self, keys: set[str]) -> Tally:
        """What was done for these networks alone."""
        seconds = {key: spent for key, spent in self.seconds.items() if key in keys}
        machines = {key: machine for key, machine in self.machines.items() if key in keys}
        sets = self.trained & keys, self.cached & keys, self.diverged & keys
        return Tally(*sets, machines, sum(seconds.values()), self.member_steps, seconds)
