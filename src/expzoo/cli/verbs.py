"""What `expzoo VERB --help` says of each verb: usage, options, examples and exit codes."""

from __future__ import annotations

from dataclasses import dataclass

from expzoo.cli.arguments import VERBS
from expzoo.cli.catalogue import entry
from expzoo.config.registry import FOLDERS

_ONE, _OTHER = "outputs/wide/3f2a9c1b7d04", "outputs/wide/b4d51ea5e000"
_RUN = "the directory of a run: outputs/EXPERIMENT/ID"
_CONFIG_DIR = {"--config-dir, -cd DIR": "a folder of your own with experiment/NAME.yaml, model/NAME.yaml, ..."}
_BAD = "2 bad input"


@dataclass(frozen=True)
class Page:
    """How a verb is typed, what its words mean, examples of it, and what its exit code says."""

    usage: tuple[str, ...]
    words: dict[str, str]
    examples: dict[str, str]
    exit_codes: str


PAGES = {
    "list": Page(
        ("list [KIND]",),
        {"KIND": f"in the singular or the plural: experiments, {', '.join(FOLDERS.values())}", **_CONFIG_DIR},
        {"list": "everything", "list models": "one kind", "list experiments -cd ~/ideas": "yours among them"},
        f"0 done, {_BAD}: there is no such kind, or a plugin cannot be read",
    ),
    "show": Page(
        ("show NAME",),
        {"NAME": "an experiment, a plugin of any kind or a preset, as expzoo list names it", **_CONFIG_DIR},
        {"show lottery_ticket": "what it asks, its budgets and commands", "show mlp": "options, ranges and defaults"},
        f"0 done, {_BAD}: nothing is called so, or its file cannot be read",
    ),
    "report": Page(
        ("report DIRECTORY [DIRECTORY ...]",),
        {"DIRECTORY": f"{_RUN}; or of a sweep: outputs/EXPERIMENT/sweeps/ID"},
        {
            f"report {_ONE}": "its page, drawn if it is not yet there",
            "report outputs/wide/sweeps/81c0ffee1234": "lines or heat maps over what was swept",
        },
        f"0 done, 1 failed, {_BAD}: that is no run or sweep",
    ),
    "verify": Page(
        ("verify DIRECTORY [DIRECTORY ...]", "verify --published [DIRECTORY ...]"),
        {
            "DIRECTORY": _RUN,
            "--published": "claims beside what was published of them; of all runs in outputs, if none is given",
        },
        {
            f"verify {_ONE}": "how many files it has, and how many are damaged",
            "verify --published": "ours and theirs: agree, differ for a known reason, outside, or open",
        },
        f"0 every file is as it was, no claim lies outside; 1 one is not, or does; {_BAD}: that is no run",
    ),
    "rerun": Page(
        ("rerun DIRECTORY",),
        {"DIRECTORY": _RUN},
        {f"rerun {_ONE}": "train it again elsewhere, and compare the records"},
        f"0 equal records, 1 other records or failed, {_BAD}: that is no run, 75 interrupted",
    ),
    "compare": Page(
        ("compare DIRECTORY DIRECTORY [DIRECTORY ...]",),
        {"DIRECTORY": _RUN},
        {f"compare {_ONE} {_OTHER}": "the settings in which they differ, and each claim's verdicts"},
        f"0 done, {_BAD}: one of them is no run",
    ),
    "surface": Page(
        ("surface DIRECTORY [KEY]",),
        {
            "DIRECTORY": _RUN,
            "KEY": "the start of a network's key, of those that the run asks for first; else the first of them",
        },
        {
            f"surface {_ONE}": "two pictures, and how much of the way's variance the first one shows",
            f"surface {_ONE} 5d0c9e": "those of another network, whose key stands in the records",
        },
        f"0 done, {_BAD}: that is no run, or has no such network, 75 interrupted",
    ),
    "audit": Page(
        ("audit DIRECTORY [--fraction F] [--seed N]",),
        {
            "DIRECTORY": f"{_RUN}; of a sweep: outputs/EXPERIMENT/sweeps/ID; or a store: outputs/store",
            "--fraction F": "how many of its networks are trained again: above 0 and at most 1, if not given 0.1",
            "--seed N": "which of them: a whole number, if not given 0",
            "in every way": "alone, among strangers, in small populations, in reverse order, by 2 processes, "
            "killed and resumed, with other variables of threads",
        },
        {
            f"audit {_ONE}": "n/N equal for each way; the report and .json lie in outputs/audits",
            "audit outputs/store --fraction 0.02": "of every run beside the store; nothing is written into it",
        },
        f"0 every bit is equal, 1 one is not: the network and the step are said, {_BAD}, 75 interrupted",
    ),
    "gallery": Page(
        ("gallery [--budget B] [--only PATTERN] [--to DIRECTORY] [--processes N] [--small]",),
        {
            "--budget B": "smoke, laptop or paper; laptop if not given",
            "--only PATTERN": "the experiments that are called so, such as 'life_*'",
            "--to DIRECTORY": "where the site is written; outputs/gallery if not given",
            "--processes N": "how many experiments run at a time; one for each processor if not given",
            "--small": "no page for each experiment: the index, and of each verdicts and one picture of 60 kB at most",
        },
        {
            "gallery --budget smoke --only 'double_*'": "a few in a minute: open outputs/gallery/index.html",
            "gallery --small --to docs/gallery": "small enough to be committed",
        },
        f"0 done, {_BAD}, 3 some experiments have no result: the site says why, 75 interrupted: type it again",
    ),
    "wandb-report": Page(
        ("wandb-report DIRECTORY [--project P] [--entity E] [--publish]",),
        {
            "DIRECTORY": f"{_RUN}; of a sweep: outputs/EXPERIMENT/sweeps/ID; or of a gallery: outputs/gallery",
            "--project P": "the project that has the runs, by logger=wandb or wandb sync; expzoo if not given",
            "--entity E": "the user or team; the login's own if not given",
            "--publish": "not a draft, which only you see",
        },
        {
            f"wandb-report {_ONE}": "its address; typed again, the same report is made anew",
            "wandb-report outputs/gallery --publish": "all claims, for the project's readers",
        },
        f"0 done, 1 W&B did not take it, {_BAD}: that is no such directory, or wandb-workspaces is missing",
    ),
    "store": Page(
        ("store [DIRECTORY]",),
        {"DIRECTORY": "the store; outputs/store if none is given"},
        {"store": "how many networks, how large, what is corrupted, which activations were learned"},
        f"0 done, 1 a file is corrupted, {_BAD}: that is no store",
    ),
    "new": Page(
        ("new plugin KIND NAME", "new claim NAME"),
        {
            "KIND": ", ".join(FOLDERS),
            "NAME": "a lower-case identifier that nothing of its kind has yet",
        },
        {
            "new plugin model wave": "plugins/models/wave.py, found at once: expzoo show wave",
            "new claim wide": "conf/experiment/wide.yaml: expzoo +experiment=wide budget=smoke",
        },
        f"0 done, 1 it cannot be written, {_BAD}: there is no such kind, or the name cannot be had",
    ),
}


def verb_text(verb: str) -> str:
    """The text of `expzoo VERB --help`."""
    page = PAGES[verb]
    examples = {f"expzoo {words}": what for words, what in page.examples.items()}
    lines = [VERBS[verb][:1].upper() + VERBS[verb][1:] + ".", ""]
    lines += [f"{'usage:' if not number else '':<7}expzoo {words}" for number, words in enumerate(page.usage)]
    for title, rows in (("options", page.words | {"--help, -h": "this text"}), ("examples", examples)):
        width = max(map(len, rows)) + 1
        lines += ["", f"{title}:", *(line for name, what in rows.items() for line in entry(name, what, width))]
    return "\n".join([*lines, "", f"exit codes: {page.exit_codes}"])
