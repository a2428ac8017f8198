"""Plugins are found and read without being imported, and one that does not fit says so only when it is wanted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from expzoo.config import homes, presets, registry
from expzoo.config.options import Count, Option
from expzoo.system.errors import BadInput, PluginError

GOOD = """
import torch
from typing import Annotated, Literal
from expzoo.plugin import Count, Fraction, Range, register

@register
class Sieve:
    \"\"\"Keeps some of what it is given.

    Args:
        keep: the part that stays,
            of all.
        levels: how many.
    \"\"\"

    CACHE_VERSION = 3
    NOT_IN_KEY = ("levels",)

    def __init__(
        self, *, keep: Fraction, levels: Count = 2, mode: Literal["a", "b"] = "a", sizes: tuple[int, ...] = (1, 2)
    ) -> None:
        if levels == 13:
            raise ValueError("13 levels are too many")
        if levels == 14:
            raise KeyError("fourteen")
        self.keep, self.levels, self.mode, self.sizes = keep, levels, mode, sizes
"""

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Puts a file into a home of plugins of this test's own."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("EXPZOO_PLUGINS", str(home))
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)

    def write(place: str, content: str) -> Path:
        file = home / place
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(content))
        registry._index.cache_clear()
        presets._presets.cache_clear()
        return file

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("expzoo.plugins."):
            del sys.modules[name]


def test_reads_what_a_file_declares(write: Write) -> None:
    write("stops/sieve.py", GOOD)
    declared = registry.declared("stop", "sieve")
    assert declared.class_name == "Sieve"
    assert list(declared.options) == ["keep", "levels", "mode", "sizes"]
    assert declared.options["levels"] == Option(Count, 2)
    assert (declared.version, declared.not_in_key) == (3, ("levels",))
    assert declared.summary == "Keeps some of what it is given."
    assert declared.explanations() == {"keep": "the part that stays, of all.", "levels": "how many."}
    assert registry.defaults("stop", "sieve") == {"levels": 2, "mode": "a", "sizes": (1, 2)}
    assert "sieve" in registry.available("stop")


def test_builds_with_checked_options(write: Write) -> None:
    write("stops/sieve.py", GOOD)
    sieve = registry.build("stop", "sieve", keep=1, sizes=[3])
    assert (sieve.keep, sieve.levels, sieve.mode, sieve.sizes) == (1.0, 2, "a", (3,))
    assert type(sieve.keep) is float
    assert type(sieve).__module__ == "expzoo.plugins.stops.sieve"
    assert type(sieve) is registry.load("stop", "sieve")


@pytest.mark.parametrize(
    ("options", "faults"),
    [
        ({"keep": 0.5, "name": "sieve"}, []),
        ({}, ["stop.keep has no value: give stop.keep=..."]),
        (
            {"kepe": 1, "keep": 2, "levels": 0},
            [
                "stop has no kepe: did you mean keep?",
                "stop.keep must be a number from 0 to 1, not 2",
                "stop.levels must be a whole number at least 1, not 0",
            ],
        ),
        ({"keep": 1, "levels": 13}, ["stop: 13 levels are too many"]),
    ],
)
def test_check_names_every_fault(write: Write, options: dict[str, Any], faults: list[str]) -> None:
    write("stops/sieve.py", GOOD)
    assert registry.check("stop", "sieve", options) == faults


def test_what_a_plugin_raises_is_told_from_bad_input(write: Write) -> None:
    file = write("stops/sieve.py", GOOD)
    with pytest.raises(PluginError, match=r"stop=sieve .* raised while it was constructed") as caught:
        registry.build("stop", "sieve", keep=1, levels=14)
    assert caught.value.file == file
    assert isinstance(caught.value.__cause__, KeyError)
    write("stops/absent.py", GOOD.replace("import torch", "import no_such_module"))
    assert registry.declared("stop", "absent").class_name == "Sieve"
    with pytest.raises(PluginError, match=r"stop=absent .* raised while it was imported") as caught:
        registry.load("stop", "absent")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


HEAD = "from expzoo.plugin import register\n"

BROKEN = {
    "class A(:\n": "1: invalid syntax",
    "x = 1\n": "1: a plugin file has one class with @register, not 0",
    f"{HEAD}@register\nclass A: ...\n@register\nclass B: ...\n": "1: a plugin file has one class with @register, not 2",
    f"{HEAD}@register\nclass A:\n    def __init__(self, x: int): ...\n": (
        "4: the constructor of A must have the form (self, *, ...)"
    ),
    f"{HEAD}@register\nclass A:\n    def __init__(self, **options): ...\n": (
        "4: the constructor of A must have the form (self, *, ...)"
    ),
    f"{HEAD}@register\nclass A:\n    def __init__(self, *, x): ...\n": "4: x has no annotation",
    f"{HEAD}@register\nclass A:\n    def __init__(self, *, name: str): ...\n": "4: no option may be called name",
    f"{HEAD}@register\nclass A:\n    def __init__(self, *, x: int = None): ...\n": (
        "4: x: int = None: must be a whole number, not null"
    ),
    f"{HEAD}@register\nclass A:\n    def __init__(self, *, x: int = f()): ...\n": "4: x: int = f(): malformed",
    f"{HEAD}@register\nclass A:\n    def __init__(self, *, x: dict = 1): ...\n": (
        "4: x: dict = 1: dict is not an annotation that a config can hold: use int, float"
    ),
    f"{HEAD}@register\nclass A:\n    CACHE_VERSION = 1 + 1\n": "4: CACHE_VERSION must be a literal, not 1 + 1",
    f"{HEAD}@register\nclass A:\n    CACHE_VERSION = 0\n": "3: CACHE_VERSION must be a whole number at least 1, not 0",
    f"{HEAD}@register\nclass A:\n    NOT_IN_KEY = ('x',)\n": (
        "3: NOT_IN_KEY must be a tuple of names of options, not ('x',)"
    ),
    f"{HEAD}@register\nclass A:\n    ADDED = ('x',)\n": "3: ADDED must be a tuple of names of options, not ('x',)",
    f"{HEAD}@register\nclass A:\n    ADDED = ('x',)\n    def __init__(self, *, x: int): ...\n": (
        "3: ADDED has x, without a default that is what was before"
    ),
}


@pytest.mark.parametrize("source", BROKEN)
def test_a_file_that_does_not_fit_fails_only_when_it_is_wanted(write: Write, source: str) -> None:
    file = write("stops/unfit.py", source)
    assert "unfit" in registry.available("stop")
    assert registry.declared("stop", "steps").class_name == "Steps"
    with pytest.raises(BadInput) as caught:
        registry.declared("stop", "unfit")
    assert str(caught.value).startswith(f"stop=unfit of EXPZOO_PLUGINS cannot be read: {file}:{BROKEN[source]}")


def test_a_model_has_the_two_positional_parameters_of_its_kind(write: Write) -> None:
    write(
        "models/right.py", f"{HEAD}@register\nclass A:\n    def __init__(self, inputs, outputs, *, x: int = 1): ...\n"
    )
    write("models/wrong.py", f"{HEAD}@register\nclass A:\n    def __init__(self, outputs, *, x: int = 1): ...\n")
    write("models/bare.py", f"{HEAD}@register\nclass A: ...\n")
    assert registry.build("model", "right", (40,), 10, x=2) is not None
    with pytest.raises(BadInput, match=r"wrong.py:4: .* must have the form \(self, inputs, outputs, \*, ...\)"):
        registry.declared("model", "wrong")
    with pytest.raises(BadInput, match=r"bare.py:3: A has no constructor \(self, inputs, outputs, \*, ...\)"):
        registry.declared("model", "bare")


@pytest.mark.parametrize(
    "source",
    [
        # The constructor that runs is not the one in the source.
        f"{HEAD}class Base:\n    def __init__(self, *, x: int): ...\n@register\nclass A(Base): ...\n",
        # The name means something else here than in the vocabulary of options.
        f"{HEAD}Count = int\n@register\nclass A:\n    def __init__(self, *, x: Count = 1): ...\n",
    ],
)
def test_register_compares_the_real_signature_with_the_source(write: Write, source: str) -> None:
    write("stops/drifted.py", source)
    with pytest.raises(PluginError) as caught:
        registry.load("stop", "drifted")
    assert isinstance(caught.value.__cause__, TypeError)
    assert "but its source says" in str(caught.value.__cause__)


def test_annotations_that_are_strings_are_compared_too(write: Write) -> None:
    write("stops/later.py", "from __future__ import annotations\n" + GOOD)
    assert registry.build("stop", "later", keep=1).levels == 2


@pytest.mark.parametrize("name", ["Upper", "with-dash", "on", "none", "class", "1d"])
def test_a_name_that_a_config_would_misread_is_refused(write: Write, name: str) -> None:
    file = write(f"stops/{name}.py", GOOD)
    with pytest.raises(BadInput, match="lower-case identifier") as caught:
        registry.index()
    assert str(file) in str(caught.value)


def test_two_files_of_one_name_are_refused(write: Write, tmp_path: Path) -> None:
    file = write("stops/steps.py", GOOD)
    with pytest.raises(BadInput) as caught:
        registry.index()
    own = homes.HOME / "plugins" / "stops" / "steps.py"
    assert str(caught.value) == f"two files are called stop=steps: {own} and {file}"
    file.unlink()
    preset = write("conf/stop/steps.yaml", "steps: 1\n")
    with pytest.raises(BadInput) as caught:
        presets.options("stop")
    assert str(caught.value) == f"two files are called stop=steps: {own} and {preset}"


def test_a_home_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXPZOO_PLUGINS", f"{tmp_path}:{tmp_path}/absent")
    with pytest.raises(BadInput, match=f"EXPZOO_PLUGINS names what is not a folder: {tmp_path}/absent"):
        homes.homes()


def test_the_working_directory_is_a_home(write: Write, tmp_path: Path) -> None:
    folder = tmp_path / "plugins" / "stops"
    folder.mkdir(parents=True)
    (folder / "here.py").write_text(GOOD)
    registry._index.cache_clear()
    assert "here" in registry.available("stop")
    assert registry.build("stop", "here", keep=1).keep == 1.0


THEIRS = """# @package _global_
defaults: [override /model: theirs]
presets: {model: {defaults: [mlp, _self_], width: 3}}
seed: 5
"""


def test_an_installed_package_is_a_home_and_is_not_imported(tmp_path: Path) -> None:
    package = tmp_path / "zoo_extra"
    (package / "plugins" / "stops").mkdir(parents=True)
    (package / "conf" / "experiment").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "plugins" / "stops" / "extra.py").write_text(GOOD)
    (package / "conf" / "experiment" / "theirs.yaml").write_text(THEIRS)
    (package / "plugins" / "launchers").mkdir()
    (package / "plugins" / "launchers" / "quiet.py").write_text(GOOD)
    info = tmp_path / "zoo_extra-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo-extra\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[expzoo.plugins]\nx = zoo_extra\n")
    program = (
        "from expzoo.config import check as faults, registry; import sys; "
        "print([home.owner for home in registry.homes()], 'extra' in registry.available('stop')); "
        "config = faults.resolved(['+experiment=theirs', 'stop=extra', 'stop.keep=1', 'hydra/launcher=quiet']); "
        "print(config['seed'], config['model']['width'], registry.available('launcher')); "
        "print({'zoo_extra', 'torch'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "EXPZOO_PLUGINS": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == [
        "['expzoo', 'zoo-extra', 'the working directory'] True",
        "5 3 ['fused', 'quiet', 'ray']",
        "set()",
    ], done.stderr


def test_every_shipped_plugin_has_the_signature_its_source_shows() -> None:
    for kind in registry.KINDS:
        for name, file in registry.index()[kind].items():
            assert registry.load(kind, name).__name__ == registry.read(file).class_name
