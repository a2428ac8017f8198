"""What an environment variable changes in the bits of results belongs to the name of the machine class."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from expzoo.system import machine
from expzoo.system.errors import BadInput

KERNELS = """
import hashlib
from expzoo.system import machine
machine.choose_kernels()
import numpy as np, torch
torch.set_num_threads(1)
rng = np.random.Generator(np.random.PCG64(0))
rows = rng.standard_normal((64, 257))
one, other = rows.astype(np.float32), rng.standard_normal((257, 100)).astype(np.float32)
x, w = torch.from_numpy(rng.standard_normal((4, 32, 40)).astype(np.float32)), torch.from_numpy(one[:, :160].copy())
with machine.one_blas_thread():
    found = [
        one @ other, torch.from_numpy(one) @ torch.from_numpy(other), np.exp(one), np.sin(one), np.log(np.abs(rows)),
        np.tanh(rows), torch.nn.functional.conv1d(x, w.reshape(64, 32, 5)), torch.from_numpy(one).softmax(1),
        torch.nn.functional.conv1d(x, w.reshape(160, 8, 8), groups=4), torch.nn.functional.gelu(torch.from_numpy(one)),
        torch.linalg.svdvals(torch.from_numpy(one)), torch.exp(torch.from_numpy(one)), torch.from_numpy(one).sum(1),
    ]
print(machine.machine_class(), hashlib.sha256(b"".join(np.asarray(part).tobytes() for part in found)).hexdigest())
"""

VARIABLES = [
    "MKL_CBWR=COMPATIBLE",
    "MKL_CBWR=AVX2",
    "ATEN_CPU_CAPABILITY=avx2",
    "ATEN_CPU_CAPABILITY=default",
    "ONEDNN_MAX_CPU_ISA=SSE41",
    "DNNL_MAX_CPU_ISA=AVX2",
    "NPY_DISABLE_CPU_FEATURES=X86_V3 X86_V4",
    "OPENBLAS_CORETYPE=Haswell",
    "OPENBLAS_CORETYPE=Nehalem",
    "MKL_ENABLE_INSTRUCTIONS=SSE4_2",
    "ONEDNN_CPU_ISA_HINTS=PREFER_YMM",
    "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA",
    "OMP_NUM_THREADS=1",
]
CHOOSE = {variable.partition("=")[0] for variable in VARIABLES} | {"NPY_ENABLE_CPU_FEATURES"}


@cache
def computed(*variables: str) -> tuple[str, str]:
    """The name of the class and the checksum of much that is computed, in a process with these variables."""
    plain = {name: value for name, value in os.environ.items() if name not in CHOOSE}
    environment = plain | dict(variable.split("=", 1) for variable in variables)
    said = subprocess.run([sys.executable, "-c", KERNELS], env=environment, capture_output=True, text=True, check=True)
    name, bits = said.stdout.split()
    return name, bits


@pytest.mark.parametrize(
    "variable", [pytest.param(one, marks=[] if "COMPATIBLE" in one else [pytest.mark.slow]) for one in VARIABLES]
)
@pytest.mark.check("D7")
def test_within_a_class_bits_are_equal_whatever_the_environment_says(variable: str) -> None:
    (name, bits), (other, others) = computed(), computed(variable)
    assert name != other or bits == others


@pytest.mark.parametrize("variable", ["", "MKL_CBWR=", "ONEDNN_MAX_CPU_ISA=ALL", "NPY_DISABLE_CPU_FEATURES=NONE"])
@pytest.mark.slow
def test_a_class_in_which_nothing_was_chosen_has_the_name_it_always_had(variable: str) -> None:
    name, _ = computed(*filter(None, [variable]))
    assert re.fullmatch(r"cpu-[a-z0-9]+-(openblas[0-9.]+_[a-z]+|mkl_[a-z]+)-torch[0-9.]+", name)


def test_processors_are_those_of_mask_and_container_and_as_many_as_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(machine.PROCESSORS, raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(machine, "_QUOTA", quota)
    assert machine.processors() == 8  # where there is no such file
    for text, there in (("max 100000\n", 8), ("250000 100000\n", 3), ("50000 100000\n", 1), ("0 0\n", 8), ("\xff", 8)):
        quota.write_text(text, encoding="utf-8")
        assert machine.processors() == there
    for given, there in (("2", 2), ("9", 8), ("", 8)):
        monkeypatch.setenv(machine.PROCESSORS, given)
        assert machine.processors() == there
    for given in ("0", "-1", "two", "1.5", "\u0663", "9" * 9):
        monkeypatch.setenv(machine.PROCESSORS, given)
        with pytest.raises(BadInput, match=r"EXPZOO_PROCESSORS=.*: it must be a whole number from 1 on"):
            machine.processors()
    monkeypatch.delenv(machine.PROCESSORS)
    monkeypatch.delattr("os.sched_getaffinity")
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert machine.processors() == 1
