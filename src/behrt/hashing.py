"""Random numbers that depend only on a subject and a seed, not on row order or shard count.

The mixing function is splitmix64 (Steele, Lea and Flood, OOPSLA 2014).
"""

import numpy as np
import polars as pl

_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


def mix(ids: np.ndarray, seed: int, stream: str) -> np.ndarray:
    """Hash int64 ids to uint64, independently for every (seed, stream)."""
    salt = int.from_bytes(stream.encode()[:8].ljust(8, b"\0"), "little")
    with np.errstate(over="ignore"):
        value = ids.astype(np.uint64) + np.uint64((seed * _GAMMA + salt * _MIX_1) % 2**64)
        for _ in range(2):
            value = value + np.uint64(_GAMMA)
            value = (value ^ (value >> np.uint64(30))) * np.uint64(_MIX_1)
            value = (value ^ (value >> np.uint64(27))) * np.uint64(_MIX_2)
            value = value ^ (value >> np.uint64(31))
    return value


def uniform(ids: np.ndarray, seed: int, stream: str) -> np.ndarray:
    """Return one float64 in [0, 1) per id, independently for every (seed, stream).

    `stream` names the use; only its first eight bytes matter.
    """
    return (mix(ids, seed, stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def shard_of(subject_id: pl.Expr, shards: int) -> pl.Expr:
    """Return the shard (UInt16, 0 … shards − 1) that a subject belongs to."""
    mixed = (
        subject_id.cast(pl.Int64).reinterpret(signed=False) * pl.lit(_GAMMA, dtype=pl.UInt64)
    ) // (1 << 32)
    return (mixed % shards).cast(pl.UInt16)
