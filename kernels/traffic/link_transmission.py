"""Link transmission model: queues that grow, spill back and dissolve, in sub-steps of a few seconds.

Yperman (2007), "The link transmission model for dynamic network loading": each link keeps the cumulative counts of
vehicles that entered and left, N_in(t) and N_out(t), and passes kinematic waves of a triangular fundamental diagram
(free speed u, backward wave speed w, jam density k_j, capacity q_c <= k_j u w / (u + w)) exactly between its ends:

    sending    S(t) = min(q_c dt, N_in(t + dt - L/u) - N_out(t))
    receiving  R(t) = min(q_c dt, N_out(t + dt - L/w) + k_j L - N_in(t))

with both curves linear between sub-steps. At a node all ends compete by the oriented-capacity-proportional model of
Tampere et al. (2011). Commodities (destinations, or origins) leave a link in the order in which they entered (FIFO).
A link shorter than u dt is a point queue: it is passed in one sub-step, and its storage is at least what that needs.

A commodity's vehicles that reach a node take each movement with the given share; what the shares leave over ends
there. Demand that finds no room waits in a vertical queue at its node and enters the node model as one more end.
"""

from typing import NamedTuple

import numpy as np

from kernels.jit import njit

__all__ = [
    "Loading",
    "advance",
    "build_loading",
    "commodity_on_links",
    "movement_shares",
    "node_model",
    "queue_tails",
    "stagnation_share",
    "waiting",
]

_CAP_PASSES = 4  # repairs of a receiving flow that the mix of commodities exceeds


class Loading(NamedTuple):
    """Network, state and workspace of a dynamic loading; see :func:`build_loading`.

    The arrays from ``now`` to ``bin_mix`` are the state that a checkpoint must hold; measures add up until the
    caller sets them to zero; all else follows from the network or from one sub-step.
    """

    # network
    dt: float  # sub-step [s]
    creep: float  # share of the capacity that a full link still takes in
    tail: np.ndarray  # (link,) node
    head: np.ndarray  # (link,)
    length: np.ndarray  # (link,) [m]
    outflow_capacity: np.ndarray  # (link,) [vehicles s-1] at the downstream end; the caller may change it
    inflow_capacity: np.ndarray  # (link,) [vehicles s-1] at the upstream end
    storage: np.ndarray  # (link,) k_j L [vehicles]
    jam_density: np.ndarray  # (link,) [vehicles m-1]
    per_wave: np.ndarray  # (link,) 1 / (w dt) [m-1]: what leaves in a sub-step lowers the queue's density so much
    per_length: np.ndarray  # (link,) [m-1]
    origin_capacity: np.ndarray  # (node,) [vehicles s-1] of the demand that enters there
    free_steps: np.ndarray  # (link,) L / (u dt) rounded up, 0 for a point queue
    free_rest: np.ndarray  # (link,) what the rounding added
    wave_steps: np.ndarray  # (link,) L / (w dt) rounded up, 0 for a point queue
    wave_rest: np.ndarray  # (link,) what the rounding added
    in_start: np.ndarray  # (node + 1,) incoming links of a node
    in_link: np.ndarray
    out_start: np.ndarray  # (node + 1,) outgoing links of a node
    out_link: np.ndarray
    move_start: np.ndarray  # (node + 1,) movements of a node: (incoming links, then demand) x outgoing links
    ring_start: np.ndarray  # (link,) of the histories of the counts
    ring_mask: np.ndarray  # (link,) size - 1, a power of two less one
    bin_start: np.ndarray  # (link,) of the bins of commodities
    bin_mask: np.ndarray  # (link,)
    # state
    now: np.ndarray  # (1,) sub-steps done
    entered: np.ndarray  # (link,) N_in
    left: np.ndarray  # (link,) N_out
    entered_ring: np.ndarray
    left_ring: np.ndarray
    vertical: np.ndarray  # (link,) vehicles that could have left and did not
    bin_first: np.ndarray  # (link,) number of the oldest bin that still holds vehicles
    bin_next: np.ndarray  # (link,) number of the bin to be opened next
    bin_from: np.ndarray  # (bin,) N_in at the front of the bin
    bin_to: np.ndarray  # (bin,) N_in at its back
    bin_mix: np.ndarray  # (bin, commodity) [vehicles]
    queue: np.ndarray  # (node, commodity) vehicles of the demand that wait to enter
    # measures
    ended: np.ndarray  # (node, commodity) vehicles that ended their trip there
    started: np.ndarray  # (node, commodity) vehicles that entered the network there
    delay: np.ndarray  # (link,) integral of the vehicles that could have left [vehicle s]
    travel: np.ndarray  # (link,) integral of the vehicles on the link [vehicle s]
    waited: np.ndarray  # (node,) integral of the waiting demand [vehicle s]
    jam_distance: np.ndarray  # (link,) vehicle metres in queues
    free_distance: np.ndarray  # (link,) vehicle metres outside them
    queue_length: np.ndarray  # (link,) physical queue at the end of the last sub-step [m]
    # workspace
    arrived: np.ndarray  # (link,) N_in(t + dt - L/u): what could have left by the end of the sub-step
    sending: np.ndarray  # (link,)
    receiving: np.ndarray
    inflow: np.ndarray
    outflow: np.ndarray
    mix: np.ndarray  # (link, commodity) of the sending, then of the leaving vehicles
    arriving: np.ndarray  # (link, commodity) of the entering vehicles
    node_sending: np.ndarray  # (largest node's ends,) and below
    node_capacity: np.ndarray
    node_fraction: np.ndarray
    node_receiving: np.ndarray
    node_theta: np.ndarray
    node_room: np.ndarray
    node_open: np.ndarray
    node_flow: np.ndarray
    origin_mix: np.ndarray  # (commodity,)


def build_loading(
    tail: np.ndarray,
    head: np.ndarray,
    nodes: int,
    length: np.ndarray,
    free_speed: np.ndarray,
    wave_speed: np.ndarray,
    jam_density: np.ndarray,
    capacity: np.ndarray,
    *,
    dt: float,
    commodities: int = 1,
    origin_capacity: np.ndarray | None = None,
    creep: float = 0.0,
) -> Loading:
    """Empty network: ``tail``, ``head`` (link) nodes; ``length`` (link) [m]; ``free_speed``, ``wave_speed`` (link)
    [m s-1]; ``jam_density`` (link) [vehicles m-1]; ``capacity`` (link) [vehicles s-1]; ``dt`` sub-step [s].

    ``capacity`` may lie below the triangle's own k_j u w / (u + w) (a flat top), never above it: it is cut there.
    ``origin_capacity`` (node) [vehicles s-1] limits the demand that enters at a node; by default it is the sum of
    the capacities of its outgoing links. ``creep`` is the share of its capacity that a full link still takes in: 0
    is strict spillback, 1 lets queues stand on top of each other at their bottleneck; between them a ring of full
    links, in which nobody could move for ever, dissolves.
    """
    m = len(tail)
    tail, head = tail.astype(np.int32), head.astype(np.int32)
    # Copies: read-only views would be another type, for which the kernel would be compiled a second time.
    length, u, w, k = (np.array(a, dtype=np.float64) for a in (length, free_speed, wave_speed, jam_density))
    q = np.minimum(np.asarray(capacity, dtype=np.float64), k * u * w / (u + w))
    lag_free, lag_wave = length / (u * dt), length / (w * dt)
    point = (lag_free < 1.0 - 1e-12) | (lag_wave < 1.0 - 1e-12)
    lag_free, lag_wave = np.where(point, 0.0, lag_free), np.where(point, 0.0, lag_wave)
    # A point queue holds a sub-step's inflow while it lets the one before out.
    storage = np.where(point, np.maximum(k * length, 2.0 * q * dt), k * length)
    ring = _power_of_two(np.ceil(np.maximum(lag_free, lag_wave)) + 2.0)
    bins = _power_of_two(np.ceil(np.maximum(lag_free, lag_wave)) + 4.0) if commodities > 1 else np.ones(m, np.int64)
    in_start, in_link = _by_node(head, nodes)
    out_start, out_link = _by_node(tail, nodes)
    ways_in, ways_out = np.diff(in_start) + 1, np.diff(out_start)
    move_start = np.concatenate(([0], np.cumsum(ways_in * ways_out)))
    if origin_capacity is None:
        origin_capacity = np.bincount(tail, q, minlength=nodes)
    wide_in, wide_out = int(ways_in.max()), max(int(ways_out.max()), 1)
    ring_start = np.concatenate(([0], np.cumsum(ring)))
    bin_start = np.concatenate(([0], np.cumsum(bins)))
    zero_links = [np.zeros(m) for _ in range(13)]
    return Loading(
        dt=float(dt),
        creep=float(creep),
        tail=tail,
        head=head,
        length=length,
        outflow_capacity=q.copy(),
        inflow_capacity=q.copy(),
        storage=storage,
        jam_density=k,
        per_wave=1.0 / (w * dt),
        per_length=1.0 / length,
        origin_capacity=np.array(origin_capacity, dtype=np.float64),
        free_steps=np.ceil(lag_free).astype(np.int64),
        free_rest=np.ceil(lag_free) - lag_free,
        wave_steps=np.ceil(lag_wave).astype(np.int64),
        wave_rest=np.ceil(lag_wave) - lag_wave,
        in_start=in_start,
        in_link=in_link,
        out_start=out_start,
        out_link=out_link,
        move_start=move_start,
        ring_start=ring_start[:-1].copy(),
        ring_mask=ring - 1,
        bin_start=bin_start[:-1].copy(),
        bin_mask=bins - 1,
        now=np.zeros(1, np.int64),
        entered=zero_links[0],
        left=zero_links[1],
        entered_ring=np.zeros(ring_start[-1]),
        left_ring=np.zeros(ring_start[-1]),
        vertical=zero_links[2],
        bin_first=np.zeros(m, np.int64),
        bin_next=np.zeros(m, np.int64),
        bin_from=np.zeros(bin_start[-1]),
        bin_to=np.zeros(bin_start[-1]),
        bin_mix=np.zeros((bin_start[-1], commodities)),
        queue=np.zeros((nodes, commodities)),
        ended=np.zeros((nodes, commodities)),
        started=np.zeros((nodes, commodities)),
        delay=zero_links[3],
        travel=zero_links[4],
        waited=np.zeros(nodes),
        jam_distance=zero_links[5],
        free_distance=zero_links[6],
        queue_length=zero_links[7],
        arrived=zero_links[12],
        sending=zero_links[8],
        receiving=zero_links[9],
        inflow=zero_links[10],
        outflow=zero_links[11],
        mix=np.zeros((m, commodities)),
        arriving=np.zeros((m, commodities)),
        node_sending=np.zeros(wide_in),
        node_capacity=np.zeros(wide_in),
        node_fraction=np.zeros((wide_in, wide_out)),
        node_receiving=np.zeros(wide_out),
        node_theta=np.zeros(wide_in),
        node_room=np.zeros(wide_out),
        node_open=np.zeros(wide_in, np.bool_),
        node_flow=np.zeros(wide_out),
        origin_mix=np.zeros(commodities),
    )


def _power_of_two(least: np.ndarray) -> np.ndarray:
    return (2 ** np.ceil(np.log2(least))).astype(np.int64)


def _by_node(node: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    start = np.concatenate(([0], np.cumsum(np.bincount(node, minlength=nodes)))).astype(np.int32)
    return start, np.argsort(node, kind="stable").astype(np.int32)


def movement_shares(loading: Loading, link_share: np.ndarray) -> np.ndarray:
    """Shares (movement, commodity) from shares (link, commodity) of the vehicles at a link's tail that take it.

    Every way into the node gets the same shares; what they leave over below 1 ends its trip at the node.
    """
    out = np.zeros((loading.move_start[-1], link_share.shape[1]))
    for node in range(len(loading.in_start) - 1):
        links = loading.out_link[loading.out_start[node] : loading.out_start[node + 1]]
        ways = loading.in_start[node + 1] - loading.in_start[node] + 1
        out[loading.move_start[node] : loading.move_start[node + 1]] = np.tile(link_share[links], (ways, 1))
    return out


@njit(inline="always")
def node_model(ways_in, ways_out, sending, capacity, fraction, receiving, theta, room, undecided):
    """First-order node model of Tampere et al. (2011), oriented capacities C_ij = f_ij C_i.

    Each way in i sends S_i, of which f_ij to way out j; FIFO keeps the ratios, so that one factor theta_i says how
    much of S_i passes. The most competed-for way out, with the smallest a_j = R_j / sum of C_ij, decides: ways in
    that send less than a_j C_i pass whole, else all ways in that use it pass a_j C_i.

    Only the first ``ways_in``, ``ways_out`` entries count. ``sending``, ``capacity`` (way in), ``fraction`` (way in,
    way out), ``receiving`` (way out), all in vehicles per sub-step; written: ``theta`` (way in); workspace: ``room``
    (way out), ``undecided`` (way in) bool.
    """
    left = 0
    for j in range(ways_out):
        room[j] = receiving[j]
    for i in range(ways_in):
        theta[i] = 1.0
        uses = False
        for j in range(ways_out):
            uses = uses or fraction[i, j] > 0.0
        undecided[i] = sending[i] > 0.0 and uses
        if undecided[i]:
            left += 1
    while left > 0:
        least = np.inf
        tightest = -1
        for j in range(ways_out):
            wanted = 0.0
            for i in range(ways_in):
                if undecided[i]:
                    wanted += fraction[i, j] * capacity[i]
            if wanted > 0.0 and room[j] / wanted < least:
                least = room[j] / wanted
                tightest = j
        if tightest < 0:
            break
        passed = False
        for i in range(ways_in):  # limited by their own demand
            if undecided[i] and fraction[i, tightest] > 0.0 and sending[i] <= least * capacity[i]:
                passed = True
        for i in range(ways_in):
            if not (undecided[i] and fraction[i, tightest] > 0.0):
                continue
            if passed and sending[i] > least * capacity[i]:
                continue
            if not passed:  # limited by the room ahead
                theta[i] = min(max(least, 0.0) * capacity[i] / sending[i], 1.0)
            undecided[i] = False
            left -= 1
            for j in range(ways_out):
                room[j] = max(room[j] - theta[i] * sending[i] * fraction[i, j], 0.0)


@njit(inline="always")
def _at(ring, start, mask, step, steps, rest):
    """Cumulative count at time ``step - steps + rest`` (in sub-steps), linear between them; 0 before the start."""
    k = step - steps
    before = ring[start + (k & mask)] if k >= 0 else 0.0
    if rest <= 0.0:
        return before
    after = ring[start + ((k + 1) & mask)] if k >= -1 else 0.0
    return before + rest * (after - before)


@njit
def _ends(x, open_share):
    """Sending and receiving flow of every link in this sub-step."""
    step = x.now[0] + 1
    for i in range(x.tail.shape[0]):
        start = x.ring_start[i]
        mask = x.ring_mask[i]
        if x.free_steps[i] > 0:
            arrived = _at(x.entered_ring, start, mask, step, x.free_steps[i], x.free_rest[i])
            freed = _at(x.left_ring, start, mask, step, x.wave_steps[i], x.wave_rest[i])
        else:  # a point queue gives what was in it before the sub-step
            arrived = x.entered[i]
            freed = x.left[i]
        x.arrived[i] = arrived
        s = min(x.outflow_capacity[i] * x.dt, arrived - x.left[i]) * open_share[i]
        x.sending[i] = max(s, 0.0)
        room = min(x.inflow_capacity[i] * x.dt, freed + x.storage[i] - x.entered[i])
        x.receiving[i] = max(room, x.creep * x.inflow_capacity[i] * x.dt)


@njit
def _front(x, i, amount):
    """Mix of the first ``amount`` vehicles on link i, added into ``x.mix[i]``: what entered first leaves first."""
    commodities = x.mix.shape[1]
    for c in range(commodities):
        x.mix[i, c] = 0.0
    low = x.left[i]
    high = low + amount
    for k in range(x.bin_first[i], x.bin_next[i]):
        b = x.bin_start[i] + (k & x.bin_mask[i])
        if x.bin_from[b] >= high:
            break
        size = x.bin_to[b] - x.bin_from[b]
        part = min(high, x.bin_to[b]) - max(low, x.bin_from[b])
        if part > 0.0:
            share = part / size
            for c in range(commodities):
                x.mix[i, c] += share * x.bin_mix[b, c]


@njit
def _nodes_single(x, turn, demand):
    """All nodes for one commodity: outflow and inflow of every link, demand that enters, vehicles that end."""
    dt = x.dt
    for node in range(x.in_start.shape[0] - 1):
        first = x.in_start[node]
        ways = x.in_start[node + 1] - first
        out_first = x.out_start[node]
        outs = x.out_start[node + 1] - out_first
        base = x.move_start[node]
        waiting_total = x.queue[node, 0] + demand[node, 0] * dt
        origin = min(waiting_total, x.origin_capacity[node] * dt)
        for b in range(outs):
            x.node_flow[b] = 0.0
        for a in range(ways + 1):
            send = x.sending[x.in_link[first + a]] if a < ways else origin
            x.node_sending[a] = send
            if send > 0.0:
                for b in range(outs):
                    x.node_flow[b] += send * turn[base + a * outs + b, 0]
        # Only ways out that are asked for more than they take can hold anyone back: the node model needs no others.
        crowded = 0
        for b in range(outs):
            room = x.receiving[x.out_link[out_first + b]]
            if x.node_flow[b] > room:
                x.node_receiving[crowded] = room
                for a in range(ways + 1):
                    x.node_fraction[a, crowded] = turn[base + a * outs + b, 0]
                crowded += 1
        entering = origin
        if crowded == 0:
            total = 0.0
            for a in range(ways):
                x.outflow[x.in_link[first + a]] = x.node_sending[a]
                total += x.node_sending[a]
            total += origin
            for b in range(outs):
                x.arriving[x.out_link[out_first + b], 0] = x.node_flow[b]
                total -= x.node_flow[b]
        else:
            for b in range(outs):
                x.node_flow[b] = 0.0
            for a in range(ways):
                x.node_capacity[a] = x.outflow_capacity[x.in_link[first + a]] * dt
            x.node_capacity[ways] = x.origin_capacity[node] * dt
            node_model(
                ways + 1,
                crowded,
                x.node_sending,
                x.node_capacity,
                x.node_fraction,
                x.node_receiving,
                x.node_theta,
                x.node_room,
                x.node_open,
            )
            total = 0.0
            for a in range(ways + 1):
                flow = x.node_theta[a] * x.node_sending[a]
                total += flow
                if a < ways:
                    x.outflow[x.in_link[first + a]] = flow
                else:
                    entering = flow
                if flow > 0.0:
                    for b in range(outs):
                        x.node_flow[b] += flow * turn[base + a * outs + b, 0]
            for b in range(outs):
                x.arriving[x.out_link[out_first + b], 0] = x.node_flow[b]
                total -= x.node_flow[b]
        had = x.queue[node, 0]
        x.queue[node, 0] = waiting_total - entering
        x.waited[node] += 0.5 * dt * (had + x.queue[node, 0])
        x.started[node, 0] += entering
        x.ended[node, 0] += total


@njit
def _nodes(x, turn, demand):
    """All nodes for several commodities: outflow of links, mix of the vehicles that leave, inflow per commodity."""
    commodities = turn.shape[1]
    for node in range(x.in_start.shape[0] - 1):
        first = x.in_start[node]
        ways = x.in_start[node + 1] - first
        out_first = x.out_start[node]
        outs = x.out_start[node + 1] - out_first
        base = x.move_start[node]
        # The demand of the node is its last way in: what waits and what comes in the sub-step.
        waiting_total = 0.0
        had = 0.0
        for c in range(commodities):
            had += x.queue[node, c]
            x.origin_mix[c] = x.queue[node, c] + demand[node, c] * x.dt
            waiting_total += x.origin_mix[c]
        origin = min(waiting_total, x.origin_capacity[node] * x.dt)
        any_sending = origin > 0.0
        for a in range(ways):
            i = x.in_link[first + a]
            x.node_sending[a] = x.sending[i]
            x.node_capacity[a] = x.outflow_capacity[i] * x.dt
            any_sending = any_sending or x.sending[i] > 0.0
            x.outflow[i] = 0.0
        if not any_sending:
            continue
        x.node_sending[ways] = origin
        x.node_capacity[ways] = x.origin_capacity[node] * x.dt
        for b in range(outs):
            x.node_receiving[b] = x.receiving[x.out_link[out_first + b]]
            x.node_flow[b] = 0.0
        for a in range(ways + 1):
            row = base + a * outs
            x.node_theta[a] = 1.0
            send = x.node_sending[a]
            if not send > 0.0:
                for b in range(outs):
                    x.node_fraction[a, b] = 0.0
                continue
            if a < ways:
                i = x.in_link[first + a]
                _front(x, i, send)
                for b in range(outs):
                    amount = 0.0
                    for c in range(commodities):
                        amount += x.mix[i, c] * turn[row + b, c]
                    x.node_fraction[a, b] = amount / send
                    x.node_flow[b] += amount
            else:
                for b in range(outs):
                    amount = 0.0
                    for c in range(commodities):
                        amount += x.origin_mix[c] * turn[row + b, c]
                    amount *= send / waiting_total
                    x.node_fraction[a, b] = amount / send
                    x.node_flow[b] += amount
        crowded = False
        for b in range(outs):
            crowded = crowded or x.node_flow[b] > x.node_receiving[b]
        if crowded:
            node_model(
                ways + 1,
                outs,
                x.node_sending,
                x.node_capacity,
                x.node_fraction,
                x.node_receiving,
                x.node_theta,
                x.node_room,
                x.node_open,
            )
            _cap(x, node, turn, ways, outs)
        for a in range(ways):
            x.outflow[x.in_link[first + a]] = x.node_theta[a] * x.node_sending[a]
        share = x.node_theta[ways] * origin / waiting_total if waiting_total > 0.0 else 0.0
        has = 0.0
        for c in range(commodities):
            entering = share * x.origin_mix[c]
            x.queue[node, c] = x.origin_mix[c] - entering
            has += x.queue[node, c]
            x.started[node, c] += entering
            x.origin_mix[c] = entering
        x.waited[node] += 0.5 * x.dt * (had + has)
        for a in range(ways + 1):
            if not x.node_sending[a] > 0.0:
                continue
            row = base + a * outs
            i = x.in_link[first + a] if a < ways else 0
            for c in range(commodities):
                amount = x.mix[i, c] if a < ways else x.origin_mix[c]
                if amount > 0.0:
                    through = 0.0
                    for b in range(outs):
                        part = amount * turn[row + b, c]
                        x.arriving[x.out_link[out_first + b], c] += part
                        through += part
                    # Shares that add up to 1 but for rounding end no trip.
                    if through < amount * (1.0 - 1e-12):
                        x.ended[node, c] += amount - through


@njit
def _cap(x, node, turn, ways, outs):
    """The first vehicles to leave are mixed otherwise than all that could: hold back where a way out overflows."""
    commodities = turn.shape[1]
    first = x.in_start[node]
    base = x.move_start[node]
    for a in range(ways):
        if x.node_theta[a] < 1.0:
            _front(x, x.in_link[first + a], x.node_theta[a] * x.node_sending[a])
    for _ in range(_CAP_PASSES):
        for b in range(outs):
            x.node_flow[b] = x.node_theta[ways] * x.node_sending[ways] * x.node_fraction[ways, b]
        for a in range(ways):
            row = base + a * outs
            i = x.in_link[first + a]
            if x.node_sending[a] > 0.0:
                for b in range(outs):
                    for c in range(commodities):
                        x.node_flow[b] += x.mix[i, c] * turn[row + b, c]
        over = False
        for b in range(outs):
            x.node_room[b] = 1.0
            if x.node_flow[b] > x.node_receiving[b] * (1.0 + 1e-12):
                x.node_room[b] = x.node_receiving[b] / x.node_flow[b]
                over = True
        if not over:
            return
        for a in range(ways):
            row = base + a * outs
            i = x.in_link[first + a]
            hold = 1.0
            for b in range(outs):
                if x.node_room[b] < hold:
                    for c in range(commodities):
                        if x.mix[i, c] * turn[row + b, c] > 0.0:
                            hold = min(hold, x.node_room[b])
            if hold < 1.0 and x.node_sending[a] > 0.0:
                x.node_theta[a] *= hold
                _front(x, i, x.node_theta[a] * x.node_sending[a])
        for b in range(outs):
            if x.node_room[b] < 1.0 and x.node_fraction[ways, b] > 0.0:
                x.node_theta[ways] = min(x.node_theta[ways], x.node_theta[ways] * x.node_room[b])


@njit
def _move(x, single):
    """Advance the counts, the histories and the bins of every link, and the measures."""
    commodities = x.mix.shape[1]
    step = x.now[0] + 1
    for i in range(x.tail.shape[0]):
        if single:
            inflow = x.arriving[i, 0]
        else:
            inflow = 0.0
            for c in range(commodities):
                inflow += x.arriving[i, c]
        x.inflow[i] = inflow
        before = x.entered[i]
        on_link = before - x.left[i]
        x.entered[i] += inflow
        x.left[i] += x.outflow[i]
        ring = x.ring_start[i] + (step & x.ring_mask[i])
        x.entered_ring[ring] = x.entered[i]
        x.left_ring[ring] = x.left[i]
        if not single:
            while x.bin_first[i] < x.bin_next[i]:
                b = x.bin_start[i] + (x.bin_first[i] & x.bin_mask[i])
                if x.bin_to[b] > x.left[i]:
                    break
                x.bin_first[i] += 1
            if inflow > 0.0:
                full = x.bin_next[i] - x.bin_first[i] > x.bin_mask[i]
                if not full:
                    b = x.bin_start[i] + (x.bin_next[i] & x.bin_mask[i])
                    x.bin_next[i] += 1
                    x.bin_from[b] = before
                    for c in range(commodities):
                        x.bin_mix[b, c] = x.arriving[i, c]
                else:  # no bin left: the youngest takes more vehicles and keeps its average mix
                    b = x.bin_start[i] + ((x.bin_next[i] - 1) & x.bin_mask[i])
                    for c in range(commodities):
                        x.bin_mix[b, c] += x.arriving[i, c]
                x.bin_to[b] = x.entered[i]
        x.travel[i] += 0.5 * x.dt * (on_link + x.entered[i] - x.left[i])
        arrived = x.arrived[i]
        vertical = max(arrived - x.left[i], 0.0)
        x.delay[i] += 0.5 * x.dt * (x.vertical[i] + vertical)
        x.vertical[i] = vertical
        queue = 0.0
        if vertical > 1e-9:
            # Physical queue: behind the exit at density k_j - q / w, ahead of it free-flowing vehicles.
            dense = x.jam_density[i] - x.outflow[i] * x.per_wave[i]
            free = (x.entered[i] - arrived) * x.per_length[i]
            if dense > free:
                queue = min(vertical / (dense - free), x.length[i])
        x.queue_length[i] = queue
        x.jam_distance[i] += x.outflow[i] * queue
        x.free_distance[i] += inflow * (x.length[i] - queue)
        if not single:  # one commodity's node loop sets every entry anew
            for c in range(commodities):
                x.arriving[i, c] = 0.0


@njit
def advance(x, turn, demand, open_share, steps):
    """Load ``steps`` sub-steps; the state goes on from where the last call left it.

    ``turn`` (movement, commodity) [1] shares of the vehicles on a way in that take each way out, in the order of
    ``x.move_start``: per node the incoming links of ``x.in_link``, then the node's own demand, each with all outgoing
    links of ``x.out_link``; ``demand`` (node, commodity) [vehicles s-1]; ``open_share`` (step or 1, link) [1] share
    of each sub-step in which the end of a link is open (signals, bridges, closures).
    """
    single = turn.shape[1] == 1
    for k in range(steps):
        _ends(x, open_share[min(k, open_share.shape[0] - 1)])
        if single:
            _nodes_single(x, turn, demand)
        else:
            _nodes(x, turn, demand)
        _move(x, single)
        x.now[0] += 1


@njit
def _tail(x, i):
    """Distance [m] from the exit of link i to the upstream end of its queue, by bisection of the two branches."""
    step = x.now[0]
    size = x.ring_mask[i] + 1
    if x.free_steps[i] == 0:
        return 0.0
    length = x.length[i]
    free = x.free_steps[i] - x.free_rest[i]
    wave = x.wave_steps[i] - x.wave_rest[i]
    low, high = 0.0, length
    for _ in range(40):
        back = 0.5 * (low + high)
        a = free * (1.0 - back / length)
        b = wave * back / length
        m, k = np.int64(np.ceil(a)), np.int64(np.ceil(b))
        arriving = _at(x.entered_ring, x.ring_start[i], size - 1, step, m, m - a)
        queued = _at(x.left_ring, x.ring_start[i], size - 1, step, k, k - b) + x.jam_density[i] * back
        if queued < arriving:
            low = back
        else:
            high = back
    return 0.5 * (low + high)


@njit
def queue_tails(x, tail):
    """Physical queue of each link now: from its exit to where the free-flow and the queued state meet.

    At distance z from the exit the count is min(N_in(t - (L - z)/u), N_out(t - z/w) + k_j z) (Newell 1993); the
    queue ends where both are equal. Written: ``tail`` (link) [m], 0 without a queue and for point queues.
    """
    for i in range(tail.shape[0]):
        tail[i] = _tail(x, i) if x.vertical[i] > 1e-9 else 0.0


def waiting(x: Loading) -> float:
    """Vehicles of the demand that have not entered the network yet."""
    return float(x.queue.sum())


@njit
def _all_on_links(x):
    """Mix of all vehicles on each link, into ``x.mix``."""
    for i in range(x.tail.shape[0]):
        _front(x, i, x.entered[i] - x.left[i])


def commodity_on_links(x: Loading) -> np.ndarray:
    """Vehicles (link, commodity) on each link now."""
    if x.mix.shape[1] == 1:
        return (x.entered - x.left)[:, None]
    _all_on_links(x)
    return x.mix.copy()


def stagnation_share(x: Loading) -> np.ndarray:
    """Share (link) of vehicle-kilometres driven in queues since the measures were set to zero; 0 where none drove."""
    total = x.jam_distance + x.free_distance
    return np.divide(x.jam_distance, total, out=np.zeros_like(total), where=total > 0)
