"""What the tab key offers: verbs, what follows them, flags and their values; keys and options are left to Hydra.

A shell offers files where nothing else is offered, which is what the verbs that read runs want.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from expzoo.cli.arguments import CONFIG_DIR, FLAGS, LONG, VALUES, VERBS, Words, verb_place
from expzoo.cli.scaffold import THINGS
from expzoo.config.presets import all_listed, groups
from expzoo.config.registry import FOLDERS

_PROGRAM = re.compile(r"\s*(?:\S*python[\d.]*\s+(?:-m\s+)?)?\S+\s*")


def answer(line: str) -> tuple[list[str], str | None, str | None]:
    """What to offer for the last word of `line`, the line that Hydra is to look at, and the folder of --config-dir.

    The line is None where Hydra has nothing to say.
    """
    program = _PROGRAM.match(line)
    typed = line[program.end() :] if program else ""
    words = typed.split()
    word = words.pop() if words and not typed[-1].isspace() else ""
    before = Words.of(words)
    offered, folder = _offered(before, words, word), before.config_dir
    own = sorted(name for name in {*offered} if name.startswith(word))
    for_hydra = not before.verb and not word.startswith("-") and not _is_value(words)
    rest = " ".join(["expzoo", *before.for_hydra, word])
    return own, rest if for_hydra else None, str(folder) if folder else None


def _offered(before: Words, words: list[str], word: str) -> Iterable[str]:
    """What may stand after these words, but for keys and options; flags only where one is begun."""
    if _is_value(words):
        return VALUES.get(_flag(words[-1]), ())
    if before.verb:
        return ("--help",) if word.startswith("-") else _after(before.verb, *before.rest)
    if word.startswith("-"):
        return FLAGS
    return () if verb_place([*words, *VERBS]) is None else VERBS


def _after(verb: str, *words: str) -> Iterable[str]:
    names = all_listed()
    match verb, words:
        case "list", ():
            return (*(FOLDERS.get(group, f"{group}s") for group in {*groups(), *FOLDERS}),)
        case "show", ():
            return {name for group in names for name in names[group]}
        case "new", ():
            return THINGS
        case "new", ("plugin",):
            return FOLDERS
    return ()


def _flag(word: str) -> str:
    return LONG.get(word, word)


def _is_value(words: list[str]) -> bool:
    """Whether the next word is the value of a flag."""
    return bool(words) and (_flag(words[-1]) in VALUES or _flag(words[-1]) == CONFIG_DIR)
