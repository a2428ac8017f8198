"""Files of strangers: only regular ones within their folder are opened, and their words and JSON say one thing."""

from __future__ import annotations

import hashlib
import io
import os
import random
import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from expzoo.config.plugin_errors import type_and_place
from expzoo.store import records
from expzoo.store.parquet_sizes import sizes
from expzoo.store.run_directory import require
from expzoo.system import untrusted
from expzoo.system.errors import BadInput, PluginError
from expzoo.system.untrusted import Refused, json_of, quoted


def test_a_file_of_the_folder_is_read_whole(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"x" * 3_000_000)
    link.symlink_to("file")
    for name in (path, link):
        assert untrusted.read(name, 3_000_000, tmp_path) == path.read_bytes()
        assert untrusted.size_of(name, 3_000_000, tmp_path) == 3_000_000
        assert untrusted.sha256(name, 3_000_000, tmp_path) == hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(Refused, match=r"file has 3,000,000 bytes; it can have at most 2,999,999$"):
        untrusted.read(path, 2_999_999, tmp_path)


@pytest.mark.check("S14")
def test_what_is_no_file_of_the_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    outside.write_text("secret")
    (folder / "out").symlink_to(outside)
    (folder / "device").symlink_to("/dev/zero")
    (folder / "circle").symlink_to("circle")
    (folder / "inner").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "up").symlink_to("..")
    said = {
        "out": "leads out of",
        "up/outside": "leads out of",
        "device": "is no regular file",
        "pipe": "is no regular file",
        "inner": "is no regular file",
        "circle": "its links lead in a circle|is no regular file",
        "x" * 300: "File name too long",
        "a\0b": "is no name of a file",
        "out/x": "Not a directory",
    }
    for name, why in said.items():
        with pytest.raises(Refused, match=why) as caught:
            untrusted.read(folder / name, 100, folder)
        assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        untrusted.read(folder / "gone", 100, folder)


def test_words_of_files_keep_to_one_line_and_steer_nothing() -> None:
    assert quoted("a name/with 1.5 things \u00e4\u4e2d") == "a name/with 1.5 things \u00e4\u4e2d"
    assert quoted("a\nb\tc\x1b[2J\u202e\ud800") == r"a\nb\tc\x1b[2J\u202e\ud800"
    assert quoted("x" * 500) == "x" * 197 + "..."


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}', '[{"b": [{"a": 1, "a": 1}]}]', "[NaN]", "[-Infinity]", "[1e999]", "9" * 301,
        "[" * 51 + "]" * 51,
        "[" * 10**5, b"\xff", "\ufeff[]".encode("utf-16"), "", "[] []", "{'a': 1}",
    ],
)  # fmt: skip
def test_json_that_readers_understand_differently_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        json_of(text)
    assert len(str(caught.value)) < 200


def test_json_is_what_it_says() -> None:
    assert json_of(b'{"a": [1, 2.5, null, true, "\\u00e4"]}') == {"a": [1, 2.5, None, True, "\u00e4"]}
    assert json_of("9" * 300) == int("9" * 300)
    assert json_of("[" * 50 + "]" * 50)


@pytest.mark.parametrize(
    "options", [{}, {"compression": "uncompressed"}, {"row_group_size": 100}, {"data_page_size": 1000}], ids=str
)
def test_the_size_of_a_parquet_file_is_known_before_it_is_read(options: dict[str, object]) -> None:
    numbers = pl.Series("a", np.random.Generator(np.random.PCG64(0)).standard_normal(5000))
    table, buffer = pl.DataFrame([numbers, pl.Series("b", [f"{i:1000}" for i in range(5000)])]), io.BytesIO()
    table.write_parquet(buffer, **options)
    found = sizes(buffer.getvalue())
    assert (found.rows, found.columns) == table.shape
    assert 5_040_000 <= found.unpacked < 5_400_000


def test_damaged_headers_of_parquet_are_refused_or_read_but_never_loop() -> None:
    buffer, rng = io.BytesIO(), random.Random(0)
    pl.DataFrame({"a": range(3000), "b": ["x"] * 3000}).write_parquet(buffer, row_group_size=100)
    for _ in range(300):
        content = bytearray(buffer.getvalue())
        for _ in range(3):
            content[rng.randrange(4, len(content) - 4)] = rng.randrange(256)
        with suppress(ValueError):
            sizes(bytes(content))


def test_a_small_file_of_many_rows_or_bytes_is_refused_unread(tmp_path: Path) -> None:
    rows = pl.select(pl.int_range(records.MAX_ROWS + 1).alias("a") * 0)
    rows.write_parquet(tmp_path / "rows", compression="zstd")
    with pytest.raises(ValueError, match="5,000,001 rows of 1 columns; there can be at most 5,000,000"):
        records.read(tmp_path / "rows")
    text = pl.DataFrame({"a": ["x" * 2**24] * 2})
    pl.concat([text] * 33).write_parquet(tmp_path / "text", compression="zstd", row_group_size=1)
    assert (tmp_path / "text").stat().st_size < 10**6
    with pytest.raises(ValueError, match="bytes when it is decompressed; there can be at most 1,073,741,824"):
        records.read(tmp_path / "text")


def test_of_a_strangers_exception_its_type_and_place_may_be_kept() -> None:
    with pytest.raises(LookupError) as caught:
        raise LookupError("token 1234")
    error = caught.value
    assert re.fullmatch(r"LookupError in unit/test_untrusted\.py, line \d+", type_and_place(error))
    blamed, told = PluginError("model=x", Path(__file__), "used"), BadInput("model.width: token 1234")
    blamed.__cause__ = told.__cause__ = error
    assert type_and_place(blamed) == type_and_place(error)
    assert "1234" not in type_and_place(told)
    error.__context__ = told  # a circle
    assert type_and_place(blamed) == type_and_place(error)
    assert type_and_place(RuntimeError("token 1234")) == "RuntimeError"


def test_why_the_package_itself_refuses_is_kept_and_a_strangers_words_in_it_are_not(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refused:
        require(tmp_path / "nothing")
    assert type_and_place(refused.value) == str(refused.value)
    with pytest.raises(BadInput) as own:
        raise BadInput("token 1234")
    assert "1234" not in type_and_place(own.value)
