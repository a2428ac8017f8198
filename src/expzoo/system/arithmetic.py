"""The arithmetic in which populations are trained and looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import numpy as np
import torch

from expzoo.system import machine

ALONE = RLock()
"""Held by the one thread that uses what torch has once in a process: its generator, its tracer, the threads of BLAS."""


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """One intra-op thread and flushed denormals inside, what the caller had set outside.

    The number of threads decides how long sums are split, hence their last bits; denormals slow a
    CPU tenfold. Other threads of the process that come here wait until it is left.
    """
    with ALONE:
        yield from _exact_arithmetic()


def _exact_arithmetic() -> Iterator[None]:
    threads, tiny = torch.get_num_threads(), torch.tensor([1e-310], dtype=torch.float64)
    flushed = bool((tiny * 1.0 == 0).item())
    precision = torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("highest")
    deterministic = torch.are_deterministic_algorithms_enabled()
    if torch.cuda.is_available():  # on processors nothing changes but the time
        torch.use_deterministic_algorithms(mode=True)
    cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    try:
        with machine.one_blas_thread(), np.errstate(all="ignore"), cudnn:  # a member that diverges overflows
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_float32_matmul_precision(precision)
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flushed)
