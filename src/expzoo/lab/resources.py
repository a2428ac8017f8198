"""What everything that a lab does has in common: its store, what it builds from, and what it is told and tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from expzoo.engine.assembly import Assembler
from expzoo.engine.blueprints import Blueprints
from expzoo.engine.evaluation import Evaluator
from expzoo.lab.accounting import Account
from expzoo.lab.adoption import Adoption
from expzoo.lab.progress import SILENT, Progress
from expzoo.store.leases import Leases
from expzoo.system.signals import Interrupted, Interruption, Stopped

if TYPE_CHECKING:
    from expzoo.engine.session import Session
    from expzoo.store.store import Store

PARTIAL_SECONDS = 5.0  # between two times that running members are kept


class Resources:
    """Shared by all that looks up, plans and trains for one lab."""

    def __init__(
        self,
        store: Store,
        *,
        accelerator: str = "cpu",
        progress: Progress = SILENT,
        partial_seconds: float = PARTIAL_SECONDS,
        device: torch.device | None = None,
        most_members: int | None = None,
    ) -> None:
        """`accelerator` is the kind of device, cpu or cuda; `device` is which one, if not the first.

        `most_members` is how many networks are fused at most, if fewer than usual.
        """
        self.store, self.accelerator, self.progress = store, accelerator, progress
        self.partial_seconds = partial_seconds
        self.leases = Leases(store.folder)
        self.blueprints = Blueprints()
        self.assembler = Assembler(self.blueprints, device or torch.device(accelerator), most_members)
        self.adoption = Adoption(store.root, self.blueprints)
        self.evaluator = Evaluator(self.blueprints)
        self.account = Account()
        self.interruption = Interruption()
        self.watchers: list[Callable[[object, Session], None]] = []  # called after each block of a session

    @contextmanager
    def training(self, count: int, steps: int) -> Iterator[None]:
        """Inside, `count` things are trained, in `steps` steps at most: shown, and interrupted by signals.

        Interrupted if a second signal did not wait for the step; OSError, before anything, if nothing can be stored.
        """
        self.store.require_writable()
        self.progress.start(count, steps)
        try:
            with self.interruption.listening(self.progress.stopping):
                yield
        except Stopped:
            raise Interrupted from None
        finally:
            self.progress.finish()
