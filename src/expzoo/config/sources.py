"""The source of plugins that are not the package's own: a result belongs to the code that computed it.

A plugin of somebody else that declares no CACHE_VERSION has its source in every key and run id, with what it imports
of its own and with the plugins that it, or a setting, names. One that declares a version answers for itself. The
package's own answer by theirs, which tests/golden/sources.json holds them to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from expzoo.config import registry
from expzoo.config.homes import OWN, homes
from expzoo.config.source_files import of_plugin, words

VERSIONS = ("CACHE_VERSION", "RULES_VERSION")
"""What a plugin declares that answers for its own source; of these an analysis may have the second."""

Plugin = tuple[str, str]


def in_key(kind: str, name: str, options: object = ()) -> str:
    """16 hexadecimal digits of the sources that a plugin with these options is computed by, empty if versions tell.

    Editing any of them gives another text, but for comments, docstrings, annotations and layout.
    """
    if not there_are_others():
        return ""
    start = [(kind, name)] if answers_by_source(kind, name) else []
    return _digest(_walk([*start, *_named(words(options))]))


def of_config(plugins: Iterable[Plugin], config: object) -> str:
    """As `in_key`, for several plugins and all that a config names; empty unless one of them answers by its source."""
    if not there_are_others():
        return ""
    concerned = [plugin for plugin in [*plugins, *_named(words(config))] if answers_by_source(*plugin)]
    return _digest(_walk(concerned))


def fingerprint(kind: str, name: str) -> str:
    """16 hexadecimal digits of a plugin's own source and of what that reaches, whatever the plugin declares."""
    digests, named = _files_of((kind, name))
    return _digest(digests | _walk(named))


def answers_by_source(kind: str, name: str) -> bool:
    """Whether a plugin is somebody else's and declares no version."""
    if registry.is_own(kind, name):
        return False
    says = registry.declared(kind, name).says
    return not any(version in says for version in VERSIONS)


def _walk(start: Iterable[Plugin]) -> set[str]:
    """What answers for these plugins and for all that they name: sources and versions."""
    found, waiting, seen = set[str](), [*start], set[Plugin]()
    while waiting:
        if (plugin := waiting.pop()) in seen:
            continue
        seen.add(plugin)
        if answers_by_source(*plugin):
            digests, named = _files_of(plugin)
            found |= digests
            waiting += named
        elif (version := registry.declared(*plugin).version) > 1:
            found.add(f"{plugin[0]}={plugin[1]} {version}")
    return found


def _files_of(plugin: Plugin) -> tuple[set[str], list[Plugin]]:
    """The digests of a plugin's file and of its imports, and the plugins that their texts name."""
    found = of_plugin(registry.path(*plugin))
    return {source.digest for source in found}, _named(word for source in found for word in source.words)


def _named(texts: Iterable[str]) -> list[Plugin]:
    """The plugins of all kinds that are called by one of these words."""
    mentioned = frozenset(texts)
    return [(kind, name) for kind, known in registry.index().items() for name in mentioned & known.keys()]


def there_are_others() -> bool:
    """Whether there are plugins that are not the package's own."""
    return any(home.owner != OWN and home.plugins and home.plugins.is_dir() for home in homes())


def _digest(found: set[str]) -> str:
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()[:16] if found else ""
