"""One reader of YAML: what it takes, what it refuses, in one line with the place, and before it is built."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest
import yaml
from omegaconf import OmegaConf

from expzoo.config.homes import HOME
from expzoo.system.errors import BadInput
from expzoo.system.yaml_text import Limits, load, read

if TYPE_CHECKING:
    from pathlib import Path

NUMBERS = "a: 1e-3\nb: 1.5e3\nc: +1e5\nd: 1.0e-05\ne: 0x10\nf: 1_000\ng: .inf\nh: 2024-01-01\ni: yes\nj: 1.e5\n"


def laughs(levels: int) -> str:
    """A text of few lines that stands for 10 ** `levels` values."""
    lines = [f"a{i}: &a{i} [{','.join(['x' if i == 0 else f'*a{i - 1}'] * 10)}]" for i in range(levels)]
    return "\n".join(lines)


REFUSED = {
    "a: &m {width: *m}": "f:1: &m holds itself",
    "a:\n  - &m [1, *m]": "f:2: &m holds itself",
    "[" * 2000: "f:1: more than 50 levels",
    "a: " + "{b: " * 2000: "f:1: more than 50 levels",
    "\n".join(" " * depth + "a:" for depth in range(1000)): "f:50: more than 50 levels",
    laughs(9): "f:5: more than 100,000 values",
    "a: &a [x, x]\nb: &b {k: *a}\nc: 7\nc: 8": "f:4: c is said twice",
    "a: !!python/object/apply:os.system [touch x]": "f:1: tag:yaml.org,2002:python/object/apply:os.system is no type",
    "a: !!binary aGVsbG8=": "f:1: tag:yaml.org,2002:binary is no type",
    "a: !!set {x}": "f:1: tag:yaml.org,2002:set is no type",
    "a: !mine 3": "f:1: !mine is no type",
    "a: 1\n? [1, 2]\n: 3": "f:2: a key has to be one word",
    "a: 1\nb: " + "9" * 5000: "f:2: a number of more than 400 characters",
    "a: 1\nb: !!int x": "f:2: invalid literal",
    "a: b: c": "f:1: mapping values are not allowed here",
    "a: *b": "f:1: found undefined alias 'b'",
    "a: 1\n--- 2": "f:2: found another document",
    "a: 'x": "f:1: found unexpected end of stream",
    "a: \x1b[31m": "f: character 3 (U+001B) is not allowed",
    "a" * (2**20 + 1): "f: it has more than 1,048,576 bytes",
}


@pytest.mark.parametrize(("text", "why"), REFUSED.items(), ids=range(len(REFUSED)))
@pytest.mark.parametrize("exponents", [False, True])
def test_what_is_refused_is_refused_in_one_line(text: str, why: str, exponents: bool) -> None:
    with pytest.raises(BadInput) as refused:
        load(text, source="f", exponents=exponents)
    assert str(refused.value).startswith(why)
    assert len(str(refused.value).splitlines()) == 1


def test_a_few_lines_never_take_the_memory_of_what_they_stand_for() -> None:
    tracemalloc.start()
    with pytest.raises(BadInput, match="as aliases are written out"):
        load(laughs(30), source="f")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * 2**20


def test_numbers_are_those_of_hydra_if_typed_and_of_yaml_if_written() -> None:
    typed = OmegaConf.to_container(OmegaConf.create(NUMBERS))
    assert load(NUMBERS, source="f", exponents=True) == typed
    written = yaml.safe_load(NUMBERS)
    assert load(NUMBERS, source="f") == written | {"h": str(written["h"])}


def test_the_files_of_the_package_are_read_as_omegaconf_reads_them() -> None:
    files = sorted((HOME / "conf").glob("**/*.yaml"))
    assert len(files) > 20
    for file in files:
        assert read(file, exponents=True) == OmegaConf.to_container(OmegaConf.load(file)), file


def test_a_byte_order_mark_is_skipped_and_what_is_not_utf_8_is_said(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: \xc3\xa4\n")
    assert read(file) == {"a": "ä"} == load("\ufeffa: ä", source="f")
    file.write_bytes("a: ä".encode("latin-1"))
    with pytest.raises(BadInput, match=r"a\.yaml: byte 3 is not UTF-8"):
        read(file)
    file.write_bytes(b"a: 1\n" * 10)
    with pytest.raises(BadInput, match="it has more than 49 bytes"):
        read(file, limits=Limits(bytes=49))
    file.write_bytes(b"")
    assert read(file) is None
