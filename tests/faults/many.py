"""Sixty-four processes, forked from one that has imported everything, that start at the same instant on one store.

    python many.py FOLDER PROCESSES NETWORKS

prints as JSON the exit codes, what each network came to, and how often each was trained.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

from tests.faults.killed import DENSE

from expzoo.lab.lab import Lab
from expzoo.store.store import Store

SPECS = [DENSE.replace(seed=seed, model={"width": 8}, stop={"steps": 60}) for seed in range(100)]


def train(folder: Path, count: int) -> list[str]:
    """Train all, in one's own order; which ones it was that this process trained."""
    lab = Lab(Store(folder / "store", "this-machine"))
    specs = SPECS[:count]
    turned = os.getpid() % count
    lab.train(specs[turned:] + specs[:turned])
    return sorted(lab.account.trained)


def main(folder: Path, processes: int, count: int) -> None:
    """Let all of them wait for one pipe to be closed."""
    waiting, starting = os.pipe()
    children = []
    for number in range(processes):
        child = os.fork()
        if child == 0:
            try:
                os.close(starting)
                os.read(waiting, 1)
                (folder / f"trained {number}.json").write_text(json.dumps(train(folder, count)))
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    os.close(waiting)
    os.close(starting)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    store = Store(folder / "store", "this-machine")
    alone = Lab(Store(folder / "alone", "this-machine")).train(SPECS[:count])
    equal = [
        (kept := store.load(one.key)) is not None and kept.rows[kept.step].tobytes() == one.row().tobytes()
        for one in alone
    ]
    trained = Counter(key for path in folder.glob("trained *.json") for key in json.loads(path.read_text()))
    debris = [path.name for path in (folder / "store").rglob("*") if path.is_file() and path.suffix != ".safetensors"]
    sys.stdout.write(json.dumps({"codes": codes, "equal": equal, "trained": [*trained.values()], "debris": debris}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
