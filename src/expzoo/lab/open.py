"""From a config to a lab. Nothing heavy is imported here: a trainer's processes start before this one imports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from expzoo.config import registry
from expzoo.config.paths import place
from expzoo.config.plugin_errors import plugins_are_blamed
from expzoo.lab.progress import terminal_progress
from expzoo.lab.recruiting import Recruiter
from expzoo.lab.workers import Workers, WorkerSettings
from expzoo.system.errors import BadInput
from expzoo.system.machine import processors

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab
    from expzoo.system.canonical import JSON


class Trainer(Protocol):
    """Where and by how many processes networks are trained, which changes nothing about them but perhaps rounding."""

    def open(self, root: Path) -> Lab:
        """A lab on the store at `root`; BadInput if the devices that it needs are not there."""
        ...


@plugins_are_blamed()
def open_lab(config: Mapping[str, JSON]) -> Lab:
    """A lab on the config's store, as its trainer has it; BadInput if there are no such devices."""
    node = config["trainer"]
    assert isinstance(node, Mapping)
    trainer: Trainer = registry.build_node("trainer", node)
    lab = trainer.open(place(str(config["store"])))
    progress = terminal_progress()
    on_demand = lab.workers is not None and lab.workers.on_demand
    lab.resources.progress = Recruiter(lab.workers, progress) if lab.workers and on_demand else progress
    return lab


def find_accelerator(wanted: str) -> str:
    """The device kind: what was asked for, or the best there is."""
    if wanted == "cpu":
        return wanted
    import torch

    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise BadInput("trainer.accelerator=cuda: torch sees no CUDA device here; use cpu or auto")
    return "cuda" if there else "cpu"


def devices(accelerator: str) -> int:
    """How many processes there is room for: CUDA devices, or processors that this process may use."""
    if accelerator == "cpu":
        return processors()
    import torch

    return torch.cuda.device_count()


def open_populations(root: Path, wanted: str, processes: int | None, *, on_demand: bool = False) -> Lab:
    """A lab with so many processes, itself among them, that share the rows; None is as many as there is room for.

    Those `on_demand` are started once it is seen that there is enough to do. BadInput if there is
    no such accelerator, or not so many devices.
    """
    processes = processes or devices(find_accelerator(wanted))
    settings = WorkerSettings(str(root), wanted)
    workers = Workers(settings, processes - 1, processes, first=1, on_demand=on_demand) if processes > 1 else None
    with _started(None if on_demand else workers):
        accelerator = _room(wanted, processes)
        from expzoo.lab.lab import Lab
        from expzoo.store.store import Store
        from expzoo.system.machine import machine_class

        store = Store(root, machine_class(accelerator))
        return Lab(store, accelerator=accelerator, share=(0, processes), workers=workers)


def open_as_needed(root: Path, wanted: str, spare: int) -> Lab:
    """A lab with a process for each CUDA device, or for each processor but `spare` ones, once there is enough to do."""
    if find_accelerator(wanted) == "cuda":
        return open_populations(root, wanted, None)
    return open_populations(root, wanted, max(devices("cpu") - spare, 1), on_demand=True)


def open_shared(root: Path, wanted: str, strategy: str, processes: int | None) -> Lab:
    """A lab that lets so many processes train each network together; BadInput as `open_populations`."""
    processes = processes or max(devices(find_accelerator(wanted)), 2)
    workers = Workers(WorkerSettings(str(root), wanted), processes, processes, strategy=strategy)
    with _started(workers):
        accelerator = _room(wanted, processes)
        from expzoo.lab.lab import Lab
        from expzoo.lab.shared_trainer import solo_class
        from expzoo.store.store import Store

        return Lab(Store(root, solo_class(accelerator, strategy, processes)), accelerator="cpu", workers=workers)


@contextmanager
def _started(workers: Workers | None) -> Iterator[None]:
    """Inside, workers are starting; they are ended if something goes wrong."""
    if workers is None:
        yield
        return
    workers.start()
    try:
        yield
    except BaseException:
        workers.close()
        raise


def _room(wanted: str, processes: int) -> str:
    """The device kind; BadInput if there are not so many CUDA devices."""
    accelerator = find_accelerator(wanted)
    if accelerator == "cuda" and processes > (there := devices(accelerator)):
        raise BadInput(f"trainer.processes={processes}: there are {there} CUDA devices here; give at most {there}")
    return accelerator
