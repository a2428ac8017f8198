"""The words of a command line, sorted into verb, flags and overrides; nothing of Hydra is needed for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from expzoo.config.homes import config_dir_fault
from expzoo.config.presets import options
from expzoo.config.registry import KINDS, spelled
from expzoo.config.settings import SETTINGS
from expzoo.system.errors import closest, nearest

VERBS = {
    "list": "what there is, of one kind or of all",
    "show": "one experiment or plugin: what it asks or does, its options, ranges and defaults",
    "report": "the report of a run, or of all runs of a sweep over what was swept",
    "verify": "check the results of a run against their checksums",
    "rerun": "run the config of a finished run again",
    "compare": "the verdicts of several runs side by side",
    "surface": "the loss along the way of a network of a run, and around it in random directions",
    "audit": "train a sample of stored networks again in other ways, and compare every bit",
    "gallery": "run every experiment that is not yet finished, and write one site of all claims",
    "wandb-report": "a W&B Report of a run, a sweep or a gallery, as a draft; made again, it is the same one",
    "store": "what the store of trained networks holds, with the names of learned activations",
    "new": "write a plugin, or an experiment with a claim of two arms, that works and can be changed",
}
"""Every verb, and what it does."""

FLAGS = {
    "--help": "-h",
    "--version": "",
    "--multirun": "-m",
    "--run": "-r",
    "--config-dir": "-cd",
    "--cfg": "-c",
    "--resolve": "",
    "--package": "-p",
    "--info": "-i",
    "--hydra-help": "",
    "--shell-completion": "-sc",
}
"""Every flag with its short form. Hydra's others would read pickles or another set of configs."""

CONFIG_DIR = "--config-dir"

VALUES = {
    "--cfg": ("job", "hydra", "all"),
    "--info": ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath"),
    "--package": (*KINDS, *SETTINGS, "hydra", "_global_"),
}
"""The flags that one of a few values follows, and what it may be."""

_UNSAID = {"--info": "all"}
"""The flags that need not be given their value, and what it is then."""

_ANSWERED = {"--help", "--version", "--cfg", "--info", "--hydra-help", "--shell-completion"}
"""The flags with which nothing is run."""

_OF_VERBS = ("--help", CONFIG_DIR)
"""The flags that may stand before a verb, too."""

_OF_PLACES = ("list", "show")
"""The verbs that --config-dir has a meaning for."""

LONG = {short: flag for flag, short in FLAGS.items() if short}


@dataclass
class Words:
    """What is asked of the program, and what is wrong with the words alone.

    `rest` are the words after a verb; `for_hydra` those of a run as Hydra is to read them.
    """

    verb: str = ""
    flags: set[str] = field(default_factory=set)
    overrides: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    for_hydra: list[str] = field(default_factory=list)
    config_dir: Path | None = None

    @classmethod
    def of(cls, arguments: list[str]) -> Words:
        """The words of `arguments`: a verb comes first, but for flags of all verbs, and the rest is its own."""
        place = verb_place(arguments)
        if place is not None:
            return cls._of_verb(arguments[place], *arguments[:place], *arguments[place + 1 :])
        words, remaining = cls(), list(arguments)
        while remaining:
            word = remaining.pop(0)
            if word.startswith("-"):
                words._add_flag(word, remaining)
            elif "=" in word[1:] or word.startswith("~"):
                words.overrides.append(spelled(word))
                words.for_hydra.append(spelled(word))
            else:
                words.faults.append(_stray(word))
        return words

    @classmethod
    def _of_verb(cls, verb: str, *arguments: str) -> Words:
        words, remaining = cls(verb=verb), list(arguments)
        while remaining:
            word = remaining.pop(0)
            name = word.partition("=")[0]
            if LONG.get(word, word) == "--help":
                words.flags.add("--help")
            elif verb in _OF_PLACES and LONG.get(name, name) == CONFIG_DIR:
                words._add_config_dir(word, remaining)
            else:
                words.rest.append(word)
        return words

    @property
    def is_bare(self) -> bool:
        """Whether a run is asked for, and nothing is said about it."""
        return not (self.verb or self.overrides or self.faults or self.flags & _ANSWERED)

    def _add_config_dir(self, word: str, remaining: list[str]) -> None:
        name, equals, value = word.partition("=")
        if not equals and remaining and not remaining[0].startswith("-"):
            value = remaining.pop(0)
        if not value:
            self.faults.append(
                f"{name} needs a value: the folder that holds experiment/NAME.yaml, model/NAME.yaml, ..."
            )
        elif self.config_dir:
            self.faults.append(f"{name} {value}: there is one {CONFIG_DIR}, and it is {self.config_dir}")
        else:
            self.config_dir = Path(value).expanduser().absolute()
            self.faults += filter(None, [config_dir_fault(self.config_dir)])
        self.flags.add(CONFIG_DIR)

    def _add_flag(self, word: str, remaining: list[str]) -> None:
        name, equals, value = word.partition("=")
        flag = LONG.get(name, name)
        if flag == CONFIG_DIR:
            self._add_config_dir(word, remaining)
            return
        follows = bool(remaining) and "=" not in remaining[0] and not remaining[0].startswith(("-", "~"))
        if not equals and follows and (flag in VALUES or flag not in FLAGS):
            value = remaining.pop(0)
        value = value or _UNSAID.get(flag, "")
        self.for_hydra += [flag, *filter(None, [value])]
        if flag not in FLAGS:
            self.faults.append(f"{name} is not a flag: {nearest(name, FLAGS)}")
        elif flag in VALUES and value.partition(".")[0] not in VALUES[flag]:
            hint = nearest(value.partition(".")[0], VALUES[flag])
            self.faults.append(f"{name} {value}: {hint}" if value else f"{name} needs a value: {hint}")
        self.flags.add(flag)


def verb_place(arguments: Sequence[str]) -> int | None:
    """Where the verb stands, which flags of all verbs may come before; None if there is none."""
    place = 0
    while place < len(arguments):
        name, equals, _ = arguments[place].partition("=")
        if arguments[place] in VERBS:
            return place
        if LONG.get(name, name) not in _OF_VERBS:
            return None
        place += 1 + (LONG.get(name, name) == CONFIG_DIR and not equals)
    return None


def _stray(word: str) -> str:
    """What to say about a word that is neither a flag nor key=value, nor a verb in the first place."""
    if word in VERBS:
        return f"{word} has to be the first word"
    experiment = closest(word, options("experiment"))
    if experiment and not closest(word, VERBS):
        return f"{word} is not key=value: did you mean +experiment={experiment}?"
    return f"{word} is neither key=value nor a verb: {nearest(word, VERBS)}"
