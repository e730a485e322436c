"""Congestion of assets and voltages of buses over time, summed batch by batch so that a year need not be held.

Arrays lie as (asset, step), as a batch of power flows leaves them; each asset is summed on its own, in order of time,
so that neither threads nor the division into batches change a record.
"""

import numpy as np

from kernels.jit import pnjit, prange
from kernels.power.status import OK

__all__ = ["FULL", "HEAVY", "accumulate_loading", "accumulate_voltage", "age", "unserved"]

FULL, HEAVY = 1.0, 1.2
"""Loading over rating above which an hour counts as overloaded, and as heavily overloaded."""

# Oil-immersed distribution transformer, natural cooling (IEC 60076-7, general knowledge of the standard):
LOSS_RATIO = 5.0  # load loss over no-load loss at rating
TOP_OIL_RISE = 55.0  # K at rating
OIL_EXPONENT = 0.8
HOT_SPOT_RISE = 23.0  # K above top oil at rating
WINDING_EXPONENT = 1.6
REFERENCE = 98.0  # degC hot spot of normal ageing, paper not thermally upgraded; 6 K more doubles it
DOUBLING = 6.0  # K


@pnjit
def accumulate_loading(loading, rated, hours, full, heavy, highest, running, longest, lost, unknown):
    """Add steps to the congestion record of each asset; in place.

    ``full`` += hours where loading > 1, ``heavy`` where > 1.2; ``highest`` loading; ``longest`` run of consecutive
    overloaded hours, ``running`` the one that has not ended; ``lost`` += max(0, loading - 1) * rated * hours, the
    energy that the rating does not let through; ``unknown`` += hours of steps that were not solved (NaN): they count
    for nothing else and end a run. The result is that of all steps at once, however they are divided over calls.

    ``loading`` (asset, step) [1], ``rated`` (asset) [MVA], ``hours`` (step) [h]; records (asset): ``full``,
    ``heavy``, ``running``, ``longest``, ``unknown`` [h], ``highest`` [1], ``lost`` [MVA h].
    """
    for a in prange(loading.shape[0]):
        for k in range(loading.shape[1]):
            length, value = hours[k], loading[a, k]
            if not np.isfinite(value):
                unknown[a] += length
                running[a] = 0.0
                continue
            highest[a] = max(highest[a], value)
            if value > FULL:
                full[a] += length
                running[a] += length
                longest[a] = max(longest[a], running[a])
                lost[a] += (value - FULL) * rated[a] * length
                if value > HEAVY:
                    heavy[a] += length
            else:
                running[a] = 0.0


@pnjit
def accumulate_voltage(voltage, hours, low, high, below, above, lowest, highest, unknown):
    """Add steps to the voltage record of each bus; in place.

    ``below`` += hours under ``low``, ``above`` over ``high`` [pu]; extremes; ``unknown`` += hours of steps that were
    not solved. ``voltage`` (bus, step) [pu], ``hours`` (step) [h]; records (bus): ``below``, ``above``, ``unknown``
    [h], ``lowest``, ``highest`` [pu].
    """
    for b in prange(voltage.shape[0]):
        for k in range(voltage.shape[1]):
            value = voltage[b, k]
            if not np.isfinite(value):
                unknown[b] += hours[k]
                continue
            lowest[b] = min(lowest[b], value)
            highest[b] = max(highest[b], value)
            if value < low:
                below[b] += hours[k]
            elif value > high:
                above[b] += hours[k]


@pnjit
def age(loading, ambient, hours, aged):
    """Add steps to the ageing of each transformer; in place.

    Relative ageing ``V = 2^((hot spot - 98) / 6)`` with the steady hot spot
    ``ambient + 55 ((1 + R K^2) / (1 + R))^0.8 + 23 K^1.6`` at loading K (IEC 60076-7, oil-immersed, natural cooling;
    no thermal inertia, so short peaks are over-estimated). ``aged`` += V * hours: hours of normal life used; steps
    that were not solved use none. ``loading`` (asset, step) [1], ``ambient`` (step) [degC], ``hours`` (step) [h],
    ``aged`` (asset) [h].
    """
    for a in prange(loading.shape[0]):
        for k in range(loading.shape[1]):
            value = loading[a, k]
            if not np.isfinite(value):
                continue
            oil = TOP_OIL_RISE * ((1.0 + LOSS_RATIO * value * value) / (1.0 + LOSS_RATIO)) ** OIL_EXPONENT
            hot = ambient[k] + oil + HOT_SPOT_RISE * abs(value) ** WINDING_EXPONENT
            aged[a] += 2.0 ** ((hot - REFERENCE) / DOUBLING) * hours[k]


@pnjit
def unserved(status, load, block_of_bus, hours, solved, energy):
    """Energy of load that found no supply, by bus; in place.

    ``energy`` (bus) [MWh] += max(load, 0) * hours where the bus's block was not solved, or, at a bus without a
    source (block -1, not ``solved``), always. ``status`` (block, step), ``load`` (bus, step) [MW], ``hours`` (step)
    [h], ``solved`` (bus) 1 at sources.
    """
    for b in prange(load.shape[0]):
        block = block_of_bus[b]
        if block < 0 and solved[b]:
            continue
        for k in range(load.shape[1]):
            if block < 0 or status[block, k] != OK:
                energy[b] += max(load[b, k], 0.0) * hours[k]
