"""A multirun of 64 jobs, fused against one after the other: the whole command, process start included.

    python benchmarks/fused_multirun.py [--quick]

Bar: 2.5 times. Also trials a minute of a hyperparameter search in batches of 16 against one by one,
and 64 networks on two processes against one (bar: 1.7 times): for as many steps as the commands
above, of which imports and writing are a large part, and for more. Equal results are checked, not
assumed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SWEEP = ("-m", "population.size=1", "model.width=100", "optimizer.lr=0.01,0.02")
SEARCH = ("-m", "hydra/sweeper=optuna", "population.size=1", "model.width=100", "optimizer.lr=interval(0.001,0.03)")


def command(folder: Path, *words: str) -> float:
    """The seconds that `python -m expzoo WORDS` takes, with compiled modules kept, as Python does by itself."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": ""}
    begin = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "expzoo", *words], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - begin


def networks(folder: Path) -> dict[str, str]:
    """The checksum of every network, by its place in the store."""
    found = sorted((folder / "outputs" / "store").rglob("network.safetensors"))
    return {path.parent.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def compare(title: str, bar: str, slow: tuple[str, ...], quick: tuple[str, ...], *, trials: int = 0) -> None:
    """Time two commands and print their ratio; of searches the trials a minute, and their networks may differ."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        before, after = command(Path(first), *slow), command(Path(second), *quick)
        same = networks(Path(first)) == networks(Path(second))
    if not trials and not same:
        raise SystemExit(f"{title}: the networks are not equal")
    rates = f"{60 * trials / before:.0f} and {60 * trials / after:.0f} trials a minute" if trials else ""
    print(f"{title:44} {before:7.1f} s  {after:7.1f} s  {before / after:5.2f}x  {bar}{rates}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="8 jobs of 200 steps")
    few = parser.parse_args().quick
    jobs, steps, trials = (4, 200, 8) if few else (32, 1500, 64)
    print(f"{'':44} {'before':>9}  {'after':>9}  ratio  bar")
    sweep = (*SWEEP, f"seed=range(0,{jobs})", f"stop.steps={steps}")
    title = f"multirun, {2 * jobs} jobs, fused"
    compare(title, "2.5", (*sweep, "hydra/launcher=basic"), (*sweep, "hydra/launcher=fused"))
    for length in (2 * steps,) if few else (2 * steps, 10_000):
        alone = (f"population.size={2 * jobs}", "model.width=100", f"stop.steps={length}")
        title = f"{2 * jobs} networks of {length} steps, two processes"
        compare(title, "1.7", alone, (*alone, "trainer=population", "trainer.processes=2"))
    search = (*SEARCH, f"hydra.sweeper.trials={trials}", "hydra.sweeper.sampler=random", f"stop.steps={steps}")
    title = f"search, {trials} trials, in batches of 16"
    compare(title, "", (*search, "hydra.sweeper.batch=1"), (*search, "hydra.sweeper.batch=16"), trials=trials)


if __name__ == "__main__":
    main()
