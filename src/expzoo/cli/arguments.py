"""The words of a command line, sorted into verb, flags and overrides; nothing of Hydra is needed for that."""

from __future__ import annotations

from dataclasses import dataclass, field

from expzoo.config.presets import options
from expzoo.config.registry import KINDS
from expzoo.config.settings import SETTINGS
from expzoo.system.errors import closest, nearest

VERBS = {
    "list": "what there is, of one kind or of all",
    "show": "one experiment or plugin: what it asks or does, its options, ranges and defaults",
    "report": "the report of a run, or of all runs of a sweep over what was swept",
    "verify": "check the results of a run against their checksums",
    "rerun": "run the config of a finished run again",
    "compare": "the verdicts of several runs side by side",
    "store": "what the store of trained networks holds, with the names of learned activations",
}
"""Every verb, and what it does."""

FLAGS = {
    "--help": "-h",
    "--version": "",
    "--multirun": "-m",
    "--run": "-r",
    "--cfg": "-c",
    "--resolve": "",
    "--package": "-p",
    "--info": "-i",
    "--hydra-help": "",
    "--shell-completion": "-sc",
}
"""Every flag with its short form. Hydra's others would read pickles or another set of configs."""

_VALUES = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "--package": (*KINDS, *SETTINGS, "hydra", "_global_"),
}
"""The flags that a value follows, and what it may be."""

_LONG = {short: flag for flag, short in FLAGS.items() if short}


@dataclass
class Words:
    """What is asked of the program, and what is wrong with the words alone."""

    verb: str = ""
    flags: set[str] = field(default_factory=set)
    overrides: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, arguments: list[str]) -> Words:
        """The words of `arguments`: a verb comes first, and the rest is its own."""
        if arguments and arguments[0] in VERBS:
            return cls(verb=arguments[0], flags={"--help"} & {_LONG.get(word, word) for word in arguments})
        words, remaining = cls(), list(arguments)
        while remaining:
            word = remaining.pop(0)
            if word.startswith("-"):
                words._add_flag(word, remaining)
            elif "=" in word[1:] or word.startswith("~"):
                words.overrides.append(word)
            else:
                words.faults.append(_stray(word))
        return words

    def _add_flag(self, word: str, remaining: list[str]) -> None:
        name, equals, value = word.partition("=")
        flag = _LONG.get(name, name)
        follows = bool(remaining) and "=" not in remaining[0] and not remaining[0].startswith(("-", "~"))
        if not equals and follows and (flag in _VALUES or flag not in FLAGS):
            value = remaining.pop(0)
        if flag not in FLAGS:
            self.faults.append(f"{name} is not a flag: {nearest(name, FLAGS)}")
        elif flag in _VALUES and value.partition(".")[0] not in _VALUES[flag]:
            hint = nearest(value.partition(".")[0], _VALUES[flag])
            self.faults.append(f"{name} {value}: {hint}" if value else f"{name} needs a value: {hint}")
        self.flags.add(flag)


def _stray(word: str) -> str:
    """What to say about a word that is neither a flag nor key=value, nor a verb in the first place."""
    if word in VERBS:
        return f"{word} has to be the first word"
    experiment = closest(word, options("experiment"))
    if experiment and not closest(word, VERBS):
        return f"{word} is not key=value: did you mean +experiment={experiment}?"
    return f"{word} is neither key=value nor a verb: {nearest(word, VERBS)}"
