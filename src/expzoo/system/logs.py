"""What is logged, said on standard error: warnings, and with hydra.verbose everything that is asked for."""

from __future__ import annotations

import logging
import sys


class Said(logging.Handler):
    """Says records on standard error as it is at the time: above the progress display, where there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; what is less than a warning is preceded by whose it is."""
        whose = f"[{record.name}] " if record.levelno < logging.WARNING else ""
        sys.stderr.write(f"{whose}{self.format(record)}\n")


def say_what_is_logged() -> None:
    """Have it said, unless somebody sees to that already. Levels are left alone: hydra.verbose sets them."""
    logging.basicConfig(format="%(message)s", handlers=[Said()])
