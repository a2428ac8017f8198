"""The source that each of the package's own plugins had when its CACHE_VERSION was last thought about.

    python -m tests.golden.sources

writes them anew, which says: the numbers of those that changed are what they were, or their CACHE_VERSION was raised.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from expzoo.config import registry
from expzoo.config.homes import HOME
from expzoo.config.source_files import of_plugin, source

PINNED = Path(__file__).with_suffix(".json")
COMPONENTS = HOME / "src" / "expzoo" / "components"

Pins = dict[str, tuple[int, str]]


def today() -> Pins:
    """The version and 16 digits of the source of every own plugin, and of every file that plugins are made from."""
    found: Pins = {}
    for kind in (*registry.KINDS, *registry.LOOKED_UP):
        for name in filter(lambda name: registry.is_own(kind, name), registry.available(kind)):
            digests = sorted(source.digest for source in of_plugin(registry.path(kind, name)))
            found[f"{kind}={name}"] = registry.declared(kind, name).version, _short("\n".join(digests))
    for file in sorted(COMPONENTS.glob("[!_]*.py")):
        found[f"components/{file.name}"] = 1, _short(source(file).digest)
    return dict(sorted(found.items()))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


if __name__ == "__main__":
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(pin)}" for name, pin in today().items())
    PINNED.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
