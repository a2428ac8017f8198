"""How populations are driven on a kind of device: one policy, a function of the device and of one member's size.

On processors a population stays in the cache, may have any number of members, and each call of its
tape is made from Python. On CUDA it fills the device: batched products choose their kernels by the
number of members, so a population always has one of a few fixed sizes, the rest of it idle rows;
the calls of a tape are captured once as a CUDA graph and replayed; and the host looks at nothing
between two looks that somebody asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from expzoo.engine.members.crowd import Call

MINIMUM = 2  # with one member, products take another path through the BLAS and round differently
CHUNK_BYTES = 8 * 2**20  # measured: the working set that stays in a cache of 16 to 32 MiB shared by two cores (LOG.md)
MOST_MEMBERS = 64
LEAST_INTERLEAVED = 4  # of interleaved members, which fill whole vectors only together (LOG.md)
LONGEST = 50  # optimizer steps in one Lightning step at most: what a signal may have to wait for
CUDA_CROWDS = (2, 8, 64, 512)
CUDA_SHARE = 1 / 16  # of the device's memory, of which the data, other populations and libraries need some as well
CUDA_LONGEST = 500


@dataclass(frozen=True)
class Policy:
    """What of a population depends on the device; `capture` makes one call of many that always do the same."""

    chunk_bytes: int
    most_members: int
    crowds: tuple[int, ...] = ()  # the sizes that a population may have, in order; none are any from MINIMUM on
    longest: int = LONGEST
    capture: Callable[[Sequence[Call]], Call] | None = None

    def most(self, num_bytes: int, members: int, *, interleaved: bool = False) -> int:
        """How many members are trained together at most, where so many take `num_bytes`."""
        fitting = self.chunk_bytes * members // max(num_bytes, 1)
        if self.crowds:
            return max((size for size in self.crowds if size <= fitting), default=self.crowds[0])
        return min(max(fitting, LEAST_INTERLEAVED if interleaved else MINIMUM), self.most_members)


def policy_of(device: torch.device) -> Policy:
    """That of this device."""
    if device.type != "cuda":
        return Policy(CHUNK_BYTES, MOST_MEMBERS, longest=LONGEST)  # as it is now: tests shorten it
    memory = torch.cuda.get_device_properties(device).total_memory
    return Policy(int(memory * CUDA_SHARE), CUDA_CROWDS[-1], CUDA_CROWDS, CUDA_LONGEST, capture_graph)


def capture_graph(calls: Sequence[Call]) -> Call:
    """One call that replays these as a CUDA graph. They read and write the memory that they have now, each time."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):  # libraries allocate what they need on first use, which no graph may do
        for call in calls:
            call()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for call in calls:
            call()
    return graph.replay
