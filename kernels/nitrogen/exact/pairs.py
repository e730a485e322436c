"""The loop over source-receptor pairs: which there are, blocks of lanes filled with them, and receptors on threads.

Pairs fill blocks of lanes in the order receptor, source, sub-receptor, sub-source, area sources after all others; every
lane is added to its receptor in that order. Receptors are split into a fixed number of parts that run on threads, so
that results do not depend on the number of threads. Source: Van Jaarsveld (2004), RIVM report 500045001.
"""

import math

import numpy as np

from kernels.jit import fused_njit, pnjit, prange
from kernels.nitrogen.exact.chain import process
from kernels.nitrogen.exact.inputs import (
    RNH3,
    RSHARE,
    RSO2,
    RWEIGHT,
    RX,
    RY,
    RZ,
    RZ0,
    SBUOY,
    SD,
    SH,
    SQ,
    SREACH,
    SS,
    SX,
    SY,
    SZ0,
)
from kernels.nitrogen.exact.lanes import (
    BUOYANT,
    CIRCLE,
    DX,
    DY,
    EMISSION,
    GROUP,
    HREC,
    HS,
    KGIVEN,
    LANES,
    LUR,
    LUT,
    NH3R,
    NH3T,
    NO2T,
    RECEPTOR,
    ROAD,
    SHARER,
    SLOT,
    SO2R,
    SO2T,
    SOURCE,
    SPREAD,
    STRIDE,
    TIMING,
    TYPE,
    Z0R,
    Z0S,
    Z0T,
    X,
    Y,
)
from kernels.nitrogen.exact.trajectory import ALONG, trajectory

__all__ = ["PARTS", "run_pairs"]

PARTS = 32  # fixed parts of the receptors: the unit of work of a thread
_ROAD = 5000.0  # m, reach of the road options
_INSIDE = 0.75  # of ``merged`` for a receptor inside the source, where those all round average out


@fused_njit(forceinline=True)
def _single(value):
    """Rounded to single precision, as absolute coordinates of sub-sources and sub-receptors are."""
    return np.float64(np.float32(value))


@fused_njit(forceinline=True)
def sub_sources(side, height, x, dx, dy):
    """Number n of a square's (2n+1)^2 sub-sources, for a receptor at x from its centre [m]."""
    if side <= 0.0:
        return 0
    if dx <= 0.5 * side and dy <= 0.5 * side:
        return min(32, int(side / height / 500.0) + 6)
    return min(32, int(2.0 * side / (x + 0.1)))


@fused_njit(forceinline=True)
def sub_receptors(cell, side, height, x, dx, dy):
    """Number m of a cell's (2m+1)^2 sub-receptors, for a source at x from its centre [m]."""
    if cell <= 0.0 or cell == abs(side):
        return 0
    if dx <= 0.5 * cell and dy <= 0.5 * cell:
        return min(128, int(cell / (20.0 * height + abs(side))))
    return min(4, int(2.0 * cell / (x + abs(side) + 10.0 * height)))


@fused_njit(forceinline=True)
def _merge(column, row, count, ex, ey, step, merged):
    """How many sub-sources of a square go with one of them, at which column and row; none where another stands for it.

    Squares of three by three about the receptor, at (``ex``, ``ey``) from the middle of the source, and what its edge
    leaves of them, go as one from ``merged`` of their sides on. ``step`` [m]: side of a sub-source.
    """
    if merged == np.inf:
        return 1, float(column), float(row)
    middle = 0.5 * (count - 1)
    px, py = ex / step + middle, ey / step + middle  # of the receptor
    left = column - (column - np.int64(math.floor(px + 0.5)) + 1) % 3
    low = row - (row - np.int64(math.floor(py + 0.5)) + 1) % 3
    right, high = min(left + 2, count - 1), min(low + 2, count - 1)
    left, low = max(left, 0), max(low, 0)
    across, up = 0.5 * (left + right), 0.5 * (low + high)
    if (px - across) ** 2 + (py - up) ** 2 < (3.0 * merged) ** 2:
        return 1, float(column), float(row)
    if column != left or row != low:
        return 0, across, up
    return (right - left + 1) * (high - low + 1), across, up


@fused_njit
def _part(
    begin, end, areas, work, sources, receptors, maps, climate, substance, options, road_pass, road_ratio, out, road
):
    """Receptors ``begin`` to ``end`` with the sources that are areas, or with all others; the number of their pairs."""
    w, iw = work[0], work[1]
    places, points, index = receptors.values, sources.values, sources.codes
    cell, subdivide = options.cell, options.subdivide
    n = 0
    pairs = 0
    steps = 6
    heights = False
    along = np.empty(ALONG)
    slots = work[5].shape[0] // places.shape[0]
    for r in range(begin, end):
        heights |= places[r, RZ] != 4.0
    given = (sources, climate, substance, maps.uniform, areas, heights)
    result = (road_pass, road_ratio, out, road)
    for r in range(begin, end):
        rx, ry = places[r, RX], places[r, RY]
        if maps.uniform:
            along[:13] = maps.path[r if maps.path.shape[0] > 1 else 0]
            along[13] = substance.given_rate
        slot, last_slot = r * slots, (r + 1) * slots
        for s in range(points.shape[0]):
            is_road = index[s, 3] > 0
            if (points[s, SD] != 0.0) != areas or (road_pass == 1 and not is_road):
                continue
            sx, sy = points[s, SX], points[s, SY]
            dx, dy = rx - sx, ry - sy
            centre = math.sqrt(dx * dx + dy * dy)
            if centre > options.reach or centre > points[s, SREACH]:
                continue
            # sub-sources and sub-receptors share the path between the centres
            if not maps.uniform:
                trajectory(sx, sy, rx, ry, maps, substance.given_rate, along)
            side, height = points[s, SD], points[s, SH]
            m = sub_receptors(cell, side, height, centre, abs(dx), abs(dy)) if subdivide else 0
            inner = 2 * m + 1
            for jr in range(inner * inner):
                px, py = rx, ry
                if m > 0:
                    px = _single(rx + (jr % inner - m) * cell / inner)
                    py = _single(ry + (jr // inner - m) * cell / inner)
                ex, ey = px - sx, py - sy
                divide = 0
                if subdivide and inner * inner < 1000:
                    divide = sub_sources(side, height, math.sqrt(ex * ex + ey * ey), abs(ex), abs(ey))
                count = 2 * divide + 1
                merged = options.merged
                if max(abs(ex), abs(ey)) <= 0.5 * side:
                    merged *= _INSIDE
                for js in range(count * count):
                    qx, qy = sx, sy
                    cells = 1
                    if divide > 0:
                        cells, column, row = _merge(js % count, js // count, count, ex, ey, side / count, merged)
                        if cells == 0:
                            continue
                        qx = _single(sx + (column - divide) * side / count)
                        qy = _single(sy + (row - divide) * side / count)
                    ux, uy = px - qx, py - qy
                    x = math.sqrt(ux * ux + uy * uy)
                    radius = 0.5 * abs(side) / count
                    if cells > 1:
                        radius *= math.sqrt(float(cells))
                    if x == 0.0 and radius == 0.0:
                        x = 0.01
                    near_road = is_road and x < _ROAD
                    if road_pass == 1 and not near_road:
                        continue
                    if n == LANES:
                        process(work, n, *given, steps, *result)
                        n = 0
                        steps = 6
                    i = n
                    n += 1
                    pairs += 1
                    steps = max(steps, int(2.0 * x / 50000.0) + 7 if x > 49000.0 else 6)
                    w[X + i] = x
                    w[DX + i] = ux
                    w[DY + i] = uy
                    w[Y + i] = radius
                    w[CIRCLE + i] = 1.0 if side < 0.0 else 0.0
                    w[HS + i] = height
                    w[BUOYANT + i] = points[s, SBUOY]
                    w[EMISSION + i] = points[s, SQ] * places[r, RWEIGHT] * cells / (inner * inner * count * count)
                    spread = points[s, SS]
                    if near_road and options.road_dispersion:
                        z0 = points[s, SZ0]
                        if z0 < 0.055:
                            spread = 1.05 + 1.53 * spread
                        elif z0 < 0.17:
                            spread = 1.15 + 2.31 * spread
                        elif z0 < 0.55:
                            spread = 1.33 + 2.25 * spread
                        else:
                            spread = 1.62 + 6.6 * spread
                    w[SPREAD + i] = spread
                    w[Z0S + i] = points[s, SZ0]
                    w[Z0R + i] = places[r, RZ0]
                    w[HREC + i] = places[r, RZ]
                    w[NH3R + i] = places[r, RNH3]
                    w[SO2R + i] = places[r, RSO2]
                    w[SHARER + i] = places[r, RSHARE]
                    for lu in range(9):
                        w[LUR + lu * STRIDE + i] = receptors.shares[r, lu]
                    w[Z0T + i] = along[0]  # its logarithm where paths cross maps, see chain.process
                    for lu in range(9):
                        w[LUT + lu * STRIDE + i] = along[1 + lu]
                    w[NH3T + i] = along[10]
                    w[SO2T + i] = along[11]
                    w[NO2T + i] = along[12]
                    w[KGIVEN + i] = along[13]
                    chemical = near_road and options.road_chemistry
                    iw[RECEPTOR + i] = r
                    iw[TYPE + i] = index[s, 0]
                    iw[TIMING + i] = index[s, 1]
                    iw[GROUP + i] = index[s, 2]
                    iw[SOURCE + i] = s
                    iw[ROAD + i] = 1 if chemical else 0
                    iw[SLOT + i] = -1
                    if chemical and slot < last_slot and not areas:  # areas would number theirs anew
                        iw[SLOT + i] = slot
                        slot += 1
    if n > 0:
        process(work, n, *given, steps, *result)
    return pairs


@pnjit
def run_pairs(
    parts,
    w,
    iw,
    order,
    fan,
    uses,
    kept,
    sources,
    receptors,
    maps,
    climate,
    substance,
    options,
    road_pass,
    road_ratio,
    out,
    road,
    counts,
):
    """All pairs, receptors in parallel; ``out`` (nr, groups, OUTPUTS) and ``road`` (nr, 12, 3) are added to.

    ``parts`` <= PARTS: pieces of the receptors, chosen by the size of the problem alone. ``w`` (PARTS, row of
    :func:`lanes.workspace`), ``iw`` (PARTS, (INTEGER_ROWS + SCRATCH_ROWS)*STRIDE) and ``order`` (PARTS, STRIDE)
    int64, ``fan`` (PARTS, 27), ``uses`` (PARTS, 2, 10) bool: workspaces. ``road_pass``: 0 without road chemistry,
    1 road pairs alone with the background's NO2/NOx, 2 all pairs with ``road_ratio`` (nr, 12) near roads; pass 1
    keeps in ``kept`` (slots, 6, KEPT) what pass 2 need not compute again, as many road pairs of each receptor as
    there are slots for it.
    Concentrations ug m-3, fluxes ug m-2 h-1; ``road`` holds per sector sum of c P [ug m-3], sum of P and number of
    pairs. ``counts`` (PARTS,) int64: (sub-)source and (sub-)receptor pairs of each part are added.
    """
    total = receptors.values.shape[0]
    for part in prange(parts):
        begin = part * total // parts
        end = (part + 1) * total // parts
        if end > begin:
            work = (w[part], iw[part], order[part], fan[part], uses[part], kept)
            # areas have blocks of their own: one among other lanes would slow them all
            for areas in (False, True):
                counts[part] += _part(
                    begin,
                    end,
                    areas,
                    work,
                    sources,
                    receptors,
                    maps,
                    climate,
                    substance,
                    options,
                    road_pass,
                    road_ratio,
                    out,
                    road,
                )
