"""Random numbers as a function of (seed, purpose, counter): never of a global generator or of a row's index.

Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") through NumPy's
raw words, the layer whose stream NumPy keeps stable (NEP 19); everything above the words is written
here, so that it stays stable too.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

Part = int | str


def stable_hash(*parts: Part) -> int:
    """A 63-bit number that depends on every part, its type and its position.

    Source: sha256 of a length-prefixed text.
    """
    text = "".join(f"{type(part).__name__}:{len(str(part))}:{part};" for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def member_seed(run_seed: int, index: int) -> int:
    """The seed of member `index` of run `run_seed`: a larger population keeps its first members."""
    return stable_hash("member", run_seed, index)


def words(seed: int, purpose: str, counter: int | Sequence[int], count: int) -> np.ndarray:
    """`count` independent uint64 words, shape (count,), for this (seed, purpose, counter)."""
    counters = [counter] if isinstance(counter, int) else list(counter)
    key = hashlib.sha256(f"{seed}/{purpose}/{counters}".encode()).digest()
    return np.random.Philox(key=np.frombuffer(key[:16], np.uint64)).random_raw(count)


def stream_words(seed: int, purpose: str, start: int, count: int) -> np.ndarray:
    """Words start..start+count-1 of one endless stream, shape (count,), uint64; `start` must be a multiple of 4.

    The cipher's own counter is set to the start, so that a word depends on its position alone, not
    on where a call begins.
    """
    if start % 4 or start < 0:
        raise ValueError(f"a stream of words is entered at a multiple of 4 of at least 0, not at {start}")
    key = hashlib.sha256(f"{seed}/{purpose}/stream".encode()).digest()
    return np.random.Philox(key=np.frombuffer(key[:16], np.uint64), counter=start // 4).random_raw(count)


def uniforms(seed: int, purpose: str, counter: int | Sequence[int], count: int) -> np.ndarray:
    """`count` float64 numbers in [0, 1), shape (count,), exact multiples of 2**-53."""
    return (words(seed, purpose, counter, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def permutation(seed: int, purpose: str, counter: int | Sequence[int], count: int) -> np.ndarray:
    """A permutation of range(count), shape (count,), int64: the order of random words, ties by their indices.

    The index stands in a word's last bits, so that a plain sort, which NumPy vectorises, takes it along.
    """
    low_bits = np.uint64((1 << max(count - 1, 0).bit_length()) - 1)
    ordered = words(seed, purpose, counter, count) & ~low_bits | np.arange(count, dtype=np.uint64)
    ordered.sort()
    return (ordered & low_bits).astype(np.int64)


def integers(seed: int, purpose: str, counter: int | Sequence[int], count: int, high: int) -> np.ndarray:
    """`count` int64 numbers in [0, high), shape (count,); the bias of the fixed-point product is below high / 2**53."""
    return np.floor(uniforms(seed, purpose, counter, count) * high).astype(np.int64)


def normals(seed: int, purpose: str, counter: int | Sequence[int], count: int) -> np.ndarray:
    """`count` standard normal float64 numbers, shape (count,), by Box & Muller 1958 from pairs of uniforms."""
    drawn = uniforms(seed, purpose, counter, 2 * -(-count // 2)).reshape(2, -1)
    radius, angle = np.sqrt(-2.0 * np.log1p(-drawn[0])), 2.0 * np.pi * drawn[1]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
