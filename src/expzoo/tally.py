"""What a lab did, in numbers."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Tally:
    """What a lab did: networks trained and found, by key, and how long training them and looking at them took."""

    trained: set[str] = field(default_factory=set)
    cached: set[str] = field(default_factory=set)
    diverged: set[str] = field(default_factory=set)
    machines: set[str] = field(default_factory=set)
    training_seconds: float = 0.0
    looking_seconds: float = 0.0
    member_steps: int = 0
