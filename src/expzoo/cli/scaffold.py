"""`expzoo new`: small plugins of every kind and a claim, that work as they are written and are then changed."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from expzoo.config.presets import options
from expzoo.config.registry import FOLDERS, LOOKED_UP, WORDS_OF_YAML, chosen_by
from expzoo.system.console import say
from expzoo.system.errors import BadInput, nearest

THINGS = ("plugin", "claim")

_SCAFFOLDS = Path(__file__).parent / "scaffolds"
_USAGE = "usage: expzoo new plugin KIND NAME, or expzoo new claim NAME"


def main(arguments: list[str]) -> int:
    """Write the file that is asked for and say what to type next; BadInput, with all that is wrong, if it cannot be."""
    match arguments:
        case ["plugin", kind, name]:
            faults = [] if kind in FOLDERS else [f"there is no kind of plugin called {kind}: {nearest(kind, FOLDERS)}"]
            file = Path("plugins", FOLDERS.get(kind, kind), f"{name}.py")
            _write(file, kind, name, faults + _name_faults(kind, name, file))
            say(f"{file} is written; next: expzoo show {name}")
        case ["claim", name]:
            file = Path("conf", "experiment", f"{name}.yaml")
            _write(file, "claim", name, _name_faults("experiment", name, file))
            say(f"{file} is written; next: expzoo +experiment={name} budget=smoke")
        case [thing, *_] if thing not in THINGS:
            raise BadInput(f"there is no new {thing}: {nearest(thing, THINGS)}; {_USAGE}")
        case _:
            raise BadInput(_USAGE)
    return 0


def _name_faults(kind: str, name: str, file: Path) -> list[str]:
    """Why nothing of this kind can be called `name` in this file."""
    if not name.isidentifier() or not name.isascii() or name != name.lower() or name.startswith("_"):
        return [f"{name!r} is no name: write a lower-case identifier, such as my_idea"]
    if keyword.iskeyword(name) or name in WORDS_OF_YAML:
        return [f"{name!r} is no name: it is a word of Python or of YAML"]
    if file.exists() or file.is_symlink():
        return [f"{file} is there already: choose another name, or remove it"]
    for other in LOOKED_UP if kind in LOOKED_UP else (kind,):  # an analysis asks for both kinds by the name alone
        if name in options(other):
            return [f"there is {chosen_by(other)}={name} already (expzoo show {name}): choose another name"]
    return []


def _write(file: Path, scaffold: str, name: str, faults: list[str]) -> None:
    if faults:
        raise BadInput("\n".join(faults))
    content = text(scaffold, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as made:  # never over a file that has come about since
        made.write(content)


def text(scaffold: str, name: str) -> str:
    """The file of a plugin of this kind, or of a claim, that is called `name`."""
    plain = (_SCAFFOLDS / f"{scaffold}.txt").read_text(encoding="utf-8")
    camel = "".join(part.capitalize() for part in name.split("_"))
    if re.search(rf"\b{camel}\b", plain):  # it would hide what the file imports under this name
        camel += scaffold.capitalize()
    return plain.replace("CamelName", camel).replace("snake_name", name)
