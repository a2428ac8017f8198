"""Records, arrays and figures that a stranger may have made."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from tests.faults.hostile.files_place import (
    BIDI,
    ESCAPE,
    LINES,
    Change,
    Place,
    clear,
    figure,
    of,
)

from expzoo.system.checksummed import pack, unpack

KEY = "0123456789abcdef" * 4
ROW = {"key": KEY, "seed": 0, "arm": "a", "step": 1, "split": "test", "metric": "accuracy", "value": 0.5}


def parquet(table: pl.DataFrame, **options: Any) -> Change:
    """Records that are this table."""

    def change(place: Place) -> None:
        path = place.run / "records.parquet"
        clear(path)
        table.write_parquet(path, **options)
        place.seal()

    return change


def rows(count: int, **columns: pl.Expr) -> pl.DataFrame:
    """A table of equal rows, which is small as a file."""
    common = [pl.lit(value).alias(name) for name, value in {**ROW, "analysis": "learning_curves", "end": True}.items()]
    return pl.select(pl.int_range(count).alias("i")).select(*common, *(e.alias(n) for n, e in columns.items()))


def many_rows(place: Place) -> None:
    """More rows than records may have, in a file of some kilobytes."""
    parquet(rows(21_000_000), compression="zstd")(place)


def long_texts(place: Place) -> None:
    """Gigabytes of text in a file of some kilobytes."""
    one = rows(1).with_columns(pl.lit("x" * 2**27).alias("arm"))
    parquet(pl.concat([one.with_columns(pl.lit(i).alias("seed")) for i in range(24)]), row_group_size=1)(place)


RECORDS: dict[str, Change] = {
    "none": of("records.parquet", b"PAR1 nothing PAR1"),
    "a zip": of("records.parquet", b"PK\x03\x04" + zlib.compress(b"0" * 10**7)),
    "many rows": many_rows,
    "long texts": long_texts,
    "many columns": parquet(rows(2, **{f"c{i}": pl.lit(1) for i in range(5000)})),
    "other types": parquet(rows(2).with_columns(pl.lit([1]).alias("value"))),
    "an object": parquet(rows(2).with_columns(pl.lit(b"x").alias("key"))),
    "no value": parquet(rows(2).drop("value")),
    "steers": parquet(rows(2, **{ESCAPE + LINES: pl.lit(ESCAPE)})),
    "turns": parquet(rows(2).with_columns(pl.lit(BIDI).alias("metric"))),
    "infinite": parquet(rows(2).with_columns(pl.lit(float("inf")).alias("value"))),
    "a footer without end": of(
        "records.parquet", b"PAR1" + b"\x15\x00" * 99 + (2**31 - 1).to_bytes(4, "little") + b"PAR1"
    ),
    "empty": parquet(rows(0)),
}


def arrays(change: Callable[[dict[str, np.ndarray]], Any]) -> Change:
    """The arrays, changed."""

    def changed(place: Place) -> None:
        found, _ = unpack((place.run / "arrays.safetensors").read_bytes(), "genuine")
        change(found)
        place.sealed_with("arrays.safetensors", pack(found, {}))

    return changed


def header(text: str, data: bytes = b"") -> bytes:
    """A safetensors file with any header."""
    return len(text).to_bytes(8, "little") + text.encode() + data


ARRAYS: dict[str, Change] = {
    "a forged shape": of(
        "arrays.safetensors", header('{"a":{"dtype":"F32","shape":[1000000000],"data_offsets":[0,4]}}', b"1234")
    ),
    "a huge tensor": of(
        "arrays.safetensors",
        header('{"a":{"dtype":"F32","shape":[1000000000],"data_offsets":[0,4000000000]}}', b"1234"),
    ),
    "a long header": of("arrays.safetensors", b"\xff" * 8 + b"{}"),
    "a deep header": of("arrays.safetensors", header('{"a":' * 10**5)),
    "pickle": of("arrays.safetensors", b"\x80\x04cos\nsystem\n(S'touch they-ran-it'\ntR."),
    "other numbers": arrays(lambda a: a.update({"learning_curves/x": np.full(9, np.nan)})),
    "steering names": arrays(lambda a: a.update({f"learning_curves/{ESCAPE}{BIDI}": np.zeros(2)})),
}


def png(width: int, height: int) -> bytes:
    """A PNG that stands for so many pixels, in a few bytes."""
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    data = b"IDAT" + zlib.compress(b"\0" * 1000)
    chunks = [(head, len(head) - 4), (data, len(data) - 4), (b"IEND", 0)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        size.to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big") for body, size in chunks
    )


def svg(inside: str, attributes: str = "") -> str:
    """An SVG with something in it."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"'
    return f"{head} {attributes}>{inside}</svg>"


def index(*entries: object) -> Change:
    """An index of figures."""
    return of("figures/figures.json", json.dumps(entries))


SVG, CSV = "figures/{figure}.svg", "figures/{figure}.csv"
FIGURES: dict[str, Change] = {
    "script": of(SVG, svg("<script>alert(1)</script>")),
    "an event": of(SVG, svg('<rect width="1" height="1"/>', 'onload="alert(1)"')),
    "a foreign object": of(
        SVG, svg('<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"><script>1</script></body></foreignObject>')
    ),
    "a link": of(SVG, svg('<a xlink:href="javascript:alert(1)"><text>x</text></a>')),
    "a fetch": of(
        SVG,
        svg(
            '<image xlink:href="http://127.0.0.1:1/x.png" width="1" height="1"/><style>@import "http://127.0.0.1:1"</style>'
        ),
    ),
    "another file": of(SVG, svg('<use xlink:href="file:///etc/passwd#x"/>')),
    "entities": of(
        SVG, '<!DOCTYPE svg [<!ENTITY a "' + "x" * 99 + '"><!ENTITY b "' + "&a;" * 99 + '">]>' + svg("<text>&b;</text>")
    ),
    "an external entity": of(SVG, '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + svg("<text>&x;</text>")),
    "a style sheet": of(SVG, '<?xml-stylesheet href="evil.xsl" type="text/xsl"?>' + svg("")),
    "deep drawing": of(SVG, svg("<g>" * 20_000 + "</g>" * 20_000)),
    "many elements": of(SVG, svg('<path d="M0 0"/>' * 150_000)),
    "a large drawing": of(SVG, svg(f"<text>{'x' * 15_000_000}</text>")),
    "turning words": of(SVG, svg(f"<text>{BIDI}</text>")),
    "readings": of(SVG, svg('<metadata id="readings">' + "[" * 5000 + "</metadata>")),
    "a bomb of pixels": lambda place: [of(SVG, "none")(place), of("figures/{figure}.png", png(65_000, 65_000))(place)],
    "pixels in a drawing": of(SVG, svg('<image xlink:href="data:image/png;base64,AAAA" width="9" height="9"/>')),
    "a page as a picture": lambda place: [
        of(SVG, "none")(place),
        of("figures/{figure}.png", "<script>alert(1)</script>")(place),
    ],
    "a moving bomb": of("figures/{figure}.gif", b"GIF89a\xff\xff\xff\xff" + b"\0" * 1000),
    "many cells": of(CSV, "a," * 4_000_000 + "\n"),
    "many lines": of(CSV, "a\n" + "1\n" * 5_000_000),
    "a long cell": of(CSV, "a\n" + "x" * 200_000 + "\n"),
    "an open quote": of(CSV, 'a\n"' + "x\n" * 100_000),
    "steering cells": of(CSV, f"a\n{ESCAPE}{BIDI}\n"),
    "no UTF-8 cells": of(CSV, b"a\n\xff\xfe\n"),
    "a name elsewhere": index({"name": "../../../../../outside/secret", "title": "", "caption": ""}),
    "a long name": index({"name": "x" * 5000}),
    "a name of lines": index({"name": LINES + ESCAPE}),
    "many names": index(*({"name": f"f{i}"} for i in range(10_000))),
    "one name often": index(*([{"name": "x"}] * 200)),
    "deep index": of("figures/figures.json", '[{"a":' * 10**5),
    "a field twice": of("figures/figures.json", '[{"name": "a", "name": "b"}]'),
    "no list": of("figures/figures.json", '{"name": "a"}'),
    "steering titles": lambda place: index(
        {"name": figure(place), "title": ESCAPE + BIDI, "caption": "<script>x</script>"}
    )(place),
}
