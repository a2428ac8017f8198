"""What a finished run asked for: its analyses ask again, and are answered from a copy of what is stored."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from expzoo.config.check import typed_again
from expzoo.lab.lab import Lab
from expzoo.lab.learned import resolved, wholes
from expzoo.lab.lesson import Lessons
from expzoo.lab.lockstep import lockstep
from expzoo.lab.lookup import Lookup
from expzoo.lab.request import Request, Want, expand
from expzoo.runs import results, robustness
from expzoo.runs.plan import plan
from expzoo.store import records, run_directory
from expzoo.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable

    from expzoo.runs.audit.places import Runs
    from expzoo.system.canonical import Config


@dataclass
class Asked:
    """What runs want of each network, and what came of asking again.

    `measured` are the runs whose records were measured again from stored networks, those in `other`
    with another result; `lacking` counts the networks that are not in the store, or not all of what
    is wanted of them, and `lessons` what outer loops learned, which is not trained again.
    """

    wants: dict[str, Want] = field(default_factory=dict)
    measured: list[Path] = field(default_factory=list)
    other: list[Path] = field(default_factory=list)
    lacking: set[str] = field(default_factory=set)
    lessons: set[str] = field(default_factory=set)

    def add(self, wants: dict[str, Want]) -> None:
        """Something more is wanted, perhaps of the same networks."""
        for key, want in wants.items():
            known = self.wants.setdefault(key, Want(want.spec))
            known.steps |= want.steps
            known.measures |= want.measures
            known.events |= want.events


def ask_again(runs: Runs, root: Path, scratch: Path, machine: str) -> Asked:
    """Everything that these runs want of the networks in the store at `root`, which is only read."""
    asked = Asked()
    for directory, config in runs.items():
        _ask(directory, config, root, Lab(Store(scratch, machine)), asked)
    return asked


def copy(keys: Iterable[str], root: Path, scratch: Path) -> None:
    """Put what a store has of these networks into another one."""
    for key in keys:
        for path in sorted((root / key[:2] / key).glob("*/network.safetensors")):
            to = scratch / path.relative_to(root)
            if not to.exists():
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, to)


def _ask(directory: Path, config: Config, root: Path, lab: Lab, asked: Asked) -> None:
    """Let the analyses of one run ask until they are done, or until they ask for what is not there.

    Those that ask for no network at first, such as those that measure times, are not measured again.
    """
    known = run_directory.require(directory).get("learned")
    config = typed_again(config)
    config = resolved(config, wholes(config, Store(root, ""), known))
    planned = plan(config, lab.resources.blueprints.dataset)
    begun = planned.begin()
    asking, reply = lockstep([*begun.values()]), None
    while True:
        try:
            requests = next(asking) if reply is None else asking.send(reply)
        except StopIteration as stop:
            analyses, findings = robustness.that_differ(planned.asked(), stop.value)
            again = results.table(analyses, findings)
            asked.measured.append(directory)
            if not records.equal(again, records.read(directory / run_directory.RECORDS)):
                asked.other.append(directory)
            return
        if (reply is None and not _asks(requests)) or not _is_there(requests, root, lab, asked):
            asking.close()
            return
        reply = lab.answer(requests)


def _asks(requests: list[Request | Lessons]) -> bool:
    """Whether anything is asked for that a store can have."""
    return any(isinstance(own, Lessons) or any(part.specs for part in own.parts()) for own in requests)


def _is_there(requests: list[Request | Lessons], root: Path, lab: Lab, asked: Asked) -> bool:
    """Whether the store has all that is asked for; what it has is wanted from now on."""
    wants = expand(request for request in requests if isinstance(request, Request))
    lessons = {lesson.key for own in requests if isinstance(own, Lessons) for lesson in own.lessons}
    copy([*wants, *lessons], root, lab.store.root)
    there = Lookup(lab.resources).found(wants)
    asked.add({key: want for key, want in wants.items() if key in there})
    asked.lacking |= wants.keys() - there.keys() | {key for key in lessons if not lab.store.has(key)}
    asked.lessons |= lessons
    return len(there) == len(wants) and all(lab.store.has(key) for key in lessons)
