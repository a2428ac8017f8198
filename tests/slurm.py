"""A SLURM of one node, started for a test: its own key, its own ports, nothing of the system's is touched."""

from __future__ import annotations

import os
import platform
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "srun")
START_SECONDS = 30

CONFIG = """
ClusterName=expzoo
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={controller}
SlurmdPort={node}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
KillWait=5
EnforcePartLimits=ALL
SchedulerParameters=sched_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs={processors} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=5
PartitionName=urgent Nodes={host} MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF
"""


def missing() -> str:
    """Why no SLURM can be started here, empty if one can."""
    absent = [name for name in NEEDED if not shutil.which(name)]
    if absent:
        return f"needs SLURM ({', '.join(absent)}): make system-deps"
    return "" if os.geteuid() == 0 else "needs root, as which SLURM's daemons start jobs"


@contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """The environment in which SLURM's commands find the node; `folder` must be short, for a socket lies in it."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    ports = {"controller": _free_port(), "node": _free_port()}
    host, processors = platform.node().partition(".")[0], os.cpu_count()
    (folder / "slurm.conf").write_text(CONFIG.format(host=host, folder=folder, processors=processors, **ports))
    environment = os.environ | {"SLURM_CONF": str(folder / "slurm.conf")}
    own = {"socket": "munge.socket", "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "munge.seed"}
    munged = ["munged", "--force", f"--key-file={key}", *(f"--{name}={folder / file}" for name, file in own.items())]
    try:
        for command in (munged, ["slurmctld"], ["slurmd"]):
            subprocess.run(command, env=environment, check=True, capture_output=True)
            time.sleep(1)
        _wait_until_idle(environment)
        yield environment
    finally:
        subprocess.run(["scancel", "-u", "root"], env=environment, check=False, capture_output=True)
        for name in ("slurmd", "slurmctld", "munged"):
            path = folder / f"{name}.pid"
            if path.exists():
                _end(int(path.read_text()))


def _end(pid: int) -> None:
    """Ask a daemon to end, and wait for it: it writes into its folder to the last."""
    end = time.monotonic() + START_SECONDS
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        while time.monotonic() < end:
            os.kill(pid, 0)
            time.sleep(0.1)


def _wait_until_idle(environment: dict[str, str]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        said = subprocess.run(["sinfo", "-h", "-o", "%t"], env=environment, capture_output=True, text=True, check=False)
        if said.stdout.split()[:1] == ["idle"]:
            return
        time.sleep(0.5)
    raise TimeoutError("SLURM's node did not become idle")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
