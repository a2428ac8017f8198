"""The sources that keys hold: which edits of somebody's plugin make another network of it, and which do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from expzoo.config import sources
from expzoo.config.source_files import of_plugin
from expzoo.runs import environment
from expzoo.spec.component import Component

MODEL = '''
"""A model of somebody."""

from torch import nn

from expzoo.plugin import Count, register
from sizes_of_mine import WIDE


@register
class Droppy(nn.Sequential):
    """Has {doc}."""

    {promise}

    def __init__(self, inputs{annotation}, outputs, *, width: Count = 20) -> None:
        super().__init__(nn.Flatten(), nn.Linear(40, WIDE * width), nn.{activation}(), nn.Linear(WIDE * width, outputs))
'''
METRIC = """
from expzoo.plugin import register

@register
class Halved:
    WORST = {worst}
"""
PLAIN = {"doc": "one layer", "promise": "", "annotation": "", "activation": "ReLU"}

count = iter(range(100))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder of plugins for each text, since a process reads a file once."""

    def made(helper: str = "WIDE = 2", worst: int = 1, **edited: str) -> Path:
        folder = tmp_path / str(next(count))
        for name, text in {
            "models/droppy.py": MODEL.format(**(PLAIN | edited)),
            "metrics/halved.py": METRIC.format(worst=worst),
            "sizes_of_mine.py": helper,
        }.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        monkeypatch.setenv("EXPZOO_PLUGINS", str(folder))
        monkeypatch.syspath_prepend(str(folder))
        return folder

    return made


def canonical() -> object:
    return Component.of("model", "droppy").canonical()


def test_what_computes_something_else_has_another_key(home) -> None:
    home()
    before = canonical()
    assert "source" in before
    for edit in ({"activation": "Tanh"}, {"helper": "WIDE = 3"}):
        home(**edit)
        assert canonical() != before, edit


def test_what_is_only_said_or_annotated_keeps_the_key(home) -> None:
    home()
    before = canonical()
    for edit in ({"doc": "a layer"}, {"annotation": ": tuple[int, ...]"}, {"helper": "# two\n\nWIDE  =  2"}):
        home(**edit)
        assert canonical() == before, edit


def test_a_plugin_that_a_text_names_belongs_to_it(home) -> None:
    home(promise='JUDGE = "halved(of=3)"')
    before = canonical()
    home(promise='JUDGE = "halved(of=3)"', worst=2)
    assert canonical() != before


def test_who_declares_a_version_answers_for_the_source(home) -> None:
    home(promise="CACHE_VERSION = 1")
    before, seen = canonical(), sources.fingerprint("model", "droppy")
    home(promise="CACHE_VERSION = 1", activation="Tanh")
    assert canonical() == before == Component.of("model", "droppy").canonical()
    assert sources.fingerprint("model", "droppy") != seen
    home(promise="CACHE_VERSION = 2")
    assert canonical() != before


def test_an_option_may_name_what_belongs_to_it(home) -> None:
    home()
    before = sources.in_key("model", "mlp", ("halved",))
    assert before
    assert not sources.in_key("model", "mlp", ("relu",))
    home(worst=2)
    assert sources.in_key("model", "mlp", ("halved",)) != before


def test_the_packages_own_have_no_source_in_their_keys(home) -> None:
    home()
    assert "source" not in Component.of("model", "mlp").canonical()


def test_a_file_that_changes_under_a_process_is_told_once(home, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home()
    before = canonical()
    (folder / "sizes_of_mine.py").write_text("WIDE = 30", encoding="utf-8")
    assert [canonical(), canonical()] == [before, before]  # what this process has imported is the old one
    assert capsys.readouterr().err.count("sizes_of_mine.py was changed after this process had read it") == 1


def test_imports_are_followed_within_ones_own_code_only(home) -> None:
    folder = home(helper="import torch, json, sizes_of_mine\nfrom expzoo import plugin\nWIDE = 2")
    assert len(of_plugin(folder / "models" / "droppy.py")) == 2


def test_the_commit_is_read_from_its_files(tmp_path: Path) -> None:
    git, commit = tmp_path / ".git", "0123456789abcdef" * 2 + "01234567"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    assert environment._commit(tmp_path / "before") == ""
    (git / "packed-refs").write_text(f"# pack-refs\n{commit} refs/heads/main\n")
    assert environment._commit(tmp_path / "a") == commit
    (git / "refs" / "heads" / "main").write_text(f"{commit[::-1]}\n")
    assert environment._commit(tmp_path / "b") == commit[::-1]
    (git / "HEAD").write_text(f"{commit}\n")
    assert environment._commit(tmp_path / "c") == commit
    (git / "HEAD").write_text("anything else\n")
    assert environment._commit(tmp_path / "d") == ""
