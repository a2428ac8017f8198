"""A changed source of the package's own plugins is somebody's decision: their networks are trained again, or not."""

from __future__ import annotations

import json

from tests.golden.sources import PINNED, today


def test_a_changed_source_was_decided_upon() -> None:
    pinned = {name: tuple(pin) for name, pin in json.loads(PINNED.read_text(encoding="utf-8")).items()}
    found = today()
    changed = [name for name in found | pinned if found.get(name) != pinned.get(name)]
    told = "raise CACHE_VERSION where numbers change, then: python -m tests.golden.sources"
    assert not changed, f"{', '.join(changed)}: the source is another than {PINNED.name} has; {told}"
