"""Random numbers for compiled loops, from a hash of (frame key, ray, purpose): the order of work does not matter.

numba caches callers with these functions inlined: after a change here, remove the folder's __pycache__.
"""

import numpy as np
from numba import njit


@njit(cache=True, inline="always")
def bits(key: int, ray: int, purpose: int) -> np.uint64:
    """64 random bits from a hash (splitmix64's finalizer; Steele et al., OOPSLA 2014)."""
    x = (
        np.uint64(key)
        + np.uint64(ray) * np.uint64(0x9E3779B97F4A7C15)
        + np.uint64(purpose) * np.uint64(0xD1B54A32D192ED03)
    )
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@njit(cache=True, inline="always")
def uniform(key: int, ray: int, purpose: int) -> float:
    """A random number in [0, 1)."""
    return (bits(key, ray, purpose) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, inline="always")
def bell(key: int, ray: int, purpose: int) -> float:
    """A random number of mean 0 and standard deviation 1: the sum of four uniform ones of 16 bits."""
    x, low = bits(key, ray, purpose), np.uint64(0xFFFF)
    total = (x & low) + ((x >> np.uint64(16)) & low) + ((x >> np.uint64(32)) & low) + (x >> np.uint64(48))
    return (float(total) * (1.0 / 65535.0) - 2.0) * 1.7320508
