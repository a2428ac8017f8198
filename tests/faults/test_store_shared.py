"""One store and several processes: equal networks are equal bytes, and nobody reads or leaves half a file."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from expzoo.store.store import Store

KEY = "5a" * 32

SAVER = """
import sys
from pathlib import Path
import numpy as np
from expzoo.store.store import Network, Store

order = slice(None, None, int(sys.argv[2]))
rows = {step: np.arange(64, dtype=np.float32) + step for step in (0, 5, 10)[order]}
measured = {f"{name}/test": {step: 1.5 for step in (0, 10)[order]} for name in ("accuracy", "loss", "f1")[order]}
network = Network("KEY", "finished", 10, rows, np.ones(10, np.float32), rows[0] > 7, measured)
Store(Path(sys.argv[1]), "here").save(network)
""".replace("KEY", KEY)


def test_equal_networks_are_equal_files_in_every_process(tmp_path: Path) -> None:
    contents = set()
    for hash_seed, order in (("1", "1"), ("2", "-1")):
        command = [sys.executable, "-c", SAVER, str(tmp_path / hash_seed), order]
        subprocess.run(command, env=os.environ | {"PYTHONHASHSEED": hash_seed}, check=True)
        [path] = (tmp_path / hash_seed).rglob("*.safetensors")
        contents.add(path.read_bytes())
    assert len(contents) == 1


WRITER = """
import sys
from pathlib import Path
import numpy as np
from expzoo.store.store import Network, Partial, Store

store, number = Store(Path(sys.argv[1]), "here"), int(sys.argv[2])
rows = {0: np.zeros(5000, np.float32), 10: np.ones(5000, np.float32)}
network = Network("KEY", "finished", 10, rows, np.zeros(10, np.float32))
print("ready", flush=True)
sys.stdin.readline()
for turn in range(1, 100):
    unfinished = Network("KEY", "finished", 0, {0: rows[0]}, np.zeros(turn, np.float32))
    store.save_partial(Partial("KEY", turn, np.full(5000, 2.0, np.float32), {}, unfinished))
    kept = store.load_partial("KEY")
    assert kept is None or (kept.theta == 2).all()
    if turn % 3 == number % 3:
        store.save(network)
    found = store.load("KEY")
    assert found is None or (found.rows[10] == 1).all()
""".replace("KEY", KEY)


def test_processes_that_save_one_key_at_once(tmp_path: Path) -> None:
    with ExitStack() as stack:
        writers = []
        for number in range(4):
            command = [sys.executable, "-c", WRITER, str(tmp_path), str(number)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            writers.append(stack.enter_context(subprocess.Popen(command, text=True, **pipes)))
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        for writer in writers:
            assert writer.stdin is not None
            print("go", file=writer.stdin, flush=True)
        said = [writer.communicate()[1] for writer in writers]
    assert said == [""] * 4
    assert [writer.returncode for writer in writers] == [0] * 4
    found = Store(tmp_path, "here").load(KEY)
    assert found is not None
    assert (found.rows[10] == 1).all()
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert left <= {"network.safetensors", "partial.safetensors", "partial.previous.safetensors"}
