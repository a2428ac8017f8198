"""Hostile command lines and YAML: none is run, imports, reads or writes what it names; a line says why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.faults.hostile.config_corpus import FILES, HEAD, MODULE, OUTSIDE, WORDS

MAX_LINES = 20
STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

# Runs in the process that answers, before anything of expzoo is imported. Memory and time of the processor are limited,
# and whatever the inputs must not do is written down: the names of files that are opened in other places, processes,
# and the module that they name. Events before the first command are those of the imports.
STAND_INS = f"""
import os, resource, sys

resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30, 4 * 2**30))
resource.setrlimit(resource.RLIMIT_CPU, (900, 900))
os.environ["EXPZOO_SECRET"] = "of the environment"
RUNS = ("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "subprocess.Popen", "socket.connect")
MAKES = ("os.mkdir", "os.rename", "os.symlink", "os.link", "os.truncate")
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

def heard(event, args):
    root = os.path.dirname(os.environ.get("EXPZOO_PLUGINS", ""))
    log = root + "/heard"
    if not os.path.exists(root + "/listen") or (event == "open" and args[0] == log):
        return
    path = os.fspath(args[0]) if args and isinstance(args[0], (str, bytes, os.PathLike)) else ""
    path = os.path.realpath(os.fsdecode(path)) if path and "\\0" not in os.fsdecode(path) else ""
    inside = (path + os.sep).startswith(os.path.realpath("outputs") + os.sep)
    is_bad = (
        event in RUNS
        or (event == "import" and args[0].partition(".")[0] == {MODULE!r})
        or (event in MAKES and not inside)
        or (event == "open" and isinstance(args[2], int) and args[2] & WRITES and not inside and path != os.devnull)
        or (event == "open" and "/outside/" in path)
    )
    if is_bad and not path.endswith(".pyc") and "/__pycache__" not in path:
        with open(log, "a") as file:
            print(event, args[:2], file=file)

sys.addaudithook(heard)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A directory with a module, a package of Hydra's plugins and files elsewhere that inputs may reach for."""
    root = tmp_path_factory.mktemp("hostile")
    folder, home, outside = root / "here", root / "home", root / "outside"
    for made in (folder / "hydra_plugins", home / "conf" / "experiment", home / "conf" / "model", outside):
        made.mkdir(parents=True)
    trace = f"open({str(root / 'ran')!r}, 'w').write('ran')\ndef f(*a, **k): pass\n"
    (folder / f"{MODULE}.py").write_text(trace)
    (folder / "hydra_plugins" / "stray.py").write_text(trace)
    (outside / "secret.yaml").write_text("seed: 3\n")
    for number, text in enumerate(FILES):
        name = f"h{number:03}"
        own = ("" if text.startswith("# @package") else HEAD) + text.replace("NAME", name)
        (home / "conf" / "experiment" / f"{name}.yaml").write_text(own.replace(OUTSIDE, str(outside)))
    (home / "conf" / "experiment" / "link.yaml").symlink_to(outside / "secret.yaml")
    (home / "conf" / "experiment" / "device.yaml").symlink_to("/dev/zero")
    (home / "conf" / "experiment" / "good.yaml").write_text(HEAD + "seed: 3\n")
    (home / "conf" / "model" / "reader.yaml").write_text("defaults: [mlp, _self_]\nwidth: ${oc.env:EXPZOO_SECRET}\n")
    (home / "conf" / "model" / "placed.yaml").write_text(
        "# @package hydra.callbacks\nx: {_target_: sentinel_module.f}\n"
    )
    (home / "conf" / "model" / "round.yaml").write_text("defaults: [trip, _self_]\n")
    (home / "conf" / "model" / "trip.yaml").write_text("defaults: [round, _self_]\n")
    return root


@pytest.fixture(scope="module")
def answered(place: Path, command_line: Any) -> Any:
    """Types a command line; how it ended, once it is sure that it did nothing but read and speak."""

    def typed(*words: str) -> Any:
        ended = command_line.type(*words, folder=place / "here", plugins=place / "home")
        heard = place / "heard"
        told = heard.read_text() if heard.exists() else ""
        heard.unlink(missing_ok=True)
        assert not told
        assert not (place / "ran").exists()
        assert "of the environment" not in "".join((*ended.out, *ended.err))
        return ended

    typed("--cfg", "job")  # imports what all need
    (place / "listen").touch()
    return typed


def every_tenth(inputs: list[str]) -> list[Any]:
    """The numbers of all inputs, of which the quick tests take every tenth."""
    return [pytest.param(number, marks=() if number % 10 == 0 else pytest.mark.slow) for number in range(len(inputs))]


def refused(ended: Any) -> None:
    """It was refused in a few lines that steer no terminal, and nothing was begun."""
    assert ended.code == 2, ended.err[-3:]
    assert 0 < len(ended.err) <= MAX_LINES, ended.err[-3:]
    assert not [line for line in ended.err if STEERS.search(line) or line.startswith("Traceback")], ended.err
    assert len(set(ended.err)) == len(ended.err)
    assert all(len(line) < 6_000 for line in ended.err)  # the names of all experiments, this corpus included
    assert not ended.torch


@pytest.mark.parametrize("number", every_tenth(WORDS))
@pytest.mark.check("S1", "S3")
def test_a_hostile_command_line_is_refused(answered: Any, place: Path, number: int) -> None:
    words = WORDS[number].replace(OUTSIDE, str(place / "outside"))
    refused(answered(*words.split(" ")))
    assert not list((place / "here").glob("outputs/**/*"))


@pytest.mark.parametrize("number", every_tenth(FILES))
@pytest.mark.check("S1", "S3")
def test_a_hostile_experiment_is_refused(answered: Any, place: Path, number: int) -> None:
    ended = answered(f"+experiment=h{number:03}")
    refused(ended)
    assert not list((place / "here").glob("outputs/**/*"))


@pytest.mark.parametrize(
    "choice", ["+experiment=link", "+experiment=device", "model=reader", "model=placed", "model=round"]
)
def test_a_file_elsewhere_or_of_a_preset_is_refused_too(answered: Any, choice: str) -> None:
    refused(answered(choice))
    refused(answered("-m", choice, "seed=1,2"))


def test_a_hostile_file_spoils_no_other(answered: Any) -> None:
    ended = answered("+experiment=good", "--cfg", "job")
    assert (ended.code, ended.err) == (0, [])
    assert "seed: 3" in ended.out
    ended = answered("list", "experiments")
    assert "  good" in "\n".join(ended.out)
    assert not [line for line in (*ended.out, *ended.err) if STEERS.search(line)]


def test_the_listener_hears_what_it_is_to_hear(answered: Any, place: Path, command_line: Any) -> None:
    """A plugin is code, and trusted: it may do what a config may not."""
    plugin = place / "home" / "losses" / "loud.py"
    plugin.parent.mkdir()
    plugin.write_text(
        f"import {MODULE}\nfrom expzoo.plugin import register\n\n@register\nclass Loud:\n    'Loud.'\n"
        "    def __call__(self, outputs, targets): ...\n"
    )
    command_line.type("loss=loud", "model.width=4", folder=place / "here", plugins=place / "home")
    heard, ran = (place / "heard").read_text(), (place / "ran").exists()
    (place / "heard").unlink()
    (place / "ran").unlink(missing_ok=True)
    plugin.unlink()
    assert ran
    assert f"import ('{MODULE}'" in heard
    assert "open" in heard
