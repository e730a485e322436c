"""Random numbers from counters: the same for one key wherever, whenever and on however many threads it is drawn."""

import numpy as np

from kernels.jit import njit

__all__ = ["key", "mix", "normal", "uniform", "uniforms"]


@njit
def mix(x):
    """splitmix64: a well-mixed 64-bit number from a counter (Steele, Lea and Flood 2014)."""
    x = (x + np.uint64(0x9E3779B97F4A7C15)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    x = ((x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    x = ((x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)) & np.uint64(0xFFFFFFFFFFFFFFFF)
    return x ^ (x >> np.uint64(31))


@njit
def key(a, b, c):
    """One key of three counters."""
    return mix(mix(mix(np.uint64(a)) ^ np.uint64(b)) ^ np.uint64(c))


@njit
def uniform(key):
    """Uniform number in (0, 1) of a key."""
    return (np.float64(mix(key) >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)  # 2^-53


@njit
def normal(key):
    """Standard normal number of a key, by Box and Muller."""
    a, b = uniform(key), uniform(key ^ np.uint64(0xA5A5A5A5A5A5A5A5))
    return np.sqrt(-2.0 * np.log(a)) * np.cos(2.0 * np.pi * b)


@njit
def uniforms(first, second, stream, out):
    """Uniform numbers ``out`` (n) in (0, 1) of the counters ``first``, ``second`` (n) and a ``stream``."""
    for k in range(out.shape[0]):
        out[k] = uniform(key(first[k], second[k], stream))
