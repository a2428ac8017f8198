"""Run directories that a stranger made: no verb runs or believes what is in them, and each says why in few words."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from expzoo.store import run_directory

SMALL = ("population.size=2", "model.width=4", "stop.steps=4", "dataset.num_samples=200", "analysis=[learning_curves]")
SENTINEL = "they-ran-it"

CPU_SECONDS, WALL_SECONDS = 30, 500  # the second is for what waits for ever
MEBIBYTES = 4000

PROGRAM = f"""
import json, os, resource, signal, sys, tempfile, traceback
import expzoo.runs.experiment, expzoo.runs.rerender, expzoo.cli.commands, expzoo.cli.catalogue, expzoo.config.check
import hydra, matplotlib.pyplot, polars, pytorch_lightning, scipy.stats, torch._dynamo
from expzoo.cli.app import main

def watch(event, arguments):
    if event in ("os.system", "subprocess.Popen", "socket.connect", "pickle.find_class", "os.exec", "os.posix_spawn"):
        open("{SENTINEL}", "w").write(event)

def child(asked, out, err):
    os.chdir(asked["folder"])
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + {MEBIBYTES} * 2**20,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, ({CPU_SECONDS},) * 2)
    signal.alarm({WALL_SECONDS})
    sys.addaudithook(watch)
    sys.argv = ["expzoo", *asked["arguments"]]
    code = 99
    try:
        code = main()
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    os._exit(code)

for line in sys.stdin:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        number = os.fork() or child(json.loads(line), out, err)
        code = os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])
        said = [os.pread(file.fileno(), 2**20, 0).decode(errors="replace").splitlines() for file in (out, err)]
    print(json.dumps([code, *said]), flush=True)
"""

Expzoo = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture(scope="module")
def expzoo() -> Iterator[Expzoo]:
    """Types a command in a folder, in a process with little time and memory that is watched: code, out, err."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], text=True, **pipes) as process:

        def typed(*arguments: str, folder: Path) -> tuple[int, list[str], list[str]]:
            assert process.stdin is not None
            assert process.stdout is not None
            print(json.dumps({"arguments": arguments, "folder": str(folder)}), file=process.stdin, flush=True)
            return tuple(json.loads(process.stdout.readline()))

        yield typed


@pytest.fixture(scope="module")
def genuine(expzoo: Expzoo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run."""
    folder = tmp_path_factory.mktemp("genuine")
    code, _, said = expzoo(*SMALL, folder=folder)
    assert (code, said) == (0, [])
    [directory] = (folder / "outputs" / "custom").iterdir()
    return directory


@pytest.fixture
def forged(genuine: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(genuine, tmp_path / "outputs" / "custom" / genuine.name))


def reseal(directory: Path) -> None:
    """Make every checksum of the manifest fit, as a stranger would."""
    sealed = json.loads((directory / run_directory.MANIFEST).read_bytes())
    for name in sealed["files"]:
        content = (directory / name).read_bytes()
        sealed["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (directory / run_directory.MANIFEST).write_bytes(run_directory.signed(sealed))


def config(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Changes the config of a run."""

    def changed(directory: Path) -> None:
        content = yaml.safe_load((directory / run_directory.CONFIG).read_bytes())
        change(content)
        (directory / run_directory.CONFIG).write_text(yaml.safe_dump(content))

    return changed


def text(name: str, content: str | bytes) -> Callable[[Path], object]:
    """Replaces a file."""
    return lambda directory: (directory / name).write_bytes(content if isinstance(content, bytes) else content.encode())


ALIASES = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
CALL = f"os.system('touch {SENTINEL}')"
CONFIGS: dict[str, Callable[[Path], object]] = {
    "a tag that calls": text("config.yaml", f"model: !!python/object/apply:os.system ['touch {SENTINEL}']\n"),
    "a tag that makes": text("config.yaml", "model: !!python/object/new:os.path {}\n"),
    "a target": config(lambda c: c["model"].update({"_target" + "_": "os.system", "command": f"touch {SENTINEL}"})),
    "a plugin elsewhere": config(lambda c: c["model"].update(name="../../../os")),
    "a module": config(lambda c: c["model"].update(name="os.system")),
    "an analysis elsewhere": config(lambda c: c.update(analysis={"../../evil": {}})),
    "an interpolation": config(lambda c: c["model"].update(width="${oc.env:HOME}")),
    "an expression": config(lambda c: c["model"].update(width=CALL)),
    "no model": config(lambda c: c.pop("model")),
    "a model that is a number": config(lambda c: c.update(model=3)),
    "analyses that are a list": config(lambda c: c.update(analysis=["learning_curves"])),
    "a population of letters": config(lambda c: c.update(population="many")),
    "a population without end": config(lambda c: c.update(population={"size": 10**12})),
    "a width without end": config(lambda c: c["model"].update(width=10**9)),
    "a list": text("config.yaml", "[1, 2]\n"),
    "nothing": text("config.yaml", ""),
    "no text": text("config.yaml", b"\xff\xfe\x00"),
    "deep": text("config.yaml", "[" * 5000),
    "aliases that multiply": text("config.yaml", ALIASES),
    "half a file": text("config.yaml", "model: {name: mlp"),
}

VERBS = ("report", "verify", "rerun", "compare")
TRAINING = ("rerun", "audit", "surface")  # again, what the config says


def answer(expzoo: Expzoo, verb: str, directory: Path) -> tuple[int, list[str]]:
    """Exit code and faults that a verb says of a run, which is compared with itself. Nothing was run or is unclear."""
    directories = [str(directory)] * (2 if verb == "compare" else 1)
    code, _, said = expzoo(verb, *directories, folder=directory.parent)
    assert not [line for line in said if "Traceback" in line], "\n".join(said)
    assert code in (0, 1, 2)
    assert (code == 0) == (said == [])
    assert len(said) <= 3
    assert not list(directory.parents[2].rglob(SENTINEL))
    return code, said


@pytest.mark.parametrize("verb", VERBS)
def test_a_genuine_run_has_no_fault(expzoo: Expzoo, forged: Path, verb: str) -> None:
    reseal(forged)
    assert answer(expzoo, verb, forged) == (0, [])


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("verb", [*VERBS, *TRAINING[1:]])
@pytest.mark.check("S2")
def test_a_config_that_was_read_is_only_data(expzoo: Expzoo, forged: Path, name: str, verb: str) -> None:
    CONFIGS[name](forged)
    reseal(forged)
    code, _ = answer(expzoo, verb, forged)
    assert verb not in TRAINING or code in (1, 2)


MANIFESTS: dict[str, Callable[[Path], object]] = {
    "deep": text("manifest.json", '{"files":' * 10**5),
    "not an object": text("manifest.json", "[1]"),
    "nothing": text("manifest.json", ""),
    "no text": text("manifest.json", b"\xff\xfe"),
    "a newer format": text("manifest.json", '{"format": 99, "files": {}}'),
    "files that are a list": text("manifest.json", '{"format": 1, "files": ["config.yaml"]}'),
    "endless": lambda directory: [
        (directory / "manifest.json").unlink(),
        (directory / "manifest.json").symlink_to("/dev/zero"),
    ],
    "a pipe": lambda directory: [(directory / "manifest.json").unlink(), os.mkfifo(directory / "manifest.json")],
    "large": text("manifest.json", b" " * 2**21),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_is_none_makes_no_finished_run(expzoo: Expzoo, forged: Path, name: str) -> None:
    MANIFESTS[name](forged)
    for verb in (*VERBS, *TRAINING[1:]):
        code, [said] = answer(expzoo, verb, forged)
        assert code == 2
        assert "manifest.json" in said


ENTRIES: dict[str, Any] = {
    "../../../secret": {"sha256": "0" * 64},
    "/etc/hostname": {"sha256": "0" * 64},
    "nul\0": {"sha256": "0" * 64},
    "x" * 300: {"sha256": "0" * 64},
    "config.yaml/x": {"sha256": "0" * 64},
    "records.parquet": 7,
    "verdicts.json": {"sha256": None},
    "arrays.safetensors": {},
}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: repr(entry)[:30])
def test_a_manifest_names_files_of_its_own_run_only(expzoo: Expzoo, forged: Path, entry: str) -> None:
    (forged.parents[2] / "secret").write_text("secret")
    sealed = json.loads((forged / run_directory.MANIFEST).read_bytes())
    sealed["files"][entry] = ENTRIES[entry]
    (forged / run_directory.MANIFEST).write_bytes(run_directory.signed(sealed))
    code, [_] = answer(expzoo, "verify", forged)
    assert code == 1


RESULTS: dict[str, Callable[[Path], object]] = {
    "verdicts that are none": text("verdicts.json", '[{"claim": 1}]'),
    "deep verdicts": text("verdicts.json", "[" * 10**5),
    "verdicts without end": text("verdicts.json", "[" + "1," * 6_000_000 + "1]"),
    "records that are none": text("records.parquet", b"PAR1 nothing PAR1"),
    "no records": text("records.parquet", b""),
    "figures elsewhere": text("figures/figures.json", '[{"name": "../../../../secret", "title": "", "caption": ""}]'),
    "figures that are none": text("figures/figures.json", '{"a": 1}'),
    "a deep environment": text("environment.json", '{"a":' * 10**5),
}


@pytest.mark.parametrize("name", RESULTS)
def test_results_that_are_none_are_said(expzoo: Expzoo, forged: Path, name: str) -> None:
    (forged.parents[2] / "secret.svg").write_text("secret")
    RESULTS[name](forged)
    reseal(forged)
    for verb in VERBS:
        answer(expzoo, verb, forged)
    assert "secret" not in (forged / run_directory.REPORT).read_text()


def test_a_forged_run_is_not_believed(expzoo: Expzoo, forged: Path) -> None:
    text("verdicts.json", '[{"claim": 1}]')(forged)
    reseal(forged)
    code, _, said = expzoo(*SMALL, folder=forged.parents[2])
    assert "Traceback" not in "\n".join(said)
    assert code in (0, 1)
    assert (forged / "verdicts.json").read_text() == "[]\n" or code == 1


STORES: dict[str, bytes] = {"nothing": b"", "garbage": b"x" * 1000, "a long header": b"\xff" * 8 + b"{}"}


@pytest.mark.parametrize("name", STORES)
def test_the_verb_of_the_store_finds_what_is_damaged(expzoo: Expzoo, genuine: Path, tmp_path: Path, name: str) -> None:
    store = Path(shutil.copytree(genuine.parents[1] / "store", tmp_path / "store"))
    damaged, *_ = sorted(store.rglob("network.safetensors"))
    assert expzoo("store", str(store), folder=tmp_path)[0] == 0
    damaged.write_bytes(STORES[name])
    code, out, [said] = expzoo("store", str(store), folder=tmp_path)
    assert code == 1
    assert out == [f"{store}: 2 networks, 0 partial files, 0 MiB, 1 corrupted"]
    assert str(damaged) in said
