"""`python -m expzoo.lab.worker`: trains the networks that come as lines of JSON, and puts them into the shared store.

The first line holds the settings. Each further line is answered by one, with what went wrong, empty
if nothing did. What training needs is imported before there is anything to train.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from expzoo.system.garbage import end_quickly, no_collection


def main() -> int:
    """Serve until the input ends; 75 if a signal asked to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: whoever started this process says when to stop
    answers = os.dup(1)
    os.dup2(2, 1)  # what plugins print must not be taken for an answer
    lines: SimpleQueue[str] = SimpleQueue()
    Thread(target=_read, args=(lines,), name="lines", daemon=True).start()
    end_quickly()
    settings = json.loads(lines.get())
    with no_collection():
        train = _trainer(settings)
    from expzoo.lab import messages
    from expzoo.system.errors import BadInput
    from expzoo.system.signals import Interrupted, Stopped

    while line := lines.get():
        reply = {"fault": "", "bad_input": False}
        try:
            train(messages.load(json.loads(line)))
        except (Interrupted, Stopped):
            return 75
        except Exception as error:  # noqa: BLE001 - whoever asked meets the same and says whose it is
            known = isinstance(error, BadInput)
            reply = {"fault": str(error) if known else "".join(traceback.format_exception(error)), "bad_input": known}
        try:
            os.write(answers, f"{json.dumps(reply)}\n".encode())
        except BrokenPipeError:  # whoever asked is gone
            return 0
    return 0


def _read(lines: SimpleQueue[str]) -> None:
    """Take lines as they come, so that nobody who sends one waits; an empty one is the end."""
    for line in sys.stdin:
        lines.put(line)
    lines.put("")


def _trainer(settings: dict[str, Any]) -> Any:
    import torch._dynamo  # noqa: F401 - tracing needs it

    import expzoo.engine.lightning  # noqa: F401
    from expzoo.lab.lab import Lab
    from expzoo.lab.open import find_accelerator
    from expzoo.store.store import Store
    from expzoo.system.machine import machine_class

    root, accelerator = Path(settings["store"]), find_accelerator(settings["accelerator"])
    if settings["strategy"]:
        from expzoo.lab.shared_trainer import SoloTrainer

        options = settings["strategy"], settings["index"], settings["total"], settings["partial_seconds"]
        return SoloTrainer(root, accelerator, *options).train
    store = Store(root, machine_class(accelerator))
    share = settings["index"], settings["total"]
    return Lab(store, accelerator=accelerator, partial_seconds=settings["partial_seconds"], share=share).obtain


if __name__ == "__main__":
    sys.exit(main())
