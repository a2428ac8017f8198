"""Starts trainings in processes of their own, whose threads are chosen before anything is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from safetensors.numpy import load

from expzoo.lab import messages
from expzoo.lab.request import Want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    from jaxtyping import Float, Int

    from expzoo.spec.spec import Spec

Loop = Literal["torch", "lightning"]
_MODULE = "expzoo.analysis.studies.reproducibility"


class Outcome(NamedTuple):
    """What one process trained: weights, test predictions and accuracy in per cent after each of the looks."""

    weights: Float[np.ndarray, "looks size"]
    predictions: Int[np.ndarray, "looks examples"]
    accuracy: Float[np.ndarray, " looks"]


def trained(spec: Spec, loop: Loop, *, threads: int, seeded: bool, looks: Sequence[int]) -> Outcome:
    """One network trained by an ordinary loop in a fresh process, with dropout of its inputs.

    Args:
        spec: data, model, loss and learning rate; its seed is that of every generator.
        loop: written out, or Lightning's with `deterministic=True`.
        threads: within one operation.
        seeded: whether the generator that dropout draws from is seeded; all others are.
        looks: after which steps; the last one is the end.
    """
    with tempfile.TemporaryDirectory() as folder:
        order = {"loop": loop, "threads": threads, "seeded": seeded, "looks": [*looks], "to": f"{folder}/outcome"}
        _start("training", order, spec, threads)
        found = load(Path(folder, "outcome").read_bytes())
    return Outcome(found["weights"], found["predictions"], found["accuracy"])


def timed(spec: Spec, *, threads: int, steps: int, rounds: int, together: int) -> list[dict[str, Any]]:
    """Seconds that `steps` steps take in every way of `timing.WAYS`, in alternating order, round by round.

    Args:
        spec: what is trained.
        threads: how many "all" are.
        steps: of each training.
        rounds: after one that is not counted.
        together: networks in a population of expzoo.
    """
    with tempfile.TemporaryDirectory() as folder:
        order = {"threads": threads, "steps": steps, "rounds": rounds, "together": together, "folder": folder}
        return json.loads(_start("timing", order, spec, threads))


def _start(module: str, order: dict[str, Any], spec: Spec, threads: int) -> str:
    """What the process prints; RuntimeError with its last words if it fails."""
    variables = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    ended = subprocess.run(
        [sys.executable, "-m", f"{_MODULE}.{module}"],
        input=json.dumps(order | {"wants": messages.dump([Want(spec)])}),
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"{module} in a process of its own failed: {ended.stderr.strip()[-500:]}")
    return ended.stdout


def end(main: Callable[[], None]) -> None:
    """Do what such a process is for, and end it at once: there is nothing to tidy up."""
    main()
    sys.stdout.flush()
    os._exit(0)


@contextmanager
def told() -> Iterator[tuple[dict[str, Any], Spec]]:
    """In such a process: what it is told, and the spec; what it prints meanwhile is no answer."""
    answers, sys.stdout = sys.stdout, sys.stderr
    order = json.loads(sys.stdin.read())
    [want] = messages.load(order.pop("wants")).values()
    try:
        yield order, want.spec
    finally:
        sys.stdout = answers
