"""Values of networks while they train, for loggers that show them: throttled, in a thread, and never waited for."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from expzoo.config import registry
from expzoo.config.identity import run_id
from expzoo.runs.trackers import sweep
from expzoo.system.console import say

if TYPE_CHECKING:
    from expzoo.engine.session import Session

SECONDS = 10.0  # between values
PATIENCE = 15.0  # seconds that is waited for a tracker to be closed, before which it cannot be given the finished run

Values = dict[str, float]


class Sink(Protocol):
    """Where values go: an open run of a tracker."""

    def send(self, values: Values) -> None:
        """Show these values."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class Live:
    """Sends the mean training loss now and then. A tracker that hangs or fails costs a line, and values."""

    def __init__(
        self, name: str, open_sink: Callable[[], Sink | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`open_sink` opens the tracker, in a thread; None if it shows no live values."""
        self.name, self.open_sink, self.clock = name, open_sink, clock
        self.told = clock()
        self.waiting: queue.Queue[Values | None] = queue.Queue(maxsize=1)
        self.thread = threading.Thread(target=self._serve, daemon=True, name=f"live {name}")
        self.thread.start()

    def note(self, _: object, session: Session) -> None:
        """A callback after each block of a session."""
        if self.clock() - self.told < SECONDS:
            return
        self.told = self.clock()
        last = [float(one.network.losses[-1]) for one in session.active if len(one.network.losses)]
        if last and np.isfinite(last).any():
            self.put(
                {"live/step": session.step, "live/networks": len(last), "live/loss/train": float(np.nanmean(last))}
            )

    def put(self, values: Values) -> None:
        """Send these values if the tracker has taken the ones before, else drop them."""
        if self.thread.is_alive() and self.waiting.empty():
            self.waiting.put_nowait(values)

    def close(self) -> None:
        """Send what waits, and go on without the tracker if it does not answer."""
        end = time.monotonic() + PATIENCE
        while self.thread.is_alive() and time.monotonic() < end:
            with suppress(queue.Full):  # by values that the tracker has not taken yet
                self.waiting.put_nowait(None)
                self.thread.join(end - time.monotonic())
                return
            time.sleep(0.01)
        with suppress(queue.Empty):  # so that the thread ends when the tracker answers after all
            self.waiting.get_nowait()
        with suppress(queue.Full):
            self.waiting.put_nowait(None)

    def _serve(self) -> None:
        try:
            values = self.waiting.get()
            sink = self.open_sink() if values is not None else None
            while sink and values is not None:
                sink.send(values)
                values = self.waiting.get()
            if sink:
                sink.close()
        except Exception as error:  # noqa: BLE001 - whatever happens to a tracker
            why = " ".join(str(error).split()) or type(error).__name__
            say(f"logger={self.name} shows no live values: {why}", file=sys.stderr)


def watchers(config: Mapping[str, Any], directory: Path) -> list[Live]:
    """One for each logger of the config that shows live values."""
    found = []
    for node in config["logger"].values():
        if not hasattr(registry.load("logger", node["name"]), "live"):
            continue
        name = config["about"]["experiment"] or "custom"
        about = {
            "run": directory.name,
            "experiment": name,
            "id": run_id(config),
            "config": dict(config),
            "sweep": sweep(),
        }
        plugin = registry.build_node("logger", node)
        found.append(Live(node["name"], lambda plugin=plugin, about=about: plugin.live(directory, about)))
    return found
