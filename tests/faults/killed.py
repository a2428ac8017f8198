"""Trains a few networks in forked processes that are killed at random moments and started again until they are done.

    python killed.py FOLDER SEED KILLS CHAINS

prints as JSON what was kept when nothing was killed, after each single kill, and after each chain of kills.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from expzoo.analysis.pruning import Pruning
from expzoo.engine import lightning
from expzoo.lab.lab import Lab
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.spec import Spec
from expzoo.spec.when import every
from expzoo.store.store import Store

LINKS = 5  # of the chain of kills
part = Component.of
DENSE = Spec(
    dataset=part("dataset", "mnist1d", num_samples=500, batch_size=33),
    model=part("model", "mlp", width=37),
    optimizer=part("optimizer", "adam", lr=0.003),
    schedule=part("schedule", "cosine"),
    loss=part("loss", "cross_entropy"),
    stop=part("stop", "steps", steps=500),
    seed=0,
)
TICKETS = [t for seed in range(3) for t in Pruning((0.5,), rewind_step=30).tickets(DENSE.replace(seed=seed))]
GROWING = DENSE.replace(schedule=part("schedule", "batch_growth", fractions=(0.3, 0.7), factor=2), seed=2)
SPECS = [*(DENSE.replace(seed=seed) for seed in range(2)), GROWING, *TICKETS]


def train(folder: Path) -> None:
    """Everything, with partial files as often as there are blocks."""
    lightning.KEEPING_SHARE = 1e9
    measures = tuple(Measure(metric, "test", every(100)) for metric in ("accuracy", "loss"))
    Lab(Store(folder, "this-machine"), partial_seconds=0).train(Request(tuple(SPECS), measures, steps=(70,)))


def kept(folder: Path) -> list[str]:
    """One sha256 for each network: of its rows, its losses, and what was measured."""
    store, found = Store(folder, "this-machine"), []
    for spec in SPECS:
        network = store.load(spec.key)
        text = hashlib.sha256(repr((network.status, network.step, sorted(network.measured.items()))).encode())
        for step in sorted(network.rows):
            text.update(network.rows[step].tobytes())
        text.update(network.losses.tobytes())
        found.append(text.hexdigest())
    return found


def start(folder: Path) -> int:
    """A process that trains."""
    child = os.fork()
    if child == 0:
        try:
            train(folder)
            os._exit(0)
        finally:
            os._exit(1)
    return child


def kill(folder: Path, after: float) -> bool:
    """Train for so many seconds at most; whether it was killed before it ended by itself."""
    child = start(folder)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def finish(folder: Path) -> list[str]:
    """Train to the end; what is kept then."""
    if os.waitpid(start(folder), 0)[1] != 0:
        raise RuntimeError(f"training in {folder} failed")
    return kept(folder)


def newest(folder: Path) -> float:
    """When anything was last kept."""
    times = [0.0]
    for path in folder.rglob("partial.safetensors"):
        with suppress(FileNotFoundError):  # it is being replaced
            times.append(path.stat().st_mtime)
    return max(times)


def kill_after_progress(folder: Path, after: float) -> None:
    """Train until something new is kept and so many seconds more, or to the end, then kill."""
    before, child = newest(folder), start(folder)
    while newest(folder) == before and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.005)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def main(folder: Path, seed: int, kills: int, chains: int) -> None:
    chance, begin = random.Random(seed), time.monotonic()
    undisturbed = finish(folder / "undisturbed")
    duration = time.monotonic() - begin
    hits, once = 0, []
    for number in range(kills):
        hits += kill(folder / f"once {number}", chance.uniform(0, 0.8 * duration))
        once.append(finish(folder / f"once {number}"))
    chain = []
    for number in range(chains):
        for _ in range(LINKS):
            kill_after_progress(folder / f"chain {number}", chance.uniform(0, 0.05))
        chain.append(finish(folder / f"chain {number}"))
    debris = [path.name for path in folder.rglob("*") if path.is_file() and path.name != "network.safetensors"]
    found = {"undisturbed": undisturbed, "once": once, "hits": hits, "chain": chain, "debris": debris}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
