"""The words after a verb: its options with their values, and the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from expzoo.system.errors import nearest
from expzoo.system.untrusted import quoted

FLAG = ""
"""The default of an option that takes no value."""


def sort_words(
    verb: str, arguments: Sequence[str], options: Mapping[str, str]
) -> tuple[dict[str, str], list[str], list[str]]:
    """Of each option its value or default, the words that are none, and what is wrong; a flag that is set is itself."""
    words, faults = list(arguments), list[str]()
    given, rest = dict(options), list[str]()
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            rest.append(word)
        elif name not in options:
            faults.append(f"{quoted(name)} is no option of expzoo {verb}: {nearest(name, options)}")
        elif options[name] == FLAG:
            given[name] = name
            faults += [f"{name} takes no value, not {quoted(value, 40)}"] if equals else []
        elif equals or words:
            given[name] = value if equals else words.pop(0)
        else:
            faults.append(f"{name} needs a value, such as {options[name]}")
    return given, rest, faults
