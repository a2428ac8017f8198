"""What of the machine decides a result's last bits: its class. And the BLAS that multiplies matrices on this CPU.

MKL, torch's BLAS on x86, runs its AVX2 kernels on AMD processors; the OpenBLAS inside NumPy's
wheels is faster there at every size a small network uses: 0.4 to 0.6 of the time with its AVX-512
kernels, 0.8 to 0.9 with its AVX2 kernels (LOG.md). Which library multiplies is a property of the
machine, never of a stopwatch, and part of the machine class.
"""

from __future__ import annotations

import math
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from expzoo.system.errors import BadInput

Blas = Literal["openblas", "torch"]
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h


PROCESSORS = "EXPZOO_PROCESSORS"
"""Variable of the environment: how many processors a command may use at most."""

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def processors() -> int:
    """How many processors this process may use: those of its mask, of its container, and at most `PROCESSORS`.

    BadInput if that variable is no whole number from 1 on.
    """
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = os.environ.get(PROCESSORS, "")
    if given and not re.fullmatch(r"[1-9][0-9]{0,5}", given):
        raise BadInput(f"{PROCESSORS}={given[:40]}: it must be a whole number from 1 on")
    return min(there, _of_the_container(), int(given) if given else there)


def _of_the_container() -> int:
    """The processors whose time a container may take, which its mask does not tell; very many if nothing limits it."""
    try:
        quota, period = map(int, _QUOTA.read_text(encoding="ascii").split())
        return max(math.ceil(quota / period), 1)
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or the quota is "max"
        return sys.maxsize


@cache
def _cpu() -> tuple[str, frozenset[str]]:
    """Vendor and feature flags of the first processor; unknown where there is no /proc/cpuinfo."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "unknown", frozenset()
    lines = dict(line.split(":", 1) for line in text.partition("\n\n")[0].splitlines() if ":" in line)
    fields = {name.strip(): value.strip() for name, value in lines.items()}
    return fields.get("vendor_id", "unknown"), frozenset(fields.get("flags", "").split())


def _prefers_openblas() -> bool:
    vendor, flags = _cpu()
    return vendor == "AuthenticAMD" and "avx512f" in flags and platform.system() == "Linux"


def choose_kernels() -> None:
    """Before NumPy is imported: let its OpenBLAS use AVX-512 on processors that it does not know by name yet.

    A hint for speed alone: where it comes too late, `blas()` sees that and torch's own BLAS
    multiplies. And let cuBLAS keep to workspaces with which its products always add in one order
    (its manual, "Results reproducibility"), without which torch refuses to be deterministic.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if _prefers_openblas() and "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_CORETYPE", "SkylakeX")


@cache
def _openblas() -> tuple[str, str] | None:
    """Version and kernel family of the OpenBLAS inside NumPy, if that is what NumPy uses."""
    import numpy  # noqa: F401, ICN001
    from threadpoolctl import threadpool_info

    for library in threadpool_info():
        if library["internal_api"] == "openblas" and "numpy" in library["filepath"]:
            return library["version"], library["architecture"].lower()
    return None


@cache
def has_wide_kernels() -> bool:
    """Whether that OpenBLAS uses its AVX-512 kernels."""
    found = _openblas()
    return found is not None and found[1] in ("skylakex", "cooperlake", "sapphirerapids")


@cache
def blas() -> Blas:
    """Whose matrix products populations use on the CPU."""
    found = _openblas() if _prefers_openblas() else None
    return "openblas" if found and (has_wide_kernels() or found[1] in ("haswell", "zen")) else "torch"


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """OpenBLAS uses one thread inside, as many as before outside."""
    if blas() == "torch":
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


@cache
def keep_freed_memory() -> None:
    """Let this process use freed memory again, where it would go back to the system and come anew page by page.

    A setting of glibc (mallopt(3)); without it a step of a large network may spend a tenth of its time on new pages.
    """
    import ctypes  # which the command line does without

    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)


@cache
def machine_class(device: str = "cpu") -> str:
    """Equal keys mean equal bits within it: device kind, instruction set, BLAS, torch's minor version, kernels."""
    import torch

    minor = ".".join(torch.__version__.split(".")[:2])
    if device != "cpu":
        name = re.sub(r"[^a-z0-9.]+", "_", torch.cuda.get_device_name().lower())
        return f"{device}-{name}-cuda{torch.version.cuda}-torch{minor}{_chosen_kernels()}"
    found = _openblas() if blas() == "openblas" else None
    library = f"openblas{found[0]}_{found[1]}" if found else f"mkl_{_cpu()[0].lower()}"
    return f"cpu-{torch.backends.cpu.get_cpu_capability().lower()}-{library}-torch{minor}{_chosen_kernels()}"


@cache
def _chosen_kernels() -> str:
    """Other kernels than the processor's own that somebody has chosen by environment variables; empty if nobody has.

    Each changes bits (LOG.md). What is in force is asked of the library where it can be: a variable
    may hold a word that the library ignores, or be set too late. ATEN_CPU_CAPABILITY and
    OPENBLAS_CORETYPE are seen in the rest of the name.
    """
    found = {"cbwr": _mkl_reproducibility(), "numpy_without": _numpy_features()}
    if _cpu()[0] == "GenuineIntel":  # MKL listens on its maker's processors alone
        found["mkl"] = os.environ.get("MKL_ENABLE_INSTRUCTIONS", "")
    if blas() == "torch" and "OPENBLAS_CORETYPE" in os.environ and (library := _openblas()):
        found["openblas"] = library[1]
    isa = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    found["onednn"] = "" if isa.upper() in ("ALL", "DEFAULT") else isa
    return "".join(f"-{name}_{re.sub('[^a-z0-9]+', '_', value.lower())}" for name, value in found.items() if value)


def _mkl_reproducibility() -> str:
    """The mode of conditional numerical reproducibility in which MKL is, as its own number; empty if in none."""
    import ctypes

    import torch

    try:
        ask = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so")).mkl_serv_cbwr_get
    except (OSError, AttributeError):  # a torch without MKL, or with one that does not tell
        return os.environ.get("MKL_CBWR", "") if torch.backends.mkl.is_available() else ""
    everything, off = -1, 1  # mkl_service.h: MKL_CBWR_ALL, MKL_CBWR_BRANCH_OFF
    return "" if (mode := ask(everything)) == off else str(mode)


def _numpy_features() -> str:
    """The instruction sets that NumPy has kernels for and was told not to use; empty if there is none."""
    off, on = (os.environ.get(f"NPY_{what}_CPU_FEATURES", "") for what in ("DISABLE", "ENABLE"))
    if not off and not on:
        return ""
    own: Any = import_module("numpy._core._multiarray_umath")  # which has no public name for what is in force
    named = set(re.split(r"[\s,]+", off)) | (set(own.__cpu_dispatch__) - set(re.split(r"[\s,]+", on)) if on else set())
    return "_".join(name for name in own.__cpu_dispatch__ if name in named and not own.__cpu_features__[name])


def memory() -> int:
    """The bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
