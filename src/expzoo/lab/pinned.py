"""Plugins of others that answer for their source by a version: when the source changes and the version does not."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from expzoo.config import registry, sources
from expzoo.store import seen_sources
from expzoo.system.console import say


def say_changes(root: Path, plugins: Iterable[tuple[str, str]]) -> None:
    """A line, once, for each of these plugins whose source is another than the store at `root` saw last.

    What is stored under the version that it still declares is used as before.
    """
    for kind, name in dict.fromkeys(plugins) if sources.there_are_others() else ():
        if registry.is_own(kind, name) or sources.answers_by_source(kind, name):
            continue
        declared = registry.declared(kind, name)
        promise = "RULES_VERSION" if "RULES_VERSION" in declared.says else "CACHE_VERSION"
        version = declared.rules_version if promise == "RULES_VERSION" else declared.version
        found = sources.fingerprint(kind, name)
        if seen_sources.last(root, kind, name, version) not in ("", found):
            todo = "judge" if kind == "analysis" else "train" if kind in registry.KINDS else "measure"
            say(
                f"{registry.chosen_by(kind)}={name} has another source than before but still {promise} = {version}: "
                f"earlier results are used; raise {promise} to {todo} again",
                file=sys.stderr,
            )
        seen_sources.note(root, kind, name, version, found)
