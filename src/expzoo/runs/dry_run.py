"""The dry run: which networks a run needs, which are there, and about how long the rest will take."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from expzoo.lab.lesson import Lessons, crowds
from expzoo.lab.recruiting import WORTH_SECONDS
from expzoo.lab.request import expand
from expzoo.system.console import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from expzoo.analysis.contract import Findings
    from expzoo.lab.lab import Lab
    from expzoo.lab.lesson import Lesson
    from expzoo.lab.lockstep import Analysing
    from expzoo.spec.spec import Spec

PROBE_STEPS = 10


def show_plan(lab: Lab, begun: Sequence[Analysing[Findings]]) -> None:
    """Print the plan of the analyses' first questions; what they ask after an answer cannot be known."""
    requests = [next(asking) for asking in begun]
    lessons = [lesson for request in requests if isinstance(request, Lessons) for lesson in request.lessons]
    wants = expand([request for request in requests if not isinstance(request, Lessons)])
    missing = [want.spec for key, want in wants.items() if not lab.store.has(key)]
    if lessons:
        open_lessons = [lesson for lesson in lessons if not lab.store.has(lesson.key)]
        say(
            f"lessons   {len(lessons)}, to be learned {len(open_lessons)}: about {_words(_outer_seconds(open_lessons))}"
        )
        say("          what is asked of networks afterwards is not in this plan")
    say(f"networks  {len(wants)}\ncached    {len(wants) - len(missing)}\nmissing   {len(missing)}")
    if not missing:
        return
    groups: dict[Any, list[Spec]] = {}
    for spec in missing:
        groups.setdefault(lab.assembler.signature(spec), []).append(spec)
    total = 0.0
    for specs in groups.values():
        seconds = _seconds(lab, specs)
        total += seconds
        model = f"{specs[0].model.name} {dict(specs[0].model.options)}"
        say(f"  {len(specs):5} x {specs[0].stop.shared.at_most} steps of {model}: about {_words(seconds)}")
    shared = _shared(lab, total, len(missing))
    say(f"estimated time of training: about {_words(total)} on this machine as busy as it is now{shared}")


def _shared(lab: Lab, seconds: float, networks: int) -> str:
    """By how many processes it is shared, and how fewer are had."""
    total = min(lab.workers.total, networks) if lab.workers else 1
    if lab.workers is None or total < 2 or (lab.workers.on_demand and seconds < WORTH_SECONDS):
        return ""
    rest = ": trainer.spare=1 leaves one processor to others" if lab.workers.on_demand else ""
    return f", shared by {total} processes{rest}"


def _seconds(lab: Lab, specs: list[Spec]) -> float:
    """Training time of networks of one kind, from a few steps of a population of the size that they come in."""
    from expzoo.system.arithmetic import exact_arithmetic

    widest = Counter(spec.seed for spec in specs)  # the chain of one seed is trained one after the other
    together = max(len(specs) // max(widest.values()), 1)
    chunk = lab.assembler.chunks(specs[:together])[0]
    with exact_arithmetic():
        program = lab.assembler.probe(chunk)
        program.advance(0, 2)
        start = time.perf_counter()
        program.advance(2, 2 + PROBE_STEPS).cpu()  # waits for a device that works on its own
        per_step = (time.perf_counter() - start) / PROBE_STEPS / len(chunk)
    return per_step * sum(spec.stop.shared.at_most for spec in specs)


def _outer_seconds(lessons: Sequence[Lesson]) -> float:
    """Time of the outer loops, from one outer step of each crowd."""
    from expzoo.system.arithmetic import exact_arithmetic

    total = 0.0
    for crowd in crowds(lessons):
        with exact_arithmetic():
            loop = crowd[0].loop(crowd)
            loop.begin([None] * len(crowd))
            loop.look(0)
            start = time.perf_counter()
            loop.look(0)
            total += (time.perf_counter() - start) * crowd[0].outer_steps
    return total


def _words(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"
