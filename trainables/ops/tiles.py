"""Points in tiles, and compiled loops that pass over the tiles that cannot matter: sampling, balls, three nearest.

A cloud is cut into slabs along x and each slab into tiles of 64 points along y (Leutenegger et al., "STR", ICDE 1997).
The distance from a place to the bounds of a tile says that none of its points can be nearer. It is taken 1e-6 smaller
than computed, so rounding passes over no point, and the results are those of a loop over all points in their given
order, bit for bit. `point_sampling`, `ball_query` and `interpolation` say what is computed.

torch-cluster's tree takes about as long to find neighbors, but names them in the order of the tree, where mmcv names
the first ones by index, and ties as they come; and it has to be compiled. Its sampling takes 70 times as long.

All compiled functions are in this one file on purpose: numba's disk cache of a caller does not notice a change of a
function that lives in another file.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

TILE = 64
SORTED_FROM = 8 * TILE
"""Fewer points are tiled in their given order: sorting would take longer than it saves."""
NEVER = np.float32(-np.inf)
"""In the place of a distance: a point that is not to be sampled while there are others."""

Floats = NDArray[np.floating]
Integers = NDArray[np.int32]

_SAFE = np.float32(1.0 - 1e-6)


class Tiles(NamedTuple):
    """N points in T = N / 64 tiles, rounded up."""

    columns: Floats
    """(3, N) x, y, z (m), tile by tile."""
    order: Integers
    """(N,) index of each in the given cloud."""
    low: Floats
    """(3, T) smallest coordinates in each tile (m)."""
    high: Floats
    """(3, T) largest coordinates in each tile (m)."""


def tiled(points: ArrayLike, dtype: type[np.floating] = np.float32) -> Tiles:
    """Sort a cloud into tiles.

    Args:
        points: (N, 3) points x, y, z (m). NaN is allowed, and in no bounds.
        dtype: precision of the columns.

    Raises:
        ValueError: points are not (N, 3).
    """
    columns: Floats = np.array(np.transpose(points), dtype=dtype, order="C")
    if columns.ndim != 2 or len(columns) != 3:
        raise ValueError(f"points must be (N, 3), got {np.shape(points)}")
    count = columns.shape[1]
    order = np.arange(count)
    if count > SORTED_FROM:
        order = np.argsort(columns[0], kind="stable")
        slab = TILE * -(-count // (TILE * int(np.sqrt(count / TILE))))
        for start in range(0, count, slab):
            part = order[start : start + slab]
            order[start : start + slab] = part[np.argsort(columns[1][part], kind="stable")]
        columns = np.ascontiguousarray(columns[:, order])
    starts = np.arange(0, count, TILE)
    if not count:
        return Tiles(columns, order.astype(np.int32), columns, columns.copy())
    low, high = (extreme.reduceat(columns, starts, axis=1) for extreme in (np.fmin, np.fmax))
    return Tiles(columns, order.astype(np.int32), low, high)


@njit(nogil=True, cache=True)
def _gap(low: Floats, high: Floats, tile: int, x: float, y: float, z: float) -> float:
    """A squared distance (m2) that no point of a tile undercuts."""
    zero = low.dtype.type(0)
    dx = max(low[0, tile] - x, x - high[0, tile], zero)
    dy = max(low[1, tile] - y, y - high[1, tile], zero)
    dz = max(low[2, tile] - z, z - high[2, tile], zero)
    return (dx * dx + dy * dy + dz * dz) * _SAFE


# Without NaN (`nnan`) a minimum and a maximum are one vector instruction each; callers see to it that there is none.
@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _approach(columns: Floats, chosen: int, tile: int, nearest: Floats) -> np.float32:
    """Note in `nearest` that a point was chosen, in one tile; returns the largest distance that is left there."""
    x, y, z = columns[0], columns[1], columns[2]
    px, py, pz = x[chosen], y[chosen], z[chosen]
    most = NEVER
    for k in range(tile * TILE, min(len(x), (tile + 1) * TILE)):
        dx, dy, dz = x[k] - px, y[k] - py, z[k] - pz
        nearest[k] = min(dx * dx + dy * dy + dz * dz, nearest[k])
        most = max(most, nearest[k])
    return most


@njit(nogil=True, cache=True)
def _wins(one: int, other: int, threads: int) -> bool:
    """Whether one of two equally far points is taken by mmcv's kernel; `threads` is a power of two."""
    unequal = (one ^ other) & (threads - 1)
    # Their threads meet where the lowest unequal bit is compared, and the one without that bit keeps the tie.
    return one < other if unequal == 0 else one & (unequal & -unequal) == 0


@njit(nogil=True, cache=True)
def sample(
    columns: Floats, order: Integers, low: Floats, high: Floats, nearest: Floats, threads: int, chosen: Integers
) -> None:
    """Fill chosen (M,) with furthest points; nearest (N,) is NEVER or a bound on squared distances, by position."""
    largest = np.array([nearest[t * TILE : (t + 1) * TILE].max() for t in range(low.shape[1])])
    last = int(np.argmin(order))
    for j in range(1, len(chosen)):
        if nearest[last] > NEVER:
            x, y, z = columns[0, last], columns[1, last], columns[2, last]
            for t in range(len(largest)):
                if _gap(low, high, t, x, y, z) < largest[t]:
                    largest[t] = _approach(columns, last, t, nearest)
        best, last = largest.max(), -1
        for t in range(len(largest)):
            if largest[t] == best:
                for k in range(t * TILE, min(len(order), (t + 1) * TILE)):
                    if nearest[k] == best and (last < 0 or _wins(order[k], order[last], threads)):
                        last = k
        chosen[j] = order[last]


@njit(nogil=True, cache=True)
def sample_rows(distances: Floats, nearest: Floats, threads: int, chosen: Integers) -> None:
    """The same for given distances (N, N); without tiles."""
    for j in range(1, len(chosen)):
        row, best = distances[chosen[j - 1]], 0
        for k in range(len(row)):
            nearest[k] = min(row[k], nearest[k])
            if nearest[k] > nearest[best] or (nearest[k] == nearest[best] and _wins(k, best, threads)):
                best = k
        chosen[j] = best


@njit(nogil=True, cache=True)
def fill_balls(
    columns: Floats,
    order: Integers,
    low: Floats,
    high: Floats,
    centers: Floats,
    least: float,
    most: float,
    found: Integers,
) -> None:
    """Fill found (M, K), zeros before; `least` and `most` are squared radii (m2)."""
    x, y, z = columns[0], columns[1], columns[2]
    for c in range(len(centers)):
        cx, cy, cz = centers[c, 0], centers[c, 1], centers[c, 2]
        ball, count = found[c], 0
        for t in range(low.shape[1]):
            if not _gap(low, high, t, cx, cy, cz) < most:
                continue
            for k in range(t * TILE, min(len(x), (t + 1) * TILE)):
                dx, dy, dz = cx - x[k], cy - y[k], cz - z[k]
                d = dx * dx + dy * dy + dz * dz
                if (d == 0.0 or (d >= least and d < most)) and (count < len(ball) or order[k] < ball[-1]):
                    count = min(count + 1, len(ball))
                    place = count - 1
                    while place > 0 and ball[place - 1] > order[k]:
                        ball[place] = ball[place - 1]
                        place -= 1
                    ball[place] = order[k]
        if count > 0:
            ball[count:] = ball[0]


@njit(nogil=True, cache=True)
def find_three(
    columns: Floats,
    order: Integers,
    low: Floats,
    high: Floats,
    targets: Floats,
    distances: Floats,
    indices: Integers,
) -> None:
    """Fill squared distances (N, 3), infinite before, and indices (N, 3), zeros before, nearest first."""
    x, y, z = columns[0], columns[1], columns[2]
    gaps = np.empty(low.shape[1], columns.dtype)
    for n in range(len(targets) if len(x) else 0):
        tx, ty, tz = targets[n, 0], targets[n, 1], targets[n, 2]
        for t in range(len(gaps)):
            gaps[t] = _gap(low, high, t, tx, ty, tz)
        nearest_tile = int(np.argmin(gaps))
        d1, d2, d3 = distances[n, 0], distances[n, 1], distances[n, 2]
        i1, i2, i3 = 0, 0, 0
        for turn in range(-1, len(gaps)):
            if turn == nearest_tile:
                continue
            t = nearest_tile if turn < 0 else turn
            if not gaps[t] <= d3:
                continue
            for k in range(t * TILE, min(len(x), (t + 1) * TILE)):
                dx, dy, dz = tx - x[k], ty - y[k], tz - z[k]
                d, i = dx * dx + dy * dy + dz * dz, order[k]
                if d < d1 or (d == d1 and i < i1):
                    d1, d2, d3, i1, i2, i3 = d, d1, d2, i, i1, i2
                elif d < d2 or (d == d2 and i < i2):
                    d2, d3, i2, i3 = d, d2, i, i2
                elif d < d3 or (d == d3 and i < i3):
                    d3, i3 = d, i
        distances[n, 0], distances[n, 1], distances[n, 2] = d1, d2, d3
        indices[n, 0], indices[n, 1], indices[n, 2] = i1, i2, i3
