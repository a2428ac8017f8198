"""One progress display, on a terminal only: networks trained, steps, time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from expzoo.engine.session import Session


class Progress(Protocol):
    """Shown while networks are trained."""

    def start(self, networks: int, steps: int) -> None:
        """So many networks are to be trained, with so many optimizer steps in all, at most."""
        ...

    def advance(self, networks: int, steps: int, spared: int) -> None:
        """So many more networks are finished and steps done, and so many steps turned out not to be needed."""
        ...

    def stopping(self) -> None:
        """A signal asked to stop. Called by the handler of the signal, whatever was going on."""
        ...

    def finish(self) -> None:
        """Nothing is trained any more."""
        ...


class Silent:
    """Nobody watches."""

    def start(self, networks: int, steps: int) -> None:
        """Nothing is shown."""

    def advance(self, networks: int, steps: int, spared: int) -> None:
        """Nothing is shown."""

    def stopping(self) -> None:
        """Nothing is shown."""

    def finish(self) -> None:
        """Nothing is shown."""


SILENT = Silent()


def reporter(progress: Progress, session: Session) -> Callable[[object, Session], None]:
    """A callback that tells the display what each block of a session added."""
    step, running = session.step, len(session.active)
    kept = step * running  # by the training that this one goes on from

    def report(_: object, session: Session) -> None:
        nonlocal step, running, kept
        ended = running - len(session.active)
        progress.advance(ended, (session.step - step) * running, kept + (session.total - session.step) * ended)
        step, running, kept = session.step, running - ended, 0

    return report


class TerminalProgress:
    """A bar on standard error while networks are trained."""

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._networks = self._done = self._steps = 0

    def start(self, networks: int, steps: int) -> None:
        """Show a bar."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._networks, self._done, self._steps = networks, 0, steps
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            refresh_per_second=4,
        )
        self._task = self._bar.add_task(f"training {networks} networks", total=steps)
        self._bar.start()

    def advance(self, networks: int, steps: int, spared: int) -> None:
        """Move the bar."""
        self._done += networks
        self._steps -= spared
        if self._bar and self._task is not None:
            told = f"trained {self._done} of {self._networks} networks"
            self._bar.update(self._task, advance=steps, total=self._steps, description=told)

    def stopping(self) -> None:
        """Say that the signal was heard."""
        if self._bar and self._task is not None:
            self._bar.update(self._task, description="stopping; again to stop at once")

    def finish(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()
            self._bar = None


@contextmanager
def shown(what: str) -> Iterator[None]:
    """One line on a terminal while something takes a moment that is no training; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


def terminal_progress() -> Progress:
    """A display if somebody watches."""
    return TerminalProgress() if sys.stderr.isatty() else SILENT
