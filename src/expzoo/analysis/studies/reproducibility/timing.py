"""`python -m expzoo.analysis.studies.reproducibility.timing`: how long the same training takes in several ways."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from expzoo.analysis.studies.reproducibility.children import end, told
from expzoo.analysis.studies.reproducibility.training import Ordinary, by_lightning, by_torch
from expzoo.lab.lab import Lab
from expzoo.store.store import Store
from expzoo.system.machine import machine_class
from expzoo.system.randomness import member_seed

if TYPE_CHECKING:
    from expzoo.spec.spec import Spec

EXPZOO, POPULATION = "expzoo", "expzoo, side by side"


class Way(NamedTuple):
    """An ordinary loop: on all threads or on one, with torch's deterministic algorithms or without."""

    loop: str
    one_thread: bool
    flags: bool


WAYS = {
    "default": Way("torch", one_thread=False, flags=False),
    "flags": Way("torch", one_thread=False, flags=True),
    "one thread": Way("torch", one_thread=True, flags=False),
    "one thread and flags": Way("torch", one_thread=True, flags=True),
    "default again": Way("torch", one_thread=False, flags=False),
    "lightning": Way("lightning", one_thread=False, flags=False),
    "lightning, one thread and flags": Way("lightning", one_thread=True, flags=True),
}


def main() -> None:
    """Time every way round by round, the first round for nothing; print rows as JSON."""
    with told() as (order, spec):
        store = Store(Path(order["folder"]), machine_class())
        lab, rows = Lab(store), []
        names = [*WAYS, EXPZOO, POPULATION]
        for number in range(order["rounds"] + 1):
            turned = names[number % len(names) :] + names[: number % len(names)]
            for name in turned if number % 2 else reversed(turned):
                wall, processor = time.perf_counter(), time.process_time()
                networks = _train(name, number, order, spec, lab)
                wall, processor = time.perf_counter() - wall, time.process_time() - processor
                found = {"wall": wall / networks, "processor": processor / networks}
                rows += [
                    {"way": name, "round": number - 1, "clock": clock, "seconds": seconds}
                    for clock, seconds in found.items()
                    if number
                ]
    sys.stdout.write(json.dumps(rows))


def _train(name: str, number: int, order: dict[str, Any], spec: Spec, lab: Lab) -> int:
    """Train in one way; how many networks that were."""
    if name in WAYS:
        way = WAYS[name]
        torch.set_num_threads(1 if way.one_thread else order["threads"])
        torch.use_deterministic_algorithms(way.flags)
        ordinary = Ordinary(spec)
        if way.loop == "torch":
            by_torch(ordinary, order["steps"], lambda step: None)
        else:
            by_lightning(ordinary, order["steps"], lambda step: None, deterministic=way.flags)
        return 1
    count = order["together"] if name == POPULATION else 1
    first = (number * 2 + (name == POPULATION)) * 1000  # of networks that the store does not have
    stop = {"steps": order["steps"]} if spec.stop.name == "steps" else {}
    lab.train([spec.replace(seed=member_seed(spec.seed, first + index), stop=stop) for index in range(count)])
    return count


if __name__ == "__main__":
    end(main)
