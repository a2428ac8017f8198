"""What decoding CIFAR-10 takes, of an archive of its size and format with random pixels.

They compress no better than photographs do. At most 2 seconds and 400 MB, the checksum of the
archive and the verified, memory-mapped file that it is decoded into included; exit code 1 beyond.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from expzoo.components.image_files import Archive, open_records
from expzoo.config import registry

MOST_SECONDS, MOST_BYTES = 2.0, 400e6


def source() -> Archive:
    """CIFAR-10's own."""
    registry.load("dataset", "cifar10")
    module: Any = sys.modules["expzoo.plugins.datasets.cifar10"]
    return module.SOURCE


def archive(folder: Path) -> str:
    """An archive of CIFAR-10's size and format in `folder`; its checksum."""
    known = source()
    generator = np.random.default_rng(0)
    with tarfile.open(folder / known.remote.name, "w:gz", compresslevel=1) as tar:
        for member, count in zip(known.members, known.records, strict=True):
            table = generator.integers(0, 256, (count, 3073), dtype=np.uint8)
            table[:, 0] %= 10
            info = tarfile.TarInfo(member)
            info.size = table.nbytes
            tar.addfile(info, io.BytesIO(table.tobytes()))
    with (folder / known.remote.name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def peak() -> int:
    """The most bytes of memory that this program has held, as Linux counts them."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def decode(digest: str) -> int:
    """Decode the archive with this checksum in $EXPZOO_DATA; 1 if it took too long or too much."""
    known = source()
    made = replace(known, remote=replace(known.remote, sha256=digest))
    before, start = peak(), time.perf_counter()
    open_records(made)
    took, most, start = time.perf_counter() - start, peak(), time.perf_counter()
    open_records(made)
    again = time.perf_counter() - start
    print(f"{took:.2f} s and {most / 1e6:.0f} MB at most, {before / 1e6:.0f} of them before; again {again:.2f} s")
    return int(took > MOST_SECONDS or most > MOST_BYTES)


def main() -> int:
    """Make an archive and decode it in a process of its own, which has held nothing else."""
    if len(sys.argv) > 1:
        return decode(sys.argv[1])
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, __file__, archive(Path(name))]
        return subprocess.run(command, env=os.environ | {"EXPZOO_DATA": name}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
