"""What there is: the texts of `expzoo --help`, `expzoo list` and `expzoo show`. No plugin is imported for them."""

from __future__ import annotations

import re
import shlex
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from expzoo.cli import claimed, natures
from expzoo.cli.arguments import FLAGS, VERBS
from expzoo.config.homes import homes, looked_at_once, typed_folder
from expzoo.config.options import REQUIRED, Option, describe, show
from expzoo.config.presets import all_listed, content, groups, listed, options, source_text, variants, yaml_file
from expzoo.config.registry import (
    FOLDERS,
    LOOKED_UP,
    OF_HYDRA,
    available,
    chosen_by,
    declared,
    node,
    path,
)
from expzoo.config.settings import BUDGETS, SETTINGS
from expzoo.system.canonical import leaves
from expzoo.system.console import printable, say
from expzoo.system.errors import BadInput, nearest

LINE = 120  # the longest line of the help
MAX_TITLE = 200  # characters that a list shows of one
TIMED_ON = "(on an AMD EPYC with AVX-512)"

_USAGE = """\
Tests empirical claims about deep learning: statistics, figures and a verdict for each.

usage: expzoo +experiment=NAME [group=option ...] [key=value ...]
       expzoo -m +experiment=NAME key=value1,value2     one run for each value
       expzoo VERB [...]                              expzoo VERB --help says more

examples:
  expzoo +experiment=lottery_ticket                     minutes on a laptop
  expzoo +experiment=lottery_ticket budget=smoke        seconds
  expzoo +experiment=lottery_ticket dry_run=true        what it would train, and for how long
  expzoo -m +experiment=lottery_ticket model.width=50,100
  expzoo show lottery_ticket                            its question, source, cost, options and defaults
"""

_FLAG_TEXTS = {
    "--help": "this text",
    "--version": "the version of expzoo",
    "--multirun": "run every combination of the values that commas separate",
    "--run": "run one job (the default)",
    "--config-dir": "a folder of your own beside conf/: experiment/NAME.yaml, model/NAME.yaml, ...",
    "--cfg": "print the config instead of running it: job, hydra or all",
    "--resolve": "with --cfg: the values that interpolations give",
    "--package": "with --cfg: only this part of the config",
    "--info": "how Hydra found the config: all, or searchpath, defaults, plugins, ...",
    "--hydra-help": "Hydra's own flags",
    "--shell-completion": 'completion with the tab key: eval "$(expzoo -sc install=bash)"',
}

_EXIT_CODES = "exit codes: 0 done, 1 failed, 2 bad input, 3 some of several jobs failed, 75 interrupted (type it again)"


@looked_at_once()
def main(verb: str, arguments: list[str]) -> int:
    """`expzoo list [kind]`, `list --fits ...` or `show NAME`: 0, or 2 if a plugin to be listed cannot be read."""
    if verb == "show":
        if len(arguments) != 1:
            raise BadInput("say what to show: expzoo show NAME, where expzoo list says the names")
        say("\n".join(_shown(arguments[0])))
        return 0
    if arguments[:1] == ["--fits"]:
        return _print_what_fits(arguments[1:])
    if len(arguments) > 1:
        raise BadInput(
            "say one kind, or what it must fit: expzoo list [KIND], expzoo list --fits dataset=NAME [model=NAME]"
        )
    faults = []
    for group in [_group(arguments[0])] if arguments else _listed():
        rows = [_row(group, name, faults) for name in listed(group)]
        _print_table(_plural(group), rows)
    say(*faults, sep="\n", end="\n" if faults else "", file=sys.stderr)
    return 2 if faults else 0


def _print_what_fits(overrides: list[str]) -> int:
    """What can be put together with these choices."""
    from expzoo.runs.fits import fitting

    if not any(word.startswith("dataset=") for word in overrides) or any(word.startswith("-") for word in overrides):
        raise BadInput("say what it must fit: expzoo list --fits dataset=NAME [model=NAME] [key=value ...]")
    found, faults = fitting(overrides), list[str]()
    for group, names in found.items():
        _print_table(f"{_plural(group)} that fit {' '.join(overrides)}", [_row(group, name, faults) for name in names])
    return 0


def help_text() -> str:
    """The text of `expzoo --help`."""
    width = max(map(len, FLAGS)) + 6
    settings = [(key, _meaning(option)) for key, option in leaves(SETTINGS) if not key.startswith("about")]
    flags = [(", ".join(filter(None, (short, flag))), _FLAG_TEXTS[flag]) for flag, short in FLAGS.items()]
    names = all_listed()
    sections = {
        "choices (group=option)": [
            (chosen_by(group), " ".join(names[group])) for group in _listed() if group not in LOOKED_UP
        ],
        "settings (key=value)": settings,
        "verbs": list(VERBS.items()),
        "flags": flags,
    }
    lines = [_USAGE]
    for title, rows in sections.items():
        lines += [f"{title}:", *(line for name, text in rows for line in entry(name, text, width)), ""]
    return "\n".join([*lines, _EXIT_CODES])


def entry(name: str, text: str, width: int) -> list[str]:
    """A name and what is said of it, in lines that fit; a word of it is never cut."""
    lines = textwrap.wrap(text, LINE - width - 3, break_long_words=False, break_on_hyphens=False) or [""]
    return [
        f"  {first:<{width}} {line}".rstrip() for first, line in zip([name, *[""] * len(lines)], lines, strict=False)
    ]


def _listed() -> list[str]:
    """The groups in the order of a config, experiments first, then what is looked up, and what runs a multirun last."""
    known = [*groups(), *LOOKED_UP, *OF_HYDRA]
    return sorted(known, key=lambda group: (group != "experiment", [*FOLDERS, group].index(group)))


def _plural(group: str) -> str:
    return FOLDERS.get(group, f"{group}s")


def _group(word: str) -> str:
    """The group called `word`, in the singular or the plural."""
    names = {name: group for group in _listed() for name in (group, _plural(group))}
    if word not in names:
        raise BadInput(f"there is no kind called {word}: {nearest(word, names)}")
    return names[word]


def _row(group: str, name: str, faults: list[str]) -> tuple[str, str]:
    """The name and one line on it; a plugin that cannot be read is still listed."""
    if not _is_plugin(group, name):
        return name, _about(yaml_file(group, name), faults)
    try:
        return name, declared(group, name).summary
    except BadInput as error:
        faults.append(str(error))
        return name, "(cannot be read)"


def _is_plugin(group: str, name: str) -> bool:
    return group in FOLDERS and name in available(group)


def _about(file: Path, faults: list[str]) -> str:
    """The title of an experiment, or the first comment of a preset."""
    try:
        held, text = content(file), source_text(file)
    except (BadInput, OSError) as error:
        faults.append(str(error))
        return "(cannot be read)"
    about = held.get("about") if isinstance(held, dict) else None
    title = about.get("title") if isinstance(about, dict) else None
    comments = [line.lstrip("# ") for line in text.splitlines() if line.startswith("# ")]
    told = str(title or next((comment for comment in comments if not comment.startswith("@")), ""))
    return told if len(told) <= MAX_TITLE else f"{told[:MAX_TITLE]}..."


def _print_table(title: str, rows: Iterable[tuple[str, str]]) -> None:
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(title=title, title_justify="left", show_header=False)
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        Console().print(table)
    else:
        wide = max(20, *(len(name) for name, _ in rows))
        say(f"{title}:", *(f"  {name:<{wide}} {text}".rstrip() for name, text in rows), "", sep="\n")


def _meaning(option: Option) -> str:
    return f"{describe(option.kind)} ({_default(option)})"


def _default(option: Option) -> str:
    return "(required)" if option.default == REQUIRED else show(option.default)


def _shown(name: str) -> Iterator[str]:
    """The lines of `expzoo show NAME`, for everything that has this name."""
    names = all_listed()
    found = [group for group in _listed() if name in names[group]]
    if not found:
        known = {known for group in _listed() for known in options(group)}
        raise BadInput(f"there is nothing called {name}: {nearest(name, known)}")
    for group in found:
        yield from _plugin(group, name) if _is_plugin(group, name) else _combination(group, name)


def _plugin(kind: str, name: str) -> Iterator[str]:
    plugin = declared(kind, name)
    yield f"{chosen_by(kind)}={name}  ({path(kind, name)})"
    yield f"\n{plugin.doc.partition('Args:')[0].strip()}\n"
    if said := list(natures.lines(kind, name)):
        yield from [*said, ""]
    yield from _option_lines(kind, name, {key: _default(option) for key, option in plugin.options.items()})
    yield ""


def _option_lines(kind: str, name: str, values: dict[str, str]) -> Iterator[str]:
    """One line an option: its value, what it may be, and what it is."""
    plugin = declared(kind, name)
    texts = plugin.explanations()
    for key, option in plugin.options.items():
        setting = f"{node(kind, name)}.{key}={values[key]}"
        yield f"  {setting:<40} {describe(option.kind)}" + (f"; {texts[key]}" if key in texts else "")


def _combination(group: str, name: str) -> Iterator[str]:
    """An experiment or a preset: what it is about, and what it makes of the config at each budget."""
    from expzoo.config import check as faults
    from expzoo.config import identity

    override = f"+experiment={name}" if group == "experiment" else f"{group}={name}"
    composed = [faults.resolved([override, f"budget={budget}"]) for budget in BUDGETS]
    values = _differing([dict(leaves(config)) | _mappings(config) for config in composed])
    yield f"{group}={name}  ({yaml_file(group, name)})\n"
    about = composed[BUDGETS.index("laptop")]["about"]
    if group == "experiment":
        timed = f" {TIMED_ON}" if homes()[0].conf in yaml_file(group, name).parents else ""
        told = {key: text + timed * (key == "cost") for key, text in about.items() if text and key != "experiment"}
        yield from (f"{key:<10}{text}" for key, text in told.items())
        program = shlex.join(["expzoo", *typed_folder()])
        yield f"{'command':<10}{program} {override}"
        yield from (f"{'':<10}{words}" for words in _commands(yaml_file(group, name), f"expzoo {override}"))
        yield from (f"{'':<10}{program} +experiment={variant}" for variant in variants(name))
        yield ""
    yield f"({' | '.join(BUDGETS)} where the budgets differ)"
    for kind, plugin in identity.chosen(composed[0]):
        if group in (kind, "experiment"):
            yield f"{kind}={plugin}: {declared(kind, plugin).summary}"
            where = f"{node(kind, plugin)}."
            own = {key.removeprefix(where): text for key, text in values.items() if key.startswith(where)}
            yield from _option_lines(kind, plugin, own)
    if group == "experiment":
        yield from claimed.rules(composed[BUDGETS.index("laptop")])
        yield from claimed.out_of_reach(composed)
        yield "settings:"
        yield from (f"  {key}={values[key]}" for key, _ in leaves(SETTINGS) if not key.startswith(("about", "budget")))
    yield ""


def _mappings(config: dict[str, Any]) -> dict[str, str]:
    """The options of analyses that are mappings, by the names that they hold."""
    return {
        f"analysis.{name}.{key}": f"{{{', '.join(value)}}}"
        for name, own in config["analysis"].items()
        for key, value in own.items()
        if isinstance(value, dict)
    }


def _commands(file: Path, known: str) -> Iterator[str]:
    """What the head of an experiment's file shows to type besides the command that is known, each in one line."""
    head = re.sub(r"\\\n# *", "", source_text(file))
    shown = re.findall(r"^#   python -m (expzoo .*)$", head, re.MULTILINE)
    return (words for words in shown if words != known)


def _differing(tables: list[dict[str, Any]]) -> dict[str, str]:
    """Each key's value, or its values at the three budgets where they differ."""
    shown = {key: [show(table.get(key)) for table in tables] for key in tables[0]}
    return {key: values[0] if len(set(values)) == 1 else " | ".join(values) for key, values in shown.items()}
