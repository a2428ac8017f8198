"""SIGINT and SIGTERM: training ends at the next good moment, what was done is kept, and the exit code is 75."""

from __future__ import annotations

import signal
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytorch_lightning import Trainer

NUMBERS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """A second signal, in the middle of a block of training. No Exception, so that nobody takes it for a fault.

    It is no KeyboardInterrupt either, which Lightning turns into an exit with code 1.
    """


class Interrupted(Exception):
    """Training was asked to stop; everything finished or kept stays in the store."""


class Interruption:
    """What signals ask of training: the first to stop at the end of the block, the second not to wait for it."""

    def __init__(self) -> None:
        self.asked = self.stopped = False

    @contextmanager
    def listening(self, tell: Callable[[], None] | None = None) -> Iterator[None]:
        """Listen to signals inside, and `tell` of the first; Stopped comes at most once, so that its way out is free.

        Only the main thread can listen; elsewhere nothing is changed.
        """
        self.asked = self.stopped = False

        def note(*_: object) -> None:
            if self.asked and not self.stopped:
                self.stopped = True
                raise Stopped
            if not self.asked and tell:
                tell()
            self.asked = True

        with _handled(note):
            yield

    def after_block(self, trainer: Trainer, session: object) -> None:
        """Stop if asked to."""
        if self.asked:
            trainer.should_stop = True


@contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGTERM ends a command as SIGINT does, by a KeyboardInterrupt. After one, no other signal is heard."""

    def interrupt(*_: object) -> None:
        ignore()
        raise KeyboardInterrupt

    with _handled(interrupt):
        yield


def forget() -> None:
    """Let the command end with a code of its own after a KeyboardInterrupt that it has caught.

    CPython notes one that passes through code made of a string, as dataclasses are while a library
    is imported, and `python -m` then ends by SIGINT whatever the code (Modules/main.c, Py_RunMain).
    The next such code clears the note.
    """
    namedtuple("Forgotten", ())


def ignore() -> None:
    """From now on signals are not heard: the command is on its way out already."""
    if threading.current_thread() is threading.main_thread():
        for number in NUMBERS:
            signal.signal(number, signal.SIG_IGN)


@contextmanager
def _handled(handler: Callable[..., None]) -> Iterator[None]:
    """Both signals go to `handler`, and afterwards where they went before, unless they are ignored by then."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number in NUMBERS:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number, earlier in before.items():
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, earlier or signal.SIG_DFL)
