"""Delay at signals, priority junctions and bridges, and the timing of signals."""

import numpy as np

from kernels.jit import njit

__all__ = [
    "actuated_delay",
    "actuated_timing",
    "bridge_delay",
    "open_share_of_cycle",
    "opening_delay",
    "priority_capacity",
    "priority_delay",
    "signal_delay",
    "webster_delay",
    "webster_timing",
]

FIXED_TIME = 0.5  # incremental delay factor k of fixed-time control (Highway Capacity Manual 2000, exhibit 16-13)


@njit
def webster_delay(flow, saturation_flow, green, cycle):
    """Mean delay [s] per vehicle at a fixed-time signal with random arrivals (Webster 1958), inf where x >= 1.

    d = C (1 - g)^2 / (2 (1 - g x)) + x^2 / (2 q (1 - x)) - 0.65 (C / q^2)^(1/3) x^(2 + 5 g), with g = green / C and
    x = q / (g s).

    ``flow`` q, ``saturation_flow`` s [vehicles s-1]; ``green``, ``cycle`` C [s].
    """
    if flow <= 0.0:
        return 0.5 * cycle * (1.0 - green / cycle) ** 2
    share = green / cycle
    x = flow / (share * saturation_flow)
    if x >= 1.0:
        return np.inf
    uniform = cycle * (1.0 - share) ** 2 / (2.0 * (1.0 - share * x))
    random = x * x / (2.0 * flow * (1.0 - x))
    return uniform + random - 0.65 * (cycle / flow**2) ** (1.0 / 3.0) * x ** (2.0 + 5.0 * share)


@njit
def signal_delay(flow, saturation_flow, green, cycle, period, k):
    """Mean delay [s] per vehicle that arrives in ``period`` [s], also above capacity.

    d = C (1 - g)^2 / (2 (1 - min(1, x) g)) + T/4 [(x - 1) + sqrt((x - 1)^2 + 8 k x / (c T))]
    - (k / 0.5) 0.65 (C / q^2)^(1/3) min(1, x)^(2 + 5 g), c = g s, no queue at the start: the first two terms are HCM
    2000, eq. 16-9 to 16-12, whose limit for long periods is Webster's second term; the last is Webster's own
    correction of it, so that below saturation the delay is his. Finite and increasing in the flow for every x, so
    that it can be part of an equilibrium's cost.

    ``flow``, ``saturation_flow`` [vehicles s-1]; ``green``, ``cycle`` [s]; ``k`` [1] 0.5 at fixed times, down to 0.04
    where the signal reacts to the vehicles.
    """
    share = green / cycle
    room = share * saturation_flow
    x = flow / room
    below = min(x, 1.0)
    uniform = 0.5 * cycle * (1.0 - share) ** 2 / (1.0 - below * share)
    over = x - 1.0
    random = 0.25 * period * (over + np.sqrt(over * over + 8.0 * k * x / (room * period)))
    # (C / q^2)^(1/3) x^(2 + 5 g) with q = c x: no division by a flow of zero.
    correction = 0.65 * (cycle / room**2) ** (1.0 / 3.0) * below ** (4.0 / 3.0 + 5.0 * share)
    return uniform + random - (k / FIXED_TIME) * correction


@njit
def webster_timing(ratio, lost_time, shortest, longest, green):
    """Cycle [s] of least total delay, C = (1.5 L + 5) / (1 - Y) within bounds (Webster 1958), and its greens.

    ``ratio`` (stage) [1] largest flow over saturation flow in each stage, Y their sum; ``lost_time`` L [s] per cycle;
    ``shortest``, ``longest`` [s]; written: ``green`` (stage) [s], what is left of the cycle in proportion to the
    ratios. From Y = 1 on the cycle is the longest.
    """
    total = ratio.sum()
    cycle = (1.5 * lost_time + 5.0) / (1.0 - total) if total < 1.0 else longest
    cycle = min(max(cycle, shortest), longest)
    for i in range(ratio.shape[0]):
        green[i] = (cycle - lost_time) * (ratio[i] / total if total > 0.0 else 1.0 / ratio.shape[0])
    return cycle


@njit
def actuated_timing(ratio, lost_time, shortest_green, longest_green, saturation, green):
    """Mean cycle [s] and greens of a signal that ends each stage when its queue is gone.

    Each green serves the vehicles of its own cycle at a degree of saturation ``saturation`` (about 0.9 to 0.95):
    g_i = C y_i / saturation within bounds, C = L + sum of g_i, by fixed-point iteration (HCM 2000, appendix B of
    chapter 16). Arguments as in :func:`webster_timing`; ``shortest_green``, ``longest_green`` [s].
    """
    stages = ratio.shape[0]
    cycle = lost_time + stages * shortest_green
    for _ in range(200):
        total = lost_time
        for i in range(stages):
            green[i] = min(max(cycle * ratio[i] / saturation, shortest_green), longest_green)
            total += green[i]
        if abs(total - cycle) < 1e-9 * cycle:
            break
        cycle = total
    return cycle


@njit
def actuated_delay(flow, saturation_flow, green, cycle, longest_green, period):
    """Mean delay [s] per vehicle at a signal that ends a green when its queue is gone, at the latest after the longest.

    The uniform delay of the mean timing (HCM 2000, eq. 16-11), and the incremental delay (eq. 16-12, k = 0.5) at the
    capacity of the longest green: a queue that lasts beyond its green is left over from nothing shorter. Finite and
    increasing in the flow. Close to the mean wait of exhaustive polling (Watson 1984; Boxma and Groenendijk 1987).

    ``flow``, ``saturation_flow`` [vehicles s-1]; ``green``, ``cycle`` [s] of :func:`actuated_timing`;
    ``longest_green``, ``period`` [s].
    """
    share = green / cycle
    below = min(flow / (share * saturation_flow), 1.0)
    uniform = 0.5 * cycle * (1.0 - share) ** 2 / (1.0 - below * share)
    room = saturation_flow * longest_green / (cycle - green + longest_green)
    x = flow / room
    over = x - 1.0
    return uniform + 0.25 * period * (over + np.sqrt(over * over + 8.0 * FIXED_TIME * x / (room * period)))


@njit
def priority_capacity(conflicting, critical_gap, follow_up):
    """Capacity [vehicles s-1] of a stream that waits for gaps (Harders 1968; HCM 2000 eq. 17-3).

    c = v exp(-v t_c) / (1 - exp(-v t_f)), 1 / t_f without conflicting flow. ``conflicting`` v [vehicles s-1];
    ``critical_gap`` t_c, ``follow_up`` t_f [s].
    """
    if conflicting * follow_up < 1e-12:
        return 1.0 / follow_up
    return conflicting * np.exp(-conflicting * critical_gap) / (1.0 - np.exp(-conflicting * follow_up))


@njit
def priority_delay(flow, capacity, period):
    """Mean delay [s] of a stream that waits for gaps: service and queueing (HCM 2000, eq. 17-38 without its 5 s).

    d = 1/c + T/4 [(x - 1) + sqrt((x - 1)^2 + 8 x / (c T))]. ``flow``, ``capacity`` c [vehicles s-1]; ``period`` T [s].
    """
    over = flow / capacity - 1.0
    return 1.0 / capacity + 0.25 * period * (over + np.sqrt(over * over + 8.0 * (over + 1.0) / (capacity * period)))


@njit
def bridge_delay(flow, saturation_flow, closed, interval):
    """Mean delay [s] per vehicle at a bridge closed for ``closed`` s once per ``interval`` s, queue gone in between.

    s q r^2 / (2 (s - q)) vehicle seconds per opening, over the q T vehicles of the interval; inf where the queue
    does not dissolve. ``flow``, ``saturation_flow`` [vehicles s-1].
    """
    if flow * interval >= saturation_flow * (interval - closed):
        return np.inf
    return saturation_flow * closed * closed / (2.0 * (saturation_flow - flow) * interval)


@njit
def opening_delay(flow, saturation_flow, closed, period):
    """Mean delay [s] per vehicle at a bridge that is closed for each of ``closed`` (opening) [s] within ``period`` [s].

    Each opening costs s q r^2 / (2 (s - q)) vehicle seconds, as :func:`bridge_delay`, its queue gone before the next.
    Where the flow exceeds what the open time lets through, c = s (1 - sum of r / T), the delay at c and that of a
    queue that grows all the period, T/2 (q/c - 1), so that it stays finite and increasing in the flow.

    ``flow`` q, ``saturation_flow`` s [vehicles s-1].
    """
    capacity = saturation_flow * (1.0 - closed.sum() / period)
    served = min(flow, capacity)
    delay = 0.0
    for r in closed:
        delay += saturation_flow * r * r / (2.0 * (saturation_flow - served) * period)
    return delay + 0.5 * period * max(flow / capacity - 1.0, 0.0)


def open_share_of_cycle(green_start: float, green: float, cycle: float, dt: float, steps: int) -> np.ndarray:
    """Open share (step) of each sub-step for a link behind a fixed-time signal; see ``link_transmission.advance``.

    Green lasts ``green`` s from ``green_start`` s on in each ``cycle`` s; ``dt`` [s] sub-step.
    """
    edges = np.arange(steps + 1) * dt - green_start
    passed = np.floor(edges / cycle) * green + np.minimum(edges % cycle, green)
    return np.diff(passed) / dt
