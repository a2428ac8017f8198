"""One progress display, on a terminal only: networks trained, steps, time left."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class TerminalProgress:
    """A bar on standard error while networks are trained."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._networks = self._done = 0

    def start(self, networks: int, steps: int) -> None:
        """Show a bar for so many networks and optimizer steps in all."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._networks, self._done = networks, 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(f"training {networks} networks", total=steps)
        self._bar.start()

    def advance(self, networks: int, steps: int) -> None:
        """So many more networks are finished and steps done."""
        self._done += networks
        if self._bar and self._task is not None:
            told = f"trained {self._done} of {self._networks} networks"
            self._bar.update(self._task, advance=steps, description=told)

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()
            self._bar = None


def terminal_progress() -> TerminalProgress | None:
    """A display if somebody watches."""
    return TerminalProgress() if sys.stderr.isatty() else None
