"""Drawing MNIST-1D, ours against the package's make_dataset: one process, alternating, the best of five each."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from mnist1d.data import get_dataset_args, make_dataset

from expzoo.config import registry

BAR = 10
"""How many times faster ours has to be."""

CASES: dict[str, dict[str, Any]] = {
    "5000 samples": {},
    "5000 samples, shuffled": {"shuffle_seq": True},
    "20000 samples": {"num_samples": 20000},
    "1000 samples": {"num_samples": 1000},
}


def seconds(work: Callable[[dict[str, Any]], None], options: dict[str, Any]) -> float:
    """The wall-clock time of one call."""
    start = time.perf_counter()
    work(options)
    return time.perf_counter() - start


def package(options: dict[str, Any]) -> None:
    """The package's own way to both splits."""
    make_dataset(SimpleNamespace(**(vars(get_dataset_args()) | options)))


def ours(options: dict[str, Any]) -> None:
    """Both splits of a dataset that remembers nothing yet."""
    dataset = registry.build("dataset", "mnist1d", **options)
    dataset.split("train", 0)
    dataset.split("test", 0)


def main() -> None:
    """Print the table; exit code 1 if a case is below the bar."""
    print(f"{'':24}{'package s':>11}{'ours s':>9}{'ratio':>8}   bar {BAR}x")
    slow = False
    for name, options in CASES.items():
        pairs = [(seconds(package, options), seconds(ours, options)) for _ in range(5)]
        theirs, own = (min(times) for times in zip(*pairs, strict=True))
        slow |= theirs < BAR * own
        print(f"{name:24}{theirs:11.3f}{own:9.4f}{theirs / own:7.1f}x")
    raise SystemExit(slow)


if __name__ == "__main__":
    main()
