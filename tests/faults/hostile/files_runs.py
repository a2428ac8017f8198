"""Configs, verdicts, manifests and folders that a stranger may have made."""

from __future__ import annotations

import json
from typing import Any

from tests.faults.hostile.files_media import svg
from tests.faults.hostile.files_place import (
    BIDI,
    ESCAPE,
    LINES,
    Change,
    Place,
    config,
    entry,
    manifest,
    of,
    put,
)
from tests.faults.hostile.files_watch import SENTINEL

from expzoo.store import run_directory

CALL = f"os.system('touch {SENTINEL}')"
ANCHORS = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, after in zip("abcdefgh", "bcdefghi", strict=True)
)
CONFIGS: dict[str, Change] = {
    "a tag that calls": of("config.yaml", f"model: !!python/object/apply:os.system ['touch {SENTINEL}']\n"),
    "a target": config(lambda c: c["model"].update({"_target" + "_": "os.system", "command": f"touch {SENTINEL}"})),
    "a plugin elsewhere": config(lambda c: c["model"].update(name="../../../os")),
    "an analysis elsewhere": config(lambda c: c.update(analysis={"../../evil": {}})),
    "an environment variable": config(lambda c: c["model"].update(width="${oc.env:HOME}")),
    "an expression": config(lambda c: c["model"].update(width=CALL)),
    "anchors": of("config.yaml", ANCHORS),
    "merged anchors": of(
        "config.yaml", "a: &a {x: 1}\n" + "".join(f"k{i}: {{<<: [{'*a,' * 900}]}}\n" for i in range(200))
    ),
    "deep": of("config.yaml", "[" * 5000),
    "deep maps": of("config.yaml", "{a: " * 5000),
    "itself": of("config.yaml", "a: &a [*a]\n"),
    "a key twice": lambda place: place.sealed_with(
        "config.yaml", (place.run / "config.yaml").read_text() + "seed: 1\n"
    ),
    "a huge number": of("config.yaml", f"seed: {'9' * 100_000}\n"),
    "infinite": config(lambda c: c.update(seed=float("inf"))),
    "not a number": config(lambda c: c["optimizer"].update(lr=float("nan"))),
    "no text": of("config.yaml", b"\xff\xfe\x00"),
    "many keys": config(lambda c: c.update({f"k{i}": i for i in range(9000)})),
    "steers": config(lambda c: c["about"].update(title=ESCAPE + BIDI, question=LINES)),
    "steers in a key": config(lambda c: c.update({LINES + BIDI: ESCAPE})),
    "numbers as keys": of("config.yaml", "1: 2\nnull: 3\n"),
    "a store elsewhere": config(lambda c: c.update(store="../../../outside/store")),
    "script": config(lambda c: c["about"].update(title="<script>alert(1)</script>", source="</pre><script>x</script>")),
    "a population without end": config(lambda c: c.update(population={"size": 10**12})),
    "a list": of("config.yaml", "[1, 2]\n"),
}

VERDICT: dict[str, Any] = {
    "claim": "a.b",
    "statement": "s",
    "effect": 1.0,
    "unit": "u",
    "interval": [0.5, 1.5],
    "level": 0.95,
    "n": 3,
    "verdict": "supported",
    "published": "",
    "source": "",
    "smallest_effect": 0.1,
    "direction": "greater",
    "rule": "r",
    "n_needed": None,
    "control": "",
    "note": "",
    "reference": 0.0,
}


def verdicts(*many: dict[str, Any]) -> Change:
    """Verdicts that differ from a genuine one in this."""
    return of("verdicts.json", json.dumps([VERDICT | one for one in many]))


VERDICTS: dict[str, Change] = {
    "ten thousand": verdicts(*({"claim": f"a.c{i}", "unit": f"u{i}"} for i in range(10_000))),
    "a thousand": verdicts(*({"claim": f"a.c{i}"} for i in range(1000))),
    "huge": verdicts({"effect": 1e308, "interval": [-1e308, 1e308]}),
    "a huge count": verdicts({"n": 10**400, "n_needed": 10**300}),
    "not a number": of("verdicts.json", json.dumps([VERDICT | {"effect": float("nan")}])),
    "without end": of("verdicts.json", json.dumps([VERDICT]).replace("1.0", "1e999", 1)),
    "a field twice": of("verdicts.json", json.dumps([VERDICT])[:-2] + ', "claim": "x"}]'),
    "deep": of("verdicts.json", "[" * 10**5),
    "deep inside": of("verdicts.json", json.dumps([VERDICT])[:-2] + ', "x": ' + '{"a":' * 900 + "1" + "}" * 900 + "}]"),
    "steers": verdicts({"statement": ESCAPE}),
    "turns": verdicts({"statement": BIDI, "claim": f"a.{BIDI}", "rule": "a\u2028b"}),
    "lines": verdicts({"claim": LINES, "unit": LINES}),
    "script": verdicts({"statement": "<script>alert(1)</script>", "claim": "a.<img src=x onerror=alert(1)>"}),
    "no UTF-8": of("verdicts.json", b'[{"claim": "\xff"}]'),
    "half a pair": of("verdicts.json", json.dumps([VERDICT]).replace('"s"', '"\\ud800"')),
    "millions": of("verdicts.json", "[" + "1," * 4_000_000 + "1]"),
}

FACTS = {"sha256": "0" * 64, "bytes": 5}
MANIFESTS: dict[str, Change] = {
    "deep": lambda place: place.put("manifest.json", '{"files":' * 10**5),
    "a list": lambda place: place.put("manifest.json", "[1]"),
    "no UTF-8": lambda place: place.put("manifest.json", b"\xff\xfe"),
    "a newer format": lambda place: place.put("manifest.json", '{"format": 99, "files": {}}'),
    "files that are a list": lambda place: place.put("manifest.json", '{"format": 2, "files": ["config.yaml"]}'),
    "large": lambda place: place.put("manifest.json", b" " * 2**21),
    "a field twice": lambda place: place.put(
        "manifest.json", b'{"format": 1,' + (place.run / "manifest.json").read_bytes()[1:]
    ),
    "out of the run": entry("../../../outside/secret", FACTS),
    "an absolute name": entry("/etc/hostname", FACTS),
    "a name with a NUL": entry("nul\0", FACTS),
    "a name of lines": entry(LINES, FACTS),
    "a name that steers": entry(ESCAPE + BIDI, FACTS),
    "a long name": entry("x" * 5000, FACTS),
    "no name": entry("", FACTS),
    "a file in a file": entry("config.yaml/x", FACTS),
    "a number of a file": entry("records.parquet", 7),
    "no checksum": entry("verdicts.json", {"bytes": 3}),
    "a checksum that is none": entry("verdicts.json", {"sha256": None, "bytes": True}),
    "a huge size": entry("verdicts.json", {"sha256": "0" * 64, "bytes": 10**299}),
    "many files": lambda place: [
        place.put(
            "manifest.json", run_directory.signed(place.manifest() | {"files": {f"f{i}": FACTS for i in range(5000)}})
        )
    ],
    "huge seconds": manifest(
        networks={"seconds": 1e308, "looking_seconds": -1e308, "trained": 10**299, "cached": True}
    ),
    "seconds without end": lambda place: place.put(
        "manifest.json", (place.run / "manifest.json").read_text().replace('"seconds": ', '"seconds": 1e999', 1)
    ),
    "words that steer": manifest(
        title=ESCAPE, question=BIDI, source=LINES, run=ESCAPE, experiment=BIDI, notes=[ESCAPE]
    ),
    "a command that steers": manifest(command=["python", LINES + ESCAPE, "'; rm -rf ~"]),
    "half a pair": manifest(title="\ud800"),
    "learned elsewhere": manifest(learned={"learned:../../../outside": "learned:data:x"}),
    "mirrored by nobody": manifest(mirrored={"a": 1}),
    "not rendered": manifest(rendered=False),
    "rules of another": manifest(rules=[["a", "b"]], id="0" * 12),
}

ENVIRONMENTS: dict[str, Change] = {
    "deep": of("environment.json", '{"a":' * 10**5),
    "deep enough": of("environment.json", '{"a":' * 400 + "1" + "}" * 400),
    "no number": of("environment.json", '{"a": NaN}'),
    "steers": of("environment.json", json.dumps({LINES: ESCAPE + BIDI})),
    "large": of("environment.json", json.dumps({"a": "x" * (17 * 2**20)})),
}


def _figures_elsewhere(place: Place) -> None:
    folder = place.outside / "figures"
    (place.run / "figures").rename(folder)
    place.link("figures", folder)


FOLDERS: dict[str, Change] = {
    "figures elsewhere": _figures_elsewhere,
    "figures elsewhere, not drawn": lambda place: [_figures_elsewhere(place), place.seal(rendered=False)],
    "a figures file": lambda place: place.put("figures", "x"),
    "a page of the root": lambda place: place.link("report.html", "/etc/passwd"),
    "code beside": lambda place: [
        place.put("yaml.py", CALL),
        place.put("sitecustomize.py", CALL),
        put(place.root / "json.py", CALL),
    ],
    "a picture not named": lambda place: place.put("figures/extra.svg", svg("<script>1</script>")),
    "an index not named": lambda place: [
        place.put(
            "manifest.json",
            run_directory.signed(
                place.manifest() | {"files": {n: f for n, f in place.manifest()["files"].items() if "figures" not in n}}
            ),
        )
    ],
}
