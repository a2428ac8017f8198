"""Stored networks are trained again in every way, and compared: what is said, and what is written."""

from __future__ import annotations

import hashlib
import math
import shutil
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expzoo.lab.open import find_accelerator
from expzoo.runs import environment
from expzoo.runs.audit import places, replay
from expzoo.runs.audit.differences import Difference, compare, locate
from expzoo.runs.audit.ways import WAYS, Place, train
from expzoo.store import run_directory
from expzoo.store.store import Store
from expzoo.system import untrusted
from expzoo.system.canonical import leaves
from expzoo.system.checksummed import Corrupt
from expzoo.system.console import say
from expzoo.system.errors import BadInput
from expzoo.system.files import write_atomically
from expzoo.system.machine import machine_class
from expzoo.system.untrusted import quoted

if TYPE_CHECKING:
    from expzoo.runs.audit.places import Runs

REPORTS = Path("outputs/audits")


@dataclass
class Report:
    """What an audit found, line by line as it is said, and as data."""

    about: dict[str, Any]
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Print a line and keep it."""
        self.lines.append(line)
        say(line)

    def write(self, name: str) -> Path:
        """The text, and the data as JSON beside it; where the text is."""
        path = REPORTS / f"{name}.txt"
        write_atomically(path, ("\n".join(self.lines) + "\n").encode())
        write_atomically(path.with_suffix(".json"), run_directory.json_bytes(self.about))
        return path


def audit(directory: Path, fraction: float, seed: int) -> bool:
    """Whether everything that is trained again is as it is stored; BadInput if there is nothing to compare.

    `fraction` of the networks that this machine class has trained, at least one, are chosen by `seed`.
    """
    root, runs = places.found(directory)
    with tempfile.TemporaryDirectory(prefix="expzoo-audit-") as folder:
        scratch = Path(folder)
        machine, accelerator, asked = _asked(root, runs, scratch / "replay")
        place = Place(root, asked.wants, machine, accelerator)
        here = sorted(key for key in asked.wants if Store(root, machine, "same").has(key))
        sample = chosen(here, fraction, seed)
        report = Report({"directory": str(directory), "store": str(root), "fraction": fraction, "seed": seed})
        _say_what(report, sample, here, asked, place)
        found = _by_records(report, asked) or _in_every_way(report, sample, place, scratch)
        if found:
            _say_difference(report, found, place, runs)
        report.about["environment"] = environment.describe({machine}, ())
        name = hashlib.sha256(f"{directory.absolute()} {fraction} {seed}".encode()).hexdigest()[:12]
        say(f"this report: {report.write(name)}, and .json beside it")
    return found is None


def chosen(keys: list[str], fraction: float, seed: int) -> list[str]:
    """A sample of `fraction` of the keys, at least one if there is one, in an order that `seed` alone decides."""
    count = min(max(math.ceil(fraction * len(keys) - 1e-9), 1), len(keys))
    return sorted(sorted(keys, key=lambda key: hashlib.sha256(f"{seed} {key}".encode()).digest())[:count])


def _asked(root: Path, runs: Runs, scratch: Path) -> tuple[str, str, replay.Asked]:
    """The machine class and accelerator here that trained most of the networks, and what is wanted of all of them."""
    accelerators = dict.fromkeys(("cpu", find_accelerator("auto")))
    classes = {machine_class(accelerator): accelerator for accelerator in accelerators}
    asked = replay.ask_again(runs, root, scratch, next(iter(classes)))
    if not asked.wants and not asked.lacking:
        raise BadInput(f"no run there asks for a network first, of {len(runs)}: there is nothing to train again")
    counts = {machine: sum(Store(root, machine, "same").has(key) for key in asked.wants) for machine in classes}
    machine = max(counts, key=lambda one: counts[one])
    if not counts[machine]:
        others = sorted({path.parent.name for key in asked.wants for path in (root / key[:2] / key).glob("*/*")})
        told = f"they are of {', '.join(map(quoted, others))}" if others else "they are not there"
        here = " or ".join(classes)
        raise BadInput(f"{quoted(root)} has no network of these runs that was trained on {here}, which this is: {told}")
    return machine, classes[machine], asked


def _say_what(report: Report, sample: list[str], here: list[str], asked: replay.Asked, place: Place) -> None:
    elsewhere = len(asked.wants) - len(here)
    report.about |= {
        "machine_class": place.machine,
        "networks": len(here),
        "sample": sample,
        "of_other_machine_classes": elsewhere,
        "not_in_store": len(asked.lacking),
        "lessons": len(asked.lessons),
        "ways": {},
    }
    report.say(f"{len(sample)} of {len(here)} networks in {quoted(place.root)}, chosen by seed {report.about['seed']}")
    if elsewhere:
        report.say(f"{elsewhere} networks were trained on other machine classes than {place.machine}: not compared")
    if asked.lacking:
        report.say(f"{len(asked.lacking)} networks that the runs ask for are not in the store: not compared")
    if asked.lessons:
        report.say(f"{len(asked.lessons)} results of outer loops are taken as they are stored: not learned again")


def _note(report: Report, name: str, equal: int, of: int, told: str) -> None:
    report.about["ways"][name] = {"equal": equal, "of": of, "how": told}
    report.say(f"  {name:<10} {equal}/{of} equal   {told}")


def _by_records(report: Report, asked: replay.Asked) -> Difference | None:
    """The records of the runs, measured again from the stored networks."""
    if not asked.measured:
        return None
    equal = len(asked.measured) - len(asked.other)
    _note(report, "records", equal, len(asked.measured), "records of runs, measured again from what is stored")
    if not asked.other:
        return None
    return Difference("", "records", f"the records of {quoted(asked.other[0])} are not what is measured now")


def _in_every_way(report: Report, sample: list[str], place: Place, scratch: Path) -> Difference | None:
    """Train the sample in one way after the other, up to the first that makes a difference."""
    stored = {}
    for key in sample:
        try:
            stored[key] = place.stored(key)
        except Corrupt as error:
            return Difference(key, "stored", str(error))
    for way in WAYS:
        try:
            again, kills = train(way, sample, place, scratch / way.name)
        except RuntimeError as error:
            return Difference("", way.name, str(error))
        order = [key for key in place.closure(sample) if key in stored]  # sources first, where a difference begins
        found = [compare(key, way.name, network, again.get(key)) for key in order if (network := stored[key])]
        different = [difference for difference in found if difference]
        _note(report, way.name, len(found) - len(different), len(found), way.told + f" ({kills} kills)" * (kills > 0))
        shutil.rmtree(scratch / way.name, ignore_errors=True)
        if different:
            return locate(different[0], way, place, scratch)
    return None


def _say_difference(report: Report, found: Difference, place: Place, runs: Runs) -> None:
    """Which network, where its bits part, and in which settings the two trainings differ."""
    report.about["difference"] = asdict(found)
    if found.key:
        spec = place.wants[found.key].spec
        parts = " ".join(f"{part.kind}={part.name}" for part in spec.components())
        report.say(f"DIFFERENT: network {found.key[:12]}, seed {spec.seed}, {parts}")
    told = found.what
    if found.other is not None:
        same = f"equal after step {found.same}" if found.same is not None and found.same >= 0 else "equal nowhere"
        told += f": {same}, not after step {found.other}"
    report.say(f"  {told}")
    own = next((dict(way.variables) for way in WAYS if way.name == found.way), {})
    if own:
        report.say(f"  this way sets {', '.join(f'{name}={value}' for name, value in own.items())}")
    changed = _changed(runs, place.machine)
    report.about["difference"] |= {"variables": own, "environment": changed}
    for line in changed or ["of what environment.json records nothing differs between the runs and this process"]:
        report.say(f"  {line}")


def _changed(runs: Runs, machine: str) -> list[str]:
    """In which recorded settings the runs and this process differ, a line each."""
    found: list[str] = []
    for directory, config in runs.items():
        plugins = [(kind, node["name"]) for kind, node in config.items() if isinstance(node, dict) and "name" in node]
        now = dict(leaves(environment.describe({machine}, [(kind, str(name)) for kind, name in plugins])))
        try:
            text = untrusted.read(directory / run_directory.ENVIRONMENT, run_directory.MAX_BYTES, directory)
            then = dict(leaves(untrusted.json_of(text)))
        except (OSError, ValueError):
            continue
        for name in sorted(now.keys() & then.keys() | {key for key in (*now, *then) if key.startswith("variables")}):
            if (pair := (then.get(name, "not set"), now.get(name, "not set")))[0] != pair[1]:
                found.append(f"{quoted(name)}: {quoted(pair[0])} when trained, {quoted(pair[1])} now")
    return list(dict.fromkeys(found))
