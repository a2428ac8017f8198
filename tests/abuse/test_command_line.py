"""Bad command lines: each is answered by the lines it deserves, all of them at once, before anything is trained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from expzoo.config.presets import listed
from expzoo.config.registry import KINDS

# Every plugin of this test imports torch, which no command line here may wait for.
PLUGIN = """
import torch
from typing import Annotated, Literal
from expzoo.plugin import Count, Fraction, Positive, Range, register

@register
class Plugin:
    def __init__({parameters}) -> None: ...
"""

PLUGINS = {
    "models/perceptron.py": (
        "self, inputs, outputs, *, width: Count = 100, depth: Annotated[int, Range(1, 64)] = 2, "
        "residual: bool = False, widths: tuple[int, ...] = (16, 32)"
    ),
    "models/convolution.py": "self, inputs, outputs, *, channels: Count = 25, kernel: Count = 3",
    "optimizers/descent.py": "self, *, lr: Positive = 0.1, momentum: Fraction = 0.9, nesterov: bool = False",
    "analyses/sieving.py": "self, *, levels: Count = 20, scope: Literal['layer', 'all'] = 'layer'",
    "analyses/calibrate.py": "self, *, bins: Count = 15, seed: int | None = None",
    "analyses/demanding.py": "self, *, needed: Count, also: Fraction",
    "models/positional.py": "self, inputs, outputs, width: Count = 100",
}

BROKEN_PLUGIN = "import torch\n\nclass Broken(\n"

DEFAULTS = """# @package _global_
defaults:
  - override /model: perceptron
  - override /optimizer: descent
  - override /analysis: [sieving]
"""

FILES = {
    "models/broken.py": BROKEN_PLUGIN,
    "conf/experiment/kitchen.yaml": DEFAULTS + "model:\n  width: ${budget:10,100,300}\n",
    "conf/experiment/typos.yaml": (
        "# @package _global_\n"
        "defaults:\n"
        "  - override /model: percepton\n"
        "  - override /analysis: [sieving, calibrat]\n"
        "model: {widht: 3}\n"
        "populaton: {size: 3}\n"
        "seed: -1\n"
    ),
    "conf/experiment/unreadable.yaml": "# @package _global_\nabout:\n  title: [a, b\nseed: 1\n",
    "conf/experiment/circular.yaml": "# @package _global_\ndefaults: [around, _self_]\n",
    "conf/experiment/around.yaml": "# @package _global_\ndefaults: [circular, _self_]\n",
    "conf/experiment/listed.yaml": "- a\n- b\n",
    "conf/experiment/unpackaged.yaml": "seed: 3\n",
    "conf/model/thin.yaml": "defaults: [perceptron, _self_]\nwidht: 1\n",
}

REST = ("about", "budget", "dry_run", "experiment", "population", "robustness", "robustness_size", "seed", "store")
TOP = sorted({*KINDS, *REST})

CHOSEN = "model=perceptron optimizer=descent analysis=[sieving]"  # independent of what the package ships

HYDRA = "hydra.run.dir, hydra.sweep.dir, hydra.sweep.subdir, hydra.verbose, hydra/launcher, hydra/sweeper"
VERBS = "audit, compare, gallery, list, new, report, rerun, show, store, surface, verify, wandb-report"

# What is typed, words separated by blanks -> the lines of the answer; {model} stands for the names of all models.
LINES: dict[str, list[str]] = {
    # names
    "model=perceptorn": ["there is no model=perceptorn: did you mean perceptron?"],
    "model=zzz": ["there is no model=zzz: known: {model}"],
    "model=": ["there is no model=: known: {model}"],
    "model=null": ["there is no model=null: known: {model}"],
    "modle=perceptron": ["the config has no modle: did you mean model?"],
    "zzz=1": [f"the config has no zzz: known: {', '.join(TOP)}"],
    f"{CHOSEN} model.widht=3": ["model has no widht: did you mean width?"],
    f"{CHOSEN} model.zzz=3": ["model has no zzz: known: depth, residual, width, widths"],
    f"model.width=3 {CHOSEN.replace('perceptron', 'convolution')}": ["model has no width: known: channels, kernel"],
    f"{CHOSEN} analysis.calibrate.bins=3": ["analysis has no calibrate: known: sieving"],
    f"{CHOSEN} analysis.sieving.level=3": ["analysis.sieving has no level: did you mean levels?"],
    "analysis=[sieving,calibrat]": ["there is no analysis=calibrat: did you mean calibrate?"],
    "populaton.size=3": ["the config has no populaton: did you mean population?"],
    "population.sise=3": ["population has no sise: did you mean size?"],
    "seed.x=3": ["seed is a single value: it has no x"],
    f"{CHOSEN} model.width.x=3": ["model.width is a single value: it has no x"],
    # experiments and the plus sign
    "experiment=kitchen": ["experiment=kitchen: write +experiment=kitchen"],
    "++experiment=kitchen": ["++experiment=kitchen: write +experiment=kitchen"],
    "+experiment=kichen": ["there is no experiment=kichen: did you mean kitchen?"],
    "+experment=kitchen": ["the config has no experment: did you mean experiment?"],
    "kitchen": ["kitchen is not key=value: did you mean +experiment=kitchen?"],
    "+model=perceptron": ["+model=perceptron: write model=perceptron"],
    f"{CHOSEN} +model.width=3": ["+model.width=3: only an experiment takes a +: write model.width=3"],
    f"{CHOSEN} ++model.width=3": ["++model.width=3: only an experiment takes a +: write model.width=3"],
    f"{CHOSEN} +model.widht=3": ["model has no widht: did you mean width?"],
    "+zzz.x=3": [f"the config has no zzz: known: {', '.join(TOP)}"],
    # types and ranges
    f"{CHOSEN} optimizer.lr=abc": ["optimizer.lr must be a number above 0, not 'abc'"],
    f"{CHOSEN} optimizer.lr=0": ["optimizer.lr must be a number above 0, not 0"],
    f"{CHOSEN} optimizer.lr=nan": ["optimizer.lr must be a number above 0, not nan"],
    f"{CHOSEN} optimizer.lr=1e999": ["optimizer.lr must be a number above 0, not inf"],
    f"{CHOSEN} optimizer.momentum=1.5": ["optimizer.momentum must be a number from 0 to 1, not 1.5"],
    f"{CHOSEN} optimizer.nesterov=1": ["optimizer.nesterov must be true or false, not 1"],
    f"{CHOSEN} model.depth=65": ["model.depth must be a whole number from 1 to 64, not 65"],
    f"{CHOSEN} model.width=2.5": ["model.width must be a whole number at least 1, not 2.5"],
    f"{CHOSEN} model.width=true": ["model.width must be a whole number at least 1, not true"],
    f"{CHOSEN} model.width=null": ["model.width must be a whole number at least 1, not null"],
    f"{CHOSEN} model.width=[1]": ["model.width must be a whole number at least 1, not [1]"],
    f"{CHOSEN} model.widths=3": ["model.widths must be a list, each item a whole number, not 3"],
    f"{CHOSEN} model.widths=[3,x]": ["model.widths must be a list, each item a whole number, not [3, 'x']"],
    f"{CHOSEN} analysis.sieving.scope=global": ["analysis.sieving.scope must be one of layer, all, not 'global'"],
    "+experiment=lottery_ticket budget=${budget}": ["budget: recursive interpolation detected"],
    "budget=smok": ["budget must be one of smoke, laptop, paper, not 'smok'"],
    "population.size=0": ["population.size must be a whole number from 1 to 100000, not 0"],
    "seed=-1": ["seed must be a whole number at least 0, not -1"],
    f"seed={10**30}": [f"seed must be a whole number at least 0, not {10**30}"],
    "dry_run=yes": ["dry_run must be true or false, not 'yes'"],
    "store=null": [
        "store must be text that can be a path, of names of at most 255 bytes each and 4,000 in all, not null"
    ],
    "trainer.accelerator=gpu": ["trainer.accelerator must be one of auto, cpu, cuda, not 'gpu'"],
    f"{CHOSEN} model.name=convolution": ["model.name must be perceptron, not 'convolution'"],
    # interpolations
    f"{CHOSEN} model.width=${{nope}}": ["model.width: interpolation key 'nope' not found"],
    f"{CHOSEN} model.width=${{budget:1,2}}": [
        "model.width: ${budget:...} takes 3 values, for smoke, laptop, paper, not 2"
    ],
    f"{CHOSEN} model.width=${{budget:1,0,3}}": [
        "model.width must be a whole number at least 1, not 0, which ${budget:1,0,3} gives"
    ],
    # what is missing
    "analysis=[]": ["analysis has no value: give analysis=..."],
    "analysis=demanding": [
        "analysis.demanding.needed has no value: give analysis.demanding.needed=...",
        "analysis.demanding.also has no value: give analysis.demanding.also=...",
    ],
    "~schedule": ["~schedule: nothing can be taken away but by ~logger, only be given another value"],
    "~model.width": ["~model.width: nothing can be taken away but by ~logger, only be given another value"],
    # one where a list is meant, a list where one is meant
    "model=[perceptron,convolution]": ["model=[perceptron,convolution]: a config has one model, not a list of them"],
    "model=perceptron model=convolution": ["model=convolution: model is given twice"],
    "model@other=perceptron": ["model@other=perceptron: write model=perceptron"],
    f"{CHOSEN} model.width=10,20": ["model.width=10,20 is a sweep: add -m, or write a list in brackets"],
    "model=perceptron,convolution": ["model=perceptron,convolution is a sweep: add -m, or write a list in brackets"],
    # multirun: every job is looked at before the first one starts
    f"-m {CHOSEN} model.width=10,abc,-3": [
        "model.width must be a whole number at least 1, not 'abc'",
        "model.width must be a whole number at least 1, not -3",
    ],
    "-m model=perceptron,convolution,zzz seed=0,-1": [
        "seed must be a whole number at least 0, not -1",
        "there is no model=zzz: known: {model}",
    ],
    "-m model=perceptron,convolution model.width=3": ["model has no width: known: channels, kernel"],
    "-m analysis=[sieving],[sieving,zzz]": ["there is no analysis=zzz: known: {analysis}"],
    "-m seed=interval(0,3)": [
        "seed=interval(0,3) has no end of values: sweep over a,b or range(1,3), or search with hydra/sweeper=optuna"
    ],
    "-m hydra/sweeper=optuna optimizer.lr=interval(-1,0.1)": ["optimizer.lr must be a number above 0, not -1.0"],
    "-m hydra/sweeper=optuna optimizer.lr=interval(0.1,0.01)": [
        "optimizer.lr=interval(0.1,0.01) holds no number: an interval goes from its smaller end to its larger"
    ],
    "-m hydra/sweeper=optuna optimizer.lr=tag(log,interval(0,1))": [
        "optimizer.lr=tag(log,interval(0,1)): a logarithmic interval begins above 0"
    ],
    "-m hydra/sweeper=optuna model.width=interval(8,16)": [
        f"model.width=interval(8,16) (whole numbers are int(interval(8,16))): model.width must be a whole number at "
        f"least 1, not {end}"
        for end in (8.0, 16.0)
    ],
    "-m seed=range(5,1)": ["seed=range(5,1) holds no number: a range goes from its start to before its stop"],
    "trainer=populaton": ["there is no trainer=populaton: did you mean population?"],
    "trainer=ddp trainer.processes=1": ["trainer.processes must be a whole number at least 2 or null, not 1"],
    "-m hydra.run.dir=a,b": ["hydra.run.dir=a,b: a setting of Hydra cannot be swept over"],
    "-m +experiment=kitchen,typos seed=0,1": [
        "experiment/typos.yaml: there is no model=percepton: did you mean perceptron?",
        "experiment/typos.yaml: there is no analysis=calibrat: did you mean calibrate?",
        "experiment/typos.yaml: model has no widht: did you mean width?",
        "experiment/typos.yaml: the config has no populaton: did you mean population?",
        "experiment/typos.yaml: seed must be a whole number at least 0, not -1",
    ],
    # Hydra's own settings: places and launchers, never code
    "hydra.run.dri=x": ["hydra.run.dri cannot be changed: did you mean hydra.run.dir?"],
    "hydra.callbacks.x._target_=os.system": [f"hydra.callbacks.x._target_ cannot be changed: known: {HYDRA}"],
    "+hydra.callbacks.x._target_=os.system": [f"+hydra.callbacks.x._target_ cannot be changed: known: {HYDRA}"],
    "hydra.launcher._target_=os.system": ["hydra.launcher._target_ cannot be changed: did you mean hydra/launcher?"],
    "hydra.sweeper.params={_target_:os.system}": [
        "hydra.sweeper.params cannot be changed: did you mean hydra.sweep.dir?"
    ],
    "+hydra.launcher.additional_parameters._target_=x": [
        f"+hydra.launcher.additional_parameters._target_ cannot be changed: known: {HYDRA}"
    ],
    "hydra.searchpath=[/x]": [f"hydra.searchpath cannot be changed: known: {HYDRA}"],
    "hydra/launcher=fusd": ["there is no hydra/launcher=fusd: did you mean fused?"],
    f"{CHOSEN} model._target_=os.system": ["model has no _target_: known: depth, residual, width, widths"],
    # words that are not key=value
    "--config-dir /x list": ["--config-dir /x: there is no such folder"],
    "lsit": ["lsit is neither key=value nor a verb: did you mean list?"],
    "seed=1 list": ["list has to be the first word"],
    "=3": [f"=3 is neither key=value nor a verb: known: {VERBS}"],
    "model.width=[": ["""cannot read model.width=[: quote what is unusual in it, as in key='"a, b"'"""],
    "model.1e3=2": ["""cannot read model.1e3=2: quote what is unusual in it, as in key='"a, b"'"""],
    "model.width[0]=3": ["""cannot read model.width[0]=3: quote what is unusual in it, as in key='"a, b"'"""],
    # flags
    "--cgf job": ["--cgf is not a flag: did you mean --cfg?"],
    "--cfg jbo": ["--cfg jbo: did you mean job?"],
    "--cfg": ["--cfg needs a value: known: all, hydra, job"],
    "--cfg job --package modle": ["--package modle: did you mean model?"],
    "--config-path=/x": ["--config-path is not a flag: did you mean --config-dir?"],
    f"--cfg job {CHOSEN} model.width=abc": ["model.width must be a whole number at least 1, not 'abc'"],
    # files
    "model=broken": ["model=broken of EXPZOO_PLUGINS cannot be read: {home}/models/broken.py:3: '(' was never closed"],
    "model=positional": [
        "model=positional of EXPZOO_PLUGINS cannot be read: {home}/models/positional.py:8: "
        "the constructor of Plugin must have the form (self, inputs, outputs, *, ...)"
    ],
    "model=thin": ["model/thin.yaml: model has no widht: did you mean width?"],
    "+experiment=typos": [
        "experiment/typos.yaml: there is no model=percepton: did you mean perceptron?",
        "experiment/typos.yaml: there is no analysis=calibrat: did you mean calibrate?",
        "experiment/typos.yaml: model has no widht: did you mean width?",
        "experiment/typos.yaml: the config has no populaton: did you mean population?",
        "experiment/typos.yaml: seed must be a whole number at least 0, not -1",
    ],
    "+experiment=unreadable": ["experiment/unreadable.yaml:4: expected ',' or ']', but got ':'"],
    "+experiment=circular": ["experiment/around.yaml: it builds upon itself"],
    "+experiment=listed": ["experiment/listed.yaml: it holds no keys"],
    "+experiment=unpackaged": ["experiment/unpackaged.yaml: the first line has to be # @package _global_"],
    "+experiment=kitchen model=convolution": ["experiment/kitchen.yaml: model has no width: known: channels, kernel"],
    # all at once
    f"{CHOSEN} loss=mes optimizer.lr=abc model.widht=3 experiment=kitchn budget=smok tikcet": [
        f"tikcet is neither key=value nor a verb: known: {VERBS}",
        "there is no loss=mes: did you mean mse?",
        "experiment=kitchn: write +experiment=kitchn",
        "there is no experiment=kitchn: did you mean kitchen?",
        "optimizer.lr must be a number above 0, not 'abc'",
        "model has no widht: did you mean width?",
        "budget must be one of smoke, laptop, paper, not 'smok'",
    ],
    # verbs
    "list modls": ["there is no kind called modls: did you mean models?"],
    "list a b": ["say one kind, or what it must fit: expzoo list [KIND], expzoo list --fits dataset=NAME [model=NAME]"],
    "show": ["say what to show: expzoo show NAME, where expzoo list says the names"],
    "show perceptorn": ["there is nothing called perceptorn: did you mean perceptron?"],
    "show broken": ["model=broken of EXPZOO_PLUGINS cannot be read: {home}/models/broken.py:3: '(' was never closed"],
    "show unreadable": ["experiment/unreadable.yaml:4: expected ',' or ']', but got ':'"],
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of plugins, presets and experiments of this test's own, good and bad."""
    home = tmp_path_factory.mktemp("home")
    files = {name: PLUGIN.format(parameters=parameters) for name, parameters in PLUGINS.items()} | FILES
    for name, content in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content)
    return home


@pytest.mark.parametrize("line", LINES)
def test_a_bad_command_line_is_answered_at_once(
    command_line: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    ended = command_line.type(*line.split(), folder=tmp_path, plugins=home)
    monkeypatch.setenv("EXPZOO_PLUGINS", str(home))
    names = {kind: ", ".join(listed(kind)) for kind in ("model", "analysis")}
    expected = [
        text.replace("{home}", str(home)).replace("{model}", names["model"]).replace("{analysis}", names["analysis"])
        for text in LINES[line]
    ]
    assert ended.err == expected
    assert ended.out == []
    assert ended.code == 2
    assert not ended.torch
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_its_own_says_the_same(home: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-X", "importtime", "-m", "expzoo", "model=perceptorn", "budget=smok"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"EXPZOO_PLUGINS": str(home)}, capture_output=True, text=True, check=False
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert said == [
        "there is no model=perceptorn: did you mean perceptron?",
        "budget must be one of smoke, laptop, paper, not 'smok'",
    ]
    assert (done.returncode, done.stdout) == (2, "")
    assert "hydra" in done.stderr
    assert not any(name in done.stderr for name in ("torch", "lightning", "pandas", "matplotlib"))
