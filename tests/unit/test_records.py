"""Tidy rows: what is refused, equal content gives equal bytes, and the helpers against loops over the rows."""

import contextlib
import math
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from expzoo.store import records

KEY = "0123456789abcdef" * 4


def row(**changes):
    base = {"key": KEY, "seed": 3, "arm": "dense", "step": 10, "split": "test", "metric": "accuracy", "value": 0.5}
    return base | changes


def ticket_rows(seeds=(5, 1, 9), levels=(0.0, 0.488, 0.8658)):
    return [
        row(seed=seed, arm=arm, sparsity=level, value=seed + level + len(arm))
        for seed in seeds
        for level in levels
        for arm in ("ticket", "random")
    ]


def test_columns_come_first_and_varied_ones_by_name():
    table = records.frame([row(view="plain", sparsity=0.5), row(seed=4)])
    assert table.columns == [*records.COLUMNS, "sparsity", "view"]
    assert table["sparsity"].to_list() == [0.5, None]
    assert table.schema["value"] == pl.Float64


def test_an_empty_frame_has_the_columns():
    assert records.frame([]).columns == list(records.COLUMNS)


def test_numpy_scalars_are_ordinary_values():
    table = records.frame([row(seed=np.int64(4), value=np.float32(0.25), sparsity=np.float64(0.5))])
    assert (table["seed"][0], table["value"][0], table["sparsity"][0]) == (4, 0.25, 0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1.5}, "row 1 has seed=1.5; it must be int"),
        ({"seed": True}, "seed=True"),
        ({"seed": 2**63}, "column seed holds a value outside the range"),
        ({"arm": None}, "row 1 has arm=None; it must be str"),
        ({"value": "0.5"}, "it must be float or int"),
        ({"value": None}, "value=None"),
        ({"key": "short"}, "64 hexadecimal digits"),
        ({"sparsity": [0.5]}, "column sparsity holds list"),
        ({"sparsity": "high"}, "column sparsity mixes float and str"),
    ],
)
def test_a_wrong_value_is_named(changes, message):
    with pytest.raises(ValueError, match="(?s).*" + message.replace("(", r"\(")):
        records.frame([row(sparsity=0.5), row(seed=4) | changes])


def test_a_missing_column_is_named():
    broken = row()
    del broken["split"]
    with pytest.raises(ValueError, match="row 1 has no split"):
        records.frame([row(), broken])


def test_a_row_said_twice_counts_once_but_not_with_another_value():
    assert len(records.frame([row(), row()])) == 1
    with pytest.raises(ValueError, match=r"two values, 0\.5 and 0\.75: key=0123456789ab\.\.\., seed=3, arm=dense"):
        records.frame([row(), row(value=0.75)])


def test_equal_content_gives_equal_bytes(tmp_path):
    rows = [*ticket_rows(), row(value=math.nan), row(seed=8, value=-0.0), row(seed=8, value=0.0)]
    contents = set()
    for order in range(5):
        random.Random(order).shuffle(rows)
        records.write(records.frame(rows), tmp_path / "records.parquet")
        contents.add((tmp_path / "records.parquet").read_bytes())
    assert len(contents) == 1


def test_what_is_written_is_read(tmp_path):
    table = records.frame([*ticket_rows(), row(value=math.inf)])
    records.write(table, tmp_path / "records.parquet")
    assert records.read(tmp_path / "records.parquet").equals(table)
    assert [path.name for path in tmp_path.iterdir()] == ["records.parquet"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "records.parquet"
    records.write(records.frame([row()]), path)
    before = path.read_bytes()

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("expzoo.system.files.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        records.write(records.frame(ticket_rows()), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["records.parquet"]


def damaged_files(tmp_path: Path):
    good = tmp_path / "good.parquet"
    records.write(records.frame(ticket_rows()), good)
    content = good.read_bytes()
    yield "empty", b""
    yield "text", b"<html>404</html>"
    for length in range(1, len(content), len(content) // 20):
        yield f"cut at {length}", content[:length]
    table = records.read(good)
    for name, other in {
        "no value": table.drop("value"),
        "seed text": table.with_columns(pl.col("seed").cast(pl.String)),
        "nested": table.with_columns(nested=pl.lit([1, 2])),
        "empty cell": table.with_columns(arm=pl.lit(None, pl.String)),
        "bad key": table.with_columns(key=pl.lit("../../etc")),
        "wide": table.with_columns(pl.lit(1).alias(f"setting{i}") for i in range(100)),
    }.items():
        other.write_parquet(tmp_path / "other.parquet")
        yield name, (tmp_path / "other.parquet").read_bytes()


def test_a_damaged_file_is_refused_by_name(tmp_path):
    path = tmp_path / "records.parquet"
    for name, content in damaged_files(tmp_path):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"records\.parquet (cannot be read as|holds no) records: .+"):
            pytest.fail(f"{name}: read as {records.read(path)}")


def test_flipped_bytes_are_refused_or_read_but_nothing_else(tmp_path):
    path = tmp_path / "records.parquet"
    records.write(records.frame(ticket_rows()), path)
    content = path.read_bytes()
    choose = random.Random(0)
    for _ in range(100):
        broken = bytearray(content)
        broken[choose.randrange(len(broken))] ^= 1 << choose.randrange(8)
        path.write_bytes(broken)
        with contextlib.suppress(ValueError):
            assert set(records.COLUMNS) <= set(records.read(path).columns)


def test_a_missing_and_a_huge_file_are_refused(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"nothing\.parquet cannot be read"):
        records.read(tmp_path / "nothing.parquet")
    records.write(records.frame(ticket_rows()), tmp_path / "big.parquet")
    monkeypatch.setattr(records, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match=r"big\.parquet.*at most 100"):
        records.read(tmp_path / "big.parquet")


def test_select_takes_values_lists_none_and_nearly_equal_floats():
    table = records.frame([*ticket_rows(), row(seed=77)])
    assert len(records.select(table, arm="ticket", sparsity=0.8658 + 1e-12)) == 3
    assert len(records.select(table, arm=["ticket", "random"])) == 18
    assert records.select(table, sparsity=None)["seed"].to_list() == [77]
    assert len(records.select(table, arm=[])) == 0
    assert len(records.select(table)) == 19


def test_an_unknown_column_and_a_value_of_another_type_are_named():
    table = records.frame(ticket_rows())
    with pytest.raises(ValueError, match=r"no column sparsty; did you mean sparsity"):
        records.select(table, sparsty=0.5)
    with pytest.raises(ValueError, match="cannot compare"):
        records.select(table, seed="one")


def test_by_seed_gives_one_value_a_seed_in_order():
    table = records.frame(ticket_rows())
    chosen = records.by_seed(table, arm="ticket", sparsity=0.488)
    assert list(chosen.items()) == [(seed, seed + 0.488 + len("ticket")) for seed in (1, 5, 9)]


def test_by_seed_says_what_is_open_and_what_is_absent():
    table = records.frame(ticket_rows())
    with pytest.raises(ValueError, match=r"several values because sparsity is open \(0\.0, 0\.488, 0\.8658\)"):
        records.by_seed(table, arm="ticket")
    with pytest.raises(ValueError, match=r"no record has sparsity=0\.9; sparsity is 0\.0, 0\.488, 0\.8658"):
        records.by_seed(table, arm="ticket", sparsity=0.9)
    with pytest.raises(ValueError, match="together"):
        records.by_seed(records.frame([row(), row(arm="ticket", split="fresh")]), arm="ticket", split="test")


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.2, 0.36, 0.8])), st.floats(-9, 9), min_size=1, max_size=20
    )
)
def test_pivot_equals_a_loop_over_the_rows(cells):
    table = records.frame([row(seed=seed, sparsity=x, value=value) for (seed, x), value in cells.items()])
    xs, matrix = records.pivot(table, x="sparsity", arm="dense")
    seeds = sorted({seed for seed, _ in cells})
    assert xs.tolist() == sorted({x for _, x in cells})
    expected = [[cells.get((seed, x), math.nan) for x in xs] for seed in seeds]
    np.testing.assert_array_equal(matrix, np.array(expected))


def test_pivot_refuses_two_values_at_one_point():
    table = records.frame(ticket_rows())
    with pytest.raises(ValueError, match=r"one sparsity because arm is open \(random, ticket\)"):
        records.pivot(table)
    with pytest.raises(ValueError, match="no column width"):
        records.pivot(table, x="width")
