"""One progress display: a bar on a terminal and in a notebook, elsewhere a line now and then."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from expzoo.system.console import say
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from expzoo.engine.session import Session


EVERY = "EXPZOO_PROGRESS"
"""Variable of the environment: the seconds between lines where there is no terminal, if not given 30; 0 is none."""


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


class Counted:
    """What a display without a bar of its own says: networks and steps done, and the time that is left."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.networks = self.finished = self.steps = self.done = 0
        self.begun = self.told = clock()

    def start(self, networks: int, steps: int) -> None:
        """Count from nothing."""
        self.networks, self.finished, self.steps, self.done = networks, 0, steps, 0
        self.begun = self.told = self.clock()

    def count(self, networks: int, steps: int, spared: int) -> None:
        """So much more is done."""
        self.finished, self.done, self.steps = self.finished + networks, self.done + steps, self.steps - spared

    @property
    def share(self) -> float:
        """How much of the steps is done, from 0 to 1."""
        return min(self.done / self.steps, 1.0) if self.steps > 0 else 1.0

    def words(self) -> str:
        """All of it on one line."""
        told = f"trained {self.finished} of {self.networks} networks, {math.floor(100 * self.share)} % of the steps"
        left = (self.clock() - self.begun) * (1 / self.share - 1) if self.share else 0.0
        return told + (f", about {_span(left)} left" if 0 < self.share < 1 else "")


class LineProgress(Counted):
    """A line on standard error every so many seconds, as for a log; none for what takes less."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock)
        self.seconds = seconds

    def advance(self, networks: int, steps: int, spared: int) -> None:
        """Say a line if it is time."""
        self.count(networks, steps, spared)
        if self.clock() - self.told >= self.seconds:
            self.told = self.clock()
            say(self.words(), file=sys.stderr)

    def stopping(self) -> None:
        """Nothing is said from inside the handler of a signal."""

    def finish(self) -> None:
        """Nothing is left to take away."""


class Handle(Protocol):
    """What is displayed in a notebook and can be replaced."""

    def update(self, shown: object, /) -> object:
        """Show this instead."""
        ...


class NotebookProgress(Counted):
    """A bar below the cell of a notebook, gone when everything is trained."""

    def __init__(self, show: Callable[[object], Handle | None], clock: Callable[[], float] = time.monotonic) -> None:
        """`show` displays what is HTML and returns a handle with `update`, as `IPython.display.display` does."""
        super().__init__(clock)
        self.show = show
        self.handle: Handle | None = None

    def start(self, networks: int, steps: int) -> None:
        """Show a bar."""
        super().start(networks, steps)
        self.handle = self.show(_Html(self._bar()))

    def advance(self, networks: int, steps: int, spared: int) -> None:
        """Move the bar, at most four times a second."""
        self.count(networks, steps, spared)
        if self.handle and self.clock() - self.told >= 0.25:
            self.told = self.clock()
            self.handle.update(_Html(self._bar()))

    def _bar(self) -> str:
        return f'<progress value="{self.share:.4f}" max="1" style="width: 16em"></progress> {self.words()}'

    def stopping(self) -> None:
        """Nothing is said from inside the handler of a signal."""

    def finish(self) -> None:
        """Take the bar away."""
        if self.handle:
            self.handle.update(_Html(""))
            self.handle = None


@dataclass(frozen=True)
class _Html:
    """A text that a notebook shows as HTML."""

    text: str

    def _repr_html_(self) -> str:
        return self.text


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def notebook_progress() -> Progress:
    """A bar in a notebook, nothing elsewhere."""
    kernel = sys.modules.get("IPython")
    shell = kernel.get_ipython() if kernel else None
    if shell is None or not hasattr(shell, "kernel"):
        return SILENT
    from IPython.display import display

    return NotebookProgress(lambda html: display(html, display_id=True))


def terminal_progress() -> Progress:
    """The display of a command: a bar on a terminal or in a notebook, lines elsewhere; BadInput of `EVERY`."""
    if sys.stderr.isatty():
        return TerminalProgress()
    if (bar := notebook_progress()) is not SILENT:
        return bar
    given = os.environ.get(EVERY, "30")
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise BadInput(f"{EVERY}={given} is no number of seconds: give 30, or 0 for no lines")
    return LineProgress(seconds) if seconds else SILENT
