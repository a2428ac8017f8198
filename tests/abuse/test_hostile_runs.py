"""Run directories that a stranger made: no verb runs or believes what is in them, and each says why in few words."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from expzoo import results

SMALL = ("population.size=2", "model.width=4", "stop.steps=4", "dataset.num_samples=200", "analysis=[learning_curves]")
SENTINEL = "they-ran-it"

STAND_INS = """
import sys

def refuse(event, arguments):
    if event in ("os.system", "subprocess.Popen", "socket.connect", "pickle.find_class", "os.exec", "os.posix_spawn"):
        open("they-ran-it", "w").write(f"{event} {arguments}")

import torch, pytorch_lightning, polars  # whose own start is no business of this test
sys.addaudithook(refuse)
"""


@pytest.fixture(scope="module")
def genuine(command_line: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run."""
    folder = tmp_path_factory.mktemp("genuine")
    assert command_line.type(*SMALL, folder=folder).code == 0
    [directory] = (folder / "outputs" / "custom").iterdir()
    return directory


@pytest.fixture
def forged(genuine: Path, tmp_path: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copytree(genuine, tmp_path / "outputs" / "custom" / genuine.name))


def reseal(directory: Path) -> None:
    """Make every checksum of the manifest fit, as a stranger would."""
    sealed = json.loads((directory / results.MANIFEST).read_bytes())
    for name in sealed["files"]:
        content = (directory / name).read_bytes()
        sealed["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (directory / results.MANIFEST).write_text(json.dumps(sealed))


def config(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """Changes the config of a run."""

    def changed(directory: Path) -> None:
        content = yaml.safe_load((directory / results.CONFIG).read_bytes())
        change(content)
        (directory / results.CONFIG).write_text(yaml.safe_dump(content))

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


def answer(command_line: Any, verb: str, directory: Path) -> Any:
    """What a verb says about a run, which is compared with itself."""
    directories = [str(directory)] * (2 if verb == "compare" else 1)
    return command_line.type(verb, *directories, folder=directory.parent)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_config_that_was_read_is_only_data(command_line: Any, forged: Path, name: str, verb: str) -> None:
    CONFIGS[name](forged)
    reseal(forged)
    ended = answer(command_line, verb, forged)
    told = "\n".join(ended.err)
    assert "Traceback" not in told
    assert not list(forged.parents[2].rglob(SENTINEL))
    if verb == "rerun":
        assert ended.code in (1, 2)
        assert 1 <= len(ended.err) <= 3
    else:
        assert ended.code in (0, 1, 2)
        assert (ended.code == 0) == (ended.err == [])


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
def test_a_manifest_that_is_none_makes_no_finished_run(command_line: Any, forged: Path, name: str) -> None:
    MANIFESTS[name](forged)
    for verb in VERBS:
        ended = answer(command_line, verb, forged)
        assert ended.code == 2
        assert len(ended.err) == 1
        assert "manifest.json" in ended.err[0]


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
def test_a_manifest_names_files_of_its_own_run_only(command_line: Any, forged: Path, entry: str) -> None:
    (forged.parents[2] / "secret").write_text("secret")
    sealed = json.loads((forged / results.MANIFEST).read_bytes())
    sealed["files"][entry] = ENTRIES[entry]
    (forged / results.MANIFEST).write_text(json.dumps(sealed))
    ended = answer(command_line, "verify", forged)
    assert ended.code == 1
    assert len(ended.err) == 1
    assert "Traceback" not in ended.err[0]


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
def test_results_that_are_none_are_said(command_line: Any, forged: Path, name: str) -> None:
    (forged.parents[2] / "secret.svg").write_text("secret")
    RESULTS[name](forged)
    reseal(forged)
    for verb in VERBS:
        ended = answer(command_line, verb, forged)
        assert ended.code in (0, 1, 2)
        assert "Traceback" not in "\n".join(ended.err)
        assert len(ended.err) <= 3
        assert (ended.code == 0) == (ended.err == [])
    assert "secret" not in (forged / results.REPORT).read_text()


def test_a_forged_run_is_not_taken_for_finished(command_line: Any, forged: Path) -> None:
    text("verdicts.json", '[{"claim": 1}]')(forged)
    reseal(forged)
    folder = forged.parents[2]
    ended = command_line.type(*SMALL, folder=folder)
    assert "Traceback" not in "\n".join(ended.err)
    assert ended.code in (0, 1)
    if ended.code == 0:
        assert (forged / "verdicts.json").read_text() == "[]\n"


STORES: dict[str, bytes] = {"nothing": b"", "garbage": b"x" * 1000, "a long header": b"\xff" * 8 + b"{}"}


@pytest.mark.parametrize("name", STORES)
def test_the_store_s_verb_finds_what_is_damaged(command_line: Any, genuine: Path, tmp_path: Path, name: str) -> None:
    store = Path(shutil.copytree(genuine.parents[1] / "store", tmp_path / "store"))
    before, *_ = sorted(store.rglob("network.safetensors"))
    assert command_line.type("store", str(store), folder=tmp_path).code == 0
    before.write_bytes(STORES[name])
    ended = command_line.type("store", str(store), folder=tmp_path)
    assert ended.code == 1
    assert ended.out == [f"{store}: 2 networks, 0 partial files, 0 MiB, 1 corrupted"]
    assert len(ended.err) == 1
    assert str(before) in ended.err[0]
