"""`python -m expzoo.runs.audit.retrain`: trains the networks that its input names, in the way that it says.

With `kill_at` it kills itself, as SIGKILL from outside would, when so many members were kept, or
just before so many were ended.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from expzoo.lab import messages
from expzoo.lab.lab import Lab
from expzoo.lab.open import open_populations
from expzoo.store.store import Store
from expzoo.system.garbage import end_quickly
from expzoo.system.machine import machine_class

if TYPE_CHECKING:
    from expzoo.runs.audit.ways import Order
    from expzoo.store.network import Network, Partial


class DeadlyStore(Store):
    """A store in which something is kept so many times, and then the process is killed."""

    def __init__(self, root: Path, machine: str, times: int) -> None:
        super().__init__(root, machine)
        self.left = times
        self.resumed = {path.parent.parent.name for path in root.glob("*/*/*/partial.safetensors")}

    def save(self, network: Network) -> None:
        """Killed before anything is written."""
        self._count(network.key)
        super().save(network)

    def save_partial(self, partial: Partial) -> None:
        """Killed after it is written."""
        super().save_partial(partial)
        self._count(partial.key)

    def _count(self, key: str) -> None:
        if key not in self.resumed:  # what was killed before is let go on
            self.left -= 1
            if not self.left:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Do what the input says."""
    order: Order = json.loads(sys.stdin.read())
    end_quickly()
    lab = _lab(order)
    wants = messages.load(order["wants"])
    try:
        for group in order["groups"]:
            lab.obtain({key: wants[key] for key in group})
    finally:
        lab.close()
    return 0


def _lab(order: Order) -> Lab:
    root, accelerator = Path(order["store"]), order["accelerator"]
    if order["processes"] > 1:
        return open_populations(root, accelerator, order["processes"])
    machine = machine_class(accelerator)
    if order["kill_at"]:
        store = DeadlyStore(root, machine, order["kill_at"])
        return Lab(store, accelerator=accelerator, partial_seconds=0, most_members=order["most"])
    return Lab(Store(root, machine), accelerator=accelerator, most_members=order["most"])


if __name__ == "__main__":
    sys.exit(main())
