"""A finished run goes to a logger once: typed again with another one, it goes to that, and nothing is trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from expzoo.config.check import resolved, typed_again
from expzoo.config.identity import run_id

SMALL = ("population.size=2", "stop.steps=4", "dataset.num_samples=200", "model.width=4")
LOGGER = """
from pathlib import Path
from expzoo.plugin import register

@register
class Given:
    def __init__(self, *, folder: str = "", fails: bool = False) -> None:
        self.folder, self.fails = folder, fails
    def log(self, directory, about, summary):
        if self.fails:
            raise ConnectionError("nobody answers")
        with Path(self.folder, "told").open("a") as file:
            print(about["run"], len(summary) > 0, about["verdicts"], file=file)
        return "given: told"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "loggers").mkdir(parents=True)
    (tmp_path / "home" / "loggers" / "given.py").write_text(LOGGER)
    return tmp_path / "home"


def test_a_run_that_is_finished_goes_to_another_logger(command_line: Any, home: Path, tmp_path: Path) -> None:
    def typed(*words: str) -> list[str]:
        ended = command_line.type(*SMALL, *words, folder=tmp_path, plugins=home)
        assert ended.code == 0, ended.err
        return ended.err

    assert typed() == []
    [manifest] = tmp_path.glob("outputs/custom/*/manifest.json")
    other = ("logger=[csv,given]", f"logger.given.folder={tmp_path}")
    [said] = typed(*other, "logger.given.fails=true")
    assert said.startswith("logger=given failed: nobody answers; the results in ")
    told = [command_line.type(*SMALL, *other, folder=tmp_path, plugins=home) for _ in range(2)]
    assert [ended.err for ended in told] == [[], []]
    assert ["given: told" in ended.out for ended in told] == [True, False]
    assert (tmp_path / "told").read_text() == f"{manifest.parent.name} True []\n"
    before = manifest.stat().st_mtime_ns
    assert typed() == []
    assert manifest.stat().st_mtime_ns == before
    sealed = json.loads(manifest.read_bytes())
    assert [node["name"] for node in sealed["mirrored"]] == ["csv", "given"]
    assert command_line.type("verify", str(manifest.parent), folder=tmp_path, plugins=home).code == 0


def test_a_run_goes_to_several_loggers_or_to_none(command_line: Any, home: Path, tmp_path: Path) -> None:
    def mirrored(seed: int, *words: str) -> tuple[list[str], bool]:
        ended = command_line.type(*SMALL, f"seed={seed}", *words, folder=tmp_path, plugins=home)
        assert (ended.code, ended.err) == (0, [])
        [path] = set(tmp_path.glob("outputs/custom/*/manifest.json")) - before
        before.add(path)
        nodes = json.loads(path.read_bytes()).get("mirrored", [])
        return [node["name"] for node in nodes], (path.parent / "summary.csv").exists()

    before = set[Path]()
    own = f"logger.given.folder={tmp_path}"
    assert mirrored(1, "logger=[given,csv]", own) == (["given", "csv"], True)
    assert mirrored(2, "~logger") == ([], False)
    assert mirrored(3, "logger=null") == ([], False)
    assert mirrored(4, "logger=given", own) == (["given"], False)
    several = command_line.type("-m", *SMALL, "seed=5,6", "~logger", folder=tmp_path, plugins=home)
    assert (several.code, several.err) == (0, [])


def test_a_config_that_had_one_logger_is_read_as_one_that_has_it(tmp_path: Path) -> None:
    config = resolved(["logger=wandb", "logger.wandb.project=mine"])
    assert config["logger"] == {"wandb": {"name": "wandb", "project": "mine", "entity": None, "mode": "auto"}}
    before = config | {"logger": config["logger"]["wandb"]}
    assert typed_again(before) == typed_again(config) == config
    assert run_id(before) == run_id(config)
