"""How long the command line takes until it has an answer, against a bare Hydra application of one YAML file.

Both sides run in turn and the smallest CPU time counts: on a busy machine it repeats within a few
percent, which the clock on the wall does not. Reading a signature never imports a plugin, so torch
has no part in any of these commands.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

BAR = 1.5
"""What expzoo may take, as a multiple of the bare application's time."""

COMMANDS = {
    "help": (["--help"], ["--help"]),
    "print the config": (["--cfg", "job"], ["--cfg", "job"]),
    "misspelt key": (["model.widht=3"], ["model.widht=3"]),
    "unknown option": (["model=mpl"], ["model=mpl"]),
    "wrong type": (["model.width=abc"], ["model.width=abc"]),
    "five faults": (
        ["model=mpl", "optimizer.lr=abc", "stop.stesp=3", "budget=smok", "~loss"],
        ["model=mpl", "optimizer.lr=abc", "stop.stesp=3", "budget=smok", "~loss"],
    ),
}
"""What is typed: what expzoo is given, and what the bare application is given."""

_APPLICATION = """\
import hydra

@hydra.main(version_base="1.3", config_path=".", config_name="config")
def main(cfg):
    pass

main()
"""

_CONFIG = """\
model:
  name: mlp
  width: 100
optimizer:
  lr: 0.1
"""


def compare(rounds: int, commands: dict[str, tuple[list[str], list[str]]]) -> Iterator[dict[str, tuple[float, float]]]:
    """After each round, for each command: the least CPU seconds so far of the bare application and of expzoo."""
    least = dict.fromkeys(commands, (float("inf"), float("inf")))
    with tempfile.TemporaryDirectory() as folder:
        application = Path(folder) / "application.py"
        application.write_text(_APPLICATION)
        (Path(folder) / "config.yaml").write_text(_CONFIG)
        for _ in range(rounds):
            for name, (ours, bare) in commands.items():
                sides = ([str(application), *bare], ["-m", "expzoo", *ours])
                taken = [_cpu_seconds([sys.executable, *side], folder) for side in sides]
                least[name] = (min(least[name][0], taken[0]), min(least[name][1], taken[1]))
            yield dict(least)


def _cpu_seconds(command: list[str], folder: str) -> float:
    """User and system time of a command and its children."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    """Print the table; 1 if a command takes longer than the bar."""
    *_, least = compare(9, COMMANDS)
    print(f"{'command':<20}{'bare Hydra ms':>15}{'expzoo ms':>12}{'ratio':>8}   bar {BAR}")
    for name, (bare, ours) in least.items():
        print(f"{name:<20}{1000 * bare:>15.0f}{1000 * ours:>12.0f}{ours / bare:>8.2f}")
    return int(any(ours > BAR * bare for bare, ours in least.values()))


if __name__ == "__main__":
    sys.exit(main())
