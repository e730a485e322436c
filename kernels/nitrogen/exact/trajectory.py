"""What lies between source and receptor: means over the points of a straight path through the maps.

Source: Van Jaarsveld (2004), RIVM report 500045001.
"""

import math

from kernels.jit import fused_njit

__all__ = ["ALONG", "trajectory"]

ALONG = 14  # what lies on a path

_PATH = 21  # points of a trajectory


@fused_njit(forceinline=True)
def _cell(frame, x, y, ny, nx):
    """Row and column of a map cell; (-1, -1) outside. ``frame`` x left, y top, cell size x and y [m]."""
    column = math.floor((x - frame[0]) / frame[2])
    row = math.floor((frame[1] - y) / frame[3])
    if column < 0 or row < 0 or column >= nx or row >= ny:
        return -1, -1
    return row, column


@fused_njit
def trajectory(sx, sy, rx, ry, maps, given_rate, along):
    """Means over 21 points from receptor to source: ``along`` (ALONG,) is filled.

    ln z0, shares of 9 land uses, background (NH3, SO2, NO2) and conversion rate: of maps the quotient of the means of
    converted mass and precursor (nitrogen.md 3.9), else ``given_rate``.
    """
    log_z0, use, back, back_mean = maps.log_z0, maps.use, maps.back, maps.back_mean
    rough, one_background = log_z0.size > 1, back[0].size == 1
    z0_frame, use_frame = maps.z0_frame, maps.use_frame
    alike = log_z0.shape == use.shape and (
        z0_frame[0] == use_frame[0]
        and z0_frame[1] == use_frame[1]
        and z0_frame[2] == use_frame[2]
        and z0_frame[3] == use_frame[3]
    )
    total = 0.0
    nh3 = so2 = no2 = converted = precursor = 0.0
    along[1:10] = 0.0
    for j in range(_PATH):
        f = j / (_PATH - 1.0)
        x = rx + f * (sx - rx)
        y = ry + f * (sy - ry)
        row = column = 0
        if rough:
            row, column = _cell(z0_frame, x, y, log_z0.shape[0], log_z0.shape[1])
        total += log_z0[max(row, 0), max(column, 0)]
        if not alike:
            row, column = _cell(use_frame, x, y, use.shape[0], use.shape[1])
        along[use[max(row, 0), max(column, 0)]] += 1.0 / _PATH
        if one_background:
            continue
        row, column = _cell(maps.back_frame, x, y, back.shape[1], back.shape[2])
        for b in range(back.shape[0]):
            value = back_mean[b] if row < 0 else back[b, row, column]
            value = value if value > 0.0 else back_mean[b]
            if b == 0:
                nh3 += value
            elif b == 1:
                so2 += value
            elif b == 2:
                no2 += value
            elif b == 3:
                converted += value
            else:
                precursor += value
    along[0] = total / _PATH
    along[10] = back_mean[0] if one_background else nh3 / _PATH
    along[11] = back_mean[1] if one_background else so2 / _PATH
    along[12] = back_mean[2] if one_background else no2 / _PATH
    along[13] = given_rate
    if back.shape[0] > 3:
        along[13] = back_mean[3] / back_mean[4] if one_background else converted / precursor
