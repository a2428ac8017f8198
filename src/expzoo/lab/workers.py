"""Worker processes that live as long as the process that needs them: each trains its own rows, or its share of one row.

A worker is `python -m expzoo.lab.worker`, whatever started this process: everything that it has to
know is sent to it as JSON, the frozen settings first. A command line is never run a second time.
Workers start before torch is imported here, so that all processes import at the same time.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.lab.request import Want

log = logging.getLogger(__name__)
PATIENCE_SECONDS = 30.0  # for a worker that was asked to stop
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class WorkerSettings:
    """Where the workers' results go and what they compute on."""

    store: str
    accelerator: str = "cpu"  # or auto, which a worker finds out by itself
    partial_seconds: float = 5.0


@dataclass
class Workers:
    """`count` processes, started by `start` or when they are first needed. `first` is the number of the first one.

    `strategy` is empty for workers that train rows of their own, else Lightning's name of how they share one network.
    Those `on_demand` are started by `begin` alone, as many as there is work for.
    """

    settings: WorkerSettings
    count: int
    total: int
    first: int = 0
    strategy: str = ""
    on_demand: bool = False
    _offered: list[Want] = field(default_factory=list)
    _workers: list[subprocess.Popen[str]] = field(default_factory=list)
    _is_needed: bool = False

    @property
    def are_there(self) -> bool:
        """Whether they were started."""
        return bool(self._workers)

    def offer(self, wants: Iterable[Want]) -> None:
        """These networks are to be trained now: sent, but to workers `on_demand` only if they are there."""
        if not self.on_demand:
            self.send(wants)
            return
        self._offered = list(wants)
        self._tell(self._workers, self._offered)

    def begin(self) -> None:
        """Start those `on_demand` for what was offered last, once, and no more than there are other networks.

        Without processes this one trains alone: if they cannot be had, that is no reason to stop.
        """
        offered, self._offered = self._offered, []
        before = len(self._workers)
        try:
            self.start(len(offered) - 1)
        except OSError as error:
            log.warning("no further processes can be started: %s", error.strerror or error)
        self._tell(self._workers[before:], offered)

    def withdraw(self) -> None:
        """Nothing is left of what was offered."""
        self._offered = []

    def send(self, wants: Iterable[Want]) -> None:
        """Let every worker that is alive train these networks."""
        self.start()
        self._tell(self._workers, wants)

    def _tell(self, workers: Sequence[subprocess.Popen[str]], wants: Iterable[Want]) -> None:
        if not workers:
            return
        from expzoo.lab import messages

        self.wait(0)
        self._is_needed = True
        line = json.dumps(messages.dump(wants), separators=(",", ":"))
        for worker in workers:
            if worker.poll() is None:
                assert worker.stdin is not None
                with suppress(BrokenPipeError):  # it is lost: whoever waits for its networks trains them
                    worker.stdin.write(f"{line}\n")
                    worker.stdin.flush()

    def share(self, wants: Iterable[Want], stopped: Callable[[], bool]) -> None:
        """Let all workers train these networks together; returns when they are in the store, or when `stopped`.

        BadInput if they cannot be shared, ChildProcessError if a worker was lost, RuntimeError if one failed.
        """
        self.send(wants)
        waiting = {_answers(worker): number for number, worker in enumerate(self._workers, self.first)}
        faults: list[Exception] = []
        while waiting and not faults and not stopped():
            for answered in select.select(list(waiting), [], [], POLL_SECONDS)[0]:
                number, line = waiting.pop(answered), answered.readline()
                reply = json.loads(line) if line else None
                if reply is None:
                    how = _end(self._workers[number - self.first])
                    faults.append(
                        ChildProcessError(f"worker {number} {how}; the same command goes on from what it kept")
                    )
                elif reply["fault"]:
                    faults.append((BadInput if reply["bad_input"] else RuntimeError)(reply["fault"]))
        if stopped():
            self.interrupt()
        elif faults:
            for worker in self._workers:
                worker.kill()  # the others wait for the one that failed
            self.close()
            raise faults[0]

    def wait(self, seconds: float) -> None:
        """Until a worker has done what it was sent, or was lost, but not longer than this."""
        living = [_answers(worker) for worker in self._workers if worker.poll() is None]
        for answered in select.select(living, [], [], seconds)[0]:
            answered.readline()  # what went wrong, whoever needs the network meets again

    def lost(self) -> list[str]:
        """The workers that are no more, each named once, with how they ended."""
        said = []
        for number, worker in enumerate(self._workers, self.first):
            if worker.poll() is not None and not _answers(worker).closed:
                _close(worker)
                said.append(f"worker {number} {_end(worker)}; the other processes do its part")
        return said

    def interrupt(self) -> None:
        """Let every worker keep where it is and end; one that does not is left to itself."""
        for worker in self._workers:
            with suppress(ProcessLookupError):
                worker.send_signal(signal.SIGTERM)
        self.close()

    def close(self) -> None:
        """End the workers when they are done, at once if there was nothing to do.

        Those that train rows of their own keep where they are and end: one may still be starting, with nothing to do.
        """
        for worker in self._workers:
            if not self._is_needed:
                worker.kill()
            elif not self.strategy:
                worker.terminate()
            with suppress(OSError):
                worker.stdin.close()  # type: ignore[union-attr]
        for worker in self._workers:
            with suppress(subprocess.TimeoutExpired):
                worker.wait(PATIENCE_SECONDS)
            _close(worker)
        self._workers = []

    def start(self, most: int | None = None) -> None:
        """Start the workers, at most so many in all, unless they are there; OSError if the system has none for us."""
        count = self.count if most is None else min(self.count, most)
        if len(self._workers) >= count:
            return
        port = _free_port()
        for number in range(self.first + len(self._workers), self.first + count):
            settings = {**vars(self.settings), "index": number, "total": self.total, "strategy": self.strategy}
            worker = subprocess.Popen(
                [sys.executable, "-m", "expzoo.lab.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=self._environment(number, port),
            )
            self._workers.append(worker)
            assert worker.stdin is not None
            worker.stdin.write(json.dumps(settings) + "\n")
            worker.stdin.flush()
        log.info("there are %d workers", count)

    def _environment(self, number: int, port: int) -> dict[str, str]:
        own = {"OMP_NUM_THREADS": "1"}
        if self.strategy:  # Lightning sees by these that its processes are there already
            ranks = {
                "LOCAL_RANK": number,
                "RANK": number,
                "WORLD_SIZE": self.total,
                "MASTER_PORT": port,
                "NODE_RANK": 0,
            }
            own |= {name: str(value) for name, value in ranks.items()} | {"MASTER_ADDR": "127.0.0.1"}
        elif self.settings.accelerator != "cpu":
            seen = os.environ.get("CUDA_VISIBLE_DEVICES")
            devices = seen.split(",") if seen is not None else [str(device) for device in range(self.total)]
            own["CUDA_VISIBLE_DEVICES"] = devices[number] if number < len(devices) else ""
        hidden = ("SLURM_", "PMI")  # a job's own step is not theirs
        return {k: v for k, v in os.environ.items() if not (self.strategy and k.startswith(hidden))} | own


def _close(worker: subprocess.Popen[str]) -> None:
    for pipe in (worker.stdin, worker.stdout):
        with suppress(OSError):  # of a worker that is gone, what was not read yet
            pipe.close()  # type: ignore[union-attr]


def _answers(worker: subprocess.Popen[str]) -> IO[str]:
    assert worker.stdout is not None
    return worker.stdout


def _end(worker: subprocess.Popen[str]) -> str:
    with suppress(subprocess.TimeoutExpired):
        worker.wait(5)
    code = worker.returncode
    if code is not None and code < 0:
        return f"was killed by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
