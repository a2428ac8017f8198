"""`python -m expzoo.worker`: trains the networks that come as lines of JSON, and puts them into the shared store.

The first line holds the settings. Each further line is answered by one, with what went wrong, empty if nothing did.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any


def main() -> int:
    """Serve until the input ends; 75 if a signal asked to stop."""
    from expzoo import wire
    from expzoo.errors import BadInput
    from expzoo.interruption import Stopped
    from expzoo.lab import Interrupted

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what plugins print must not be taken for an answer
    settings = json.loads(sys.stdin.readline())
    train = _trainer(settings)
    for line in sys.stdin:
        reply = {"fault": "", "bad_input": False}
        try:
            train(wire.load(json.loads(line)))
        except (Interrupted, Stopped):
            return 75
        except Exception as error:  # noqa: BLE001 - whoever asked meets the same and says whose it is
            known = isinstance(error, BadInput)
            reply = {"fault": str(error) if known else "".join(traceback.format_exception(error)), "bad_input": known}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()
    return 0


def _trainer(settings: dict[str, Any]) -> Any:
    from expzoo.lab import Lab
    from expzoo.machine import machine_class
    from expzoo.store import Store

    root, accelerator = Path(settings["store"]), settings["accelerator"]
    if settings["strategy"]:
        from expzoo.engine.solo import SoloTrainer

        return SoloTrainer(root, accelerator, settings["strategy"], settings["index"], settings["total"]).train
    store = Store(root, machine_class(accelerator))
    share = settings["index"], settings["total"]
    return Lab(store, accelerator=accelerator, partial_seconds=settings["partial_seconds"], share=share).obtain


if __name__ == "__main__":
    sys.exit(main())
