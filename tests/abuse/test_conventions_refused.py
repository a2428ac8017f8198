"""What is refused of launchers, loggers, folders of configs and packages: every fault in one answer, nothing is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PACKAGED = """
from expzoo.plugin import register

@register
class Packaged:
    '''Needs something.'''
    PACKAGES = (("no_such_package", "pip install no-such-package"),)
    def __init__(self, inputs, outputs) -> None: ...
"""

FILES = {
    "models/packaged.py": PACKAGED,
    "more/experiment/abroad.yaml": (
        "# @package _global_\ndefaults: [override /model: narrow]\nmodel: {widht: 3}\nseed: -1\n"
    ),
    "more/model/narrow.yaml": "defaults: [mlp, _self_]\nwidth: 1\n",
}

FLAGS = (
    "--cfg, --config-dir, --help, --hydra-help, --info, --multirun, --package, --resolve, --run, --shell-completion, "
    "--version"
)

# What is typed, words separated by blanks -> the lines of the answer; {home} is the home of these files.
LINES: dict[str, list[str]] = {
    "--experimental-rerun x.pickle": [f"--experimental-rerun is not a flag: known: {FLAGS}"],
    "-m hydra/launcher=fusd hydra.launcher.n=2 hydra/sweeper=gird seed=1,-1": [
        "there is no hydra/sweeper=gird: did you mean grid?",
        "there is no hydra/launcher=fusd: did you mean fused?",
        "seed must be a whole number at least 0, not -1",
    ],
    # no logger, or several, each below its name
    "~logger=csv": ["~logger=csv: nothing can be taken away but by ~logger, only be given another value"],
    "logger=[csv,wnadb]": ["there is no logger=wnadb: did you mean wandb?"],
    "logger=csv,wandb": ["logger=csv,wandb is a sweep: add -m, or write a list in brackets"],
    "logger=wandb logger.mode=offline": ["logger has no mode: did you mean logger.wandb.mode?"],
    "logger.csv.x=1": ["logger.csv has no x: there are none"],
    "logger.wandb.mode=offline": ["logger has no wandb: known: csv"],
    "logger=[csv,wandb] logger.wandb.mode=of seed=-1": [
        "logger.wandb.mode must be one of auto, online, offline, not 'of'",
        "seed must be a whole number at least 0, not -1",
    ],
    "~logger seed=-1": ["seed must be a whole number at least 0, not -1"],
    "--config-dir=/x": ["--config-dir /x: there is no such folder"],
    "--config-dir": [
        "--config-dir needs a value: the folder that holds experiment/NAME.yaml, model/NAME.yaml, ...",
    ],
    "-cd {home}/models seed=-1": [
        "--config-dir {home}/models: it holds neither experiment/NAME.yaml nor a preset such as model/NAME.yaml",
        "seed must be a whole number at least 0, not -1",
    ],
    "-cd {home}/more -cd /x": ["-cd /x: there is one --config-dir, and it is {home}/more"],
    "-cd {home}/more +experiment=abroad": [
        "experiment/abroad.yaml: model has no widht: did you mean width?",
        "experiment/abroad.yaml: seed must be a whole number at least 0, not -1",
    ],
    "-cd {home}/more +experiment=abraod": ["there is no experiment=abraod: did you mean abroad?"],
    "--info pluggins": ["--info pluggins: did you mean plugins?"],
    "hydra.verbose=3": [
        "hydra.verbose must be true, false, the name of a logger such as expzoo, or a list of names, not 3"
    ],
    "hydra.verbose=[]": [
        "hydra.verbose must be true, false, the name of a logger such as expzoo, or a list of names, not []"
    ],
    "model=packaged": ["model=packaged needs no_such_package: pip install no-such-package"],
    "-m seed=1,2,-3 model=packaged modle=1": [
        "model=packaged needs no_such_package: pip install no-such-package",
        "seed must be a whole number at least 0, not -3",
        "the config has no modle: did you mean model?",
    ],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of these files."""
    home = tmp_path_factory.mktemp("home")
    for name, content in FILES.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    return home


@pytest.mark.parametrize("line", LINES)
def test_it_is_answered_at_once(command_line: Any, home: Path, tmp_path: Path, line: str) -> None:
    ended = command_line.type(*line.replace("{home}", str(home)).split(), folder=tmp_path, plugins=home)
    assert ended.err == [text.replace("{home}", str(home)) for text in LINES[line]]
    assert (ended.code, ended.out, ended.torch) == (2, [], False)
    assert list(tmp_path.iterdir()) == []
