"""Charging sessions of single cars: when a car stands at its charger, and when in that time it charges.

A car stands once a day at the charger of its kind, from a drawn arrival to a drawn departure, plugs in if it owes
enough, and owes what it has driven. What it does depends on its own numbers and, where charging follows the grid,
on its group's: cars that are added leave the others as they are, so that more cars never lower an uncontrolled load.
Charging by a signal holds three strategies in one rule: at once (a constant signal), delayed (a signal that is high
in the evening), by price.
"""

import numpy as np

from kernels.jit import njit, pnjit, prange
from kernels.power.counter import key, mix, uniform

__all__ = [
    "FIRST_HOUR",
    "HOME",
    "KINDS",
    "PUBLIC",
    "WORK",
    "charge_as_expected",
    "charge_by_signal",
    "charge_day",
    "charge_to_level",
    "expect_sessions",
    "level_by_deadlines",
    "plug_in",
    "stay_hours",
    "window",
]

HOME, PUBLIC, WORK = range(3)
KINDS = ("home", "public", "work")
# Local hour at which the day of a kind begins; a stay lies in the 24 hours from there, so that stays never overlap.
FIRST_HOUR = (12.0, 8.0, 5.0)
# Hours since FIRST_HOUR in which cars of a kind come to their charger and leave it again.
COMES = (slice(0, 14), slice(0, 14), slice(0, 7))  # 12-02, 8-22, 5-12 h
LEAVES = (slice(17, 24), slice(14, 24), slice(9, 16))  # 5-12 h, (by its stay), 14-21 h
DAY = 24.0  # h
LEAST_OWED = 1e-9  # kWh; a rest of rounding is no reason to charge, and stays owed


def stay_hours(away, back):
    """Shares of the hours in which cars come to and leave their charger, added up: (kind, day type, 24) each.

    ``away`` and ``back`` (day type, 24) trips from home and to home by local hour. Cars come home with the trips
    home and leave with those from home; at work it is the other way round; to public chargers they come with any
    trip. Where a day has no trips in the hours of a kind, its hours are all as likely.
    """
    arrive, leave = np.zeros((2, len(KINDS), len(away), 24))
    both = away + back
    for kind, come, go in ((HOME, back, away), (PUBLIC, both, both), (WORK, away, back)):
        for table, hours, rows in ((arrive, come, COMES[kind]), (leave, go, LEAVES[kind])):
            share = np.zeros_like(hours, dtype=np.float64)
            share[:, rows] = np.roll(hours, -int(FIRST_HOUR[kind]), axis=1)[:, rows]
            empty = share.sum(axis=1) <= 0
            share[np.ix_(empty, np.arange(24)[rows])] = 1.0
            table[kind] = np.cumsum(share, axis=1) / share.sum(axis=1)[:, None]
    return arrive, leave


@njit
def _hour(cumulative, u):
    """Hour after the first at which ``cumulative`` (24), shares of the hours added up, reaches ``u``."""
    below = 0.0
    for h in range(cumulative.shape[0]):
        if u < cumulative[h]:
            return h + (u - below) / (cumulative[h] - below)
        below = cumulative[h]
    return float(cumulative.shape[0])


@njit
def window(car, seed, day, kind, day_type, arrive, leave, stay):
    """Arrival and departure [h after midnight of ``day``] of a car at its charger.

    ``arrive``, ``leave`` (kind, day type, 24) cumulative shares of the hours since ``FIRST_HOUR``; where ``stay``
    (kind, 2) [h] has a longest stay above zero, departure is the arrival and a stay drawn between the two.
    """
    k = key(seed, day, car)
    first = FIRST_HOUR[kind]
    came = _hour(arrive[kind, day_type], uniform(k))
    u = uniform(k ^ np.uint64(0x5851F42D4C957F2D))
    if stay[kind, 1] > 0.0:
        gone = min(came + stay[kind, 0] + u * (stay[kind, 1] - stay[kind, 0]), 24.0)
    else:
        gone = _hour(leave[kind, day_type], u)
    return first + came, first + gone


@njit
def _wants(car, seed, day, reach):
    """Energy owed [kWh] from which the car plugs in on this day, uniform up to ``reach``."""
    return reach * uniform(mix(key(seed, day, car)) ^ np.uint64(0xDA942042E4DD58B5))


@njit
def _charge_now(signal, first, hours, power, since, until, owed):
    """Energy [kWh] to charge in step ``first`` of ``signal``: what the steps with a lower signal cannot hold."""
    now = power * max(min(until, hours) - since, 0.0)
    if now <= 0.0 or owed <= LEAST_OWED:
        return 0.0
    rest = owed
    k = 1
    while k * hours < until and first + k < signal.shape[0]:
        if signal[first + k] < signal[first]:
            rest -= power * (min(until, (k + 1) * hours) - k * hours)
            if rest <= LEAST_OWED:
                return 0.0
        k += 1
    return min(rest, now)


@njit
def plug_in(day, hour, hours, seed, day_types, kind, car, arrive, leave, stay, reach, owed, plugged, since, until):
    """Which cars stand plugged in during a step, from when to when; in place.

    ``day`` number and ``hour`` of the step's begin in local time, ``hours`` its length, at most 1 [h]; ``day_types``
    (2) of yesterday and today; ``kind``, ``car`` (car) the car's kind and its number in the counter; ``reach`` [kWh];
    ``owed`` (car) [kWh]; ``plugged`` (car) state. Out, in hours from the step's begin: ``since`` and ``until`` (car);
    until is 0 where the car is not plugged in.
    """
    for c in range(owed.shape[0]):
        before = hour < FIRST_HOUR[kind[c]]
        its_day, at = (day - 1, hour + 24.0) if before else (day, hour)
        came, gone = window(car[c], seed, its_day, kind[c], day_types[0 if before else 1], arrive, leave, stay)
        since[c], until[c] = max(came - at, 0.0), 0.0
        if came >= at + hours or gone <= at:
            plugged[c] = 0
            continue
        if came >= at:
            plugged[c] = 1 if owed[c] >= _wants(car[c], seed, its_day, reach) else 0
        if plugged[c]:
            until[c] = gone - at


@njit
def charge_by_signal(signal, hours, power, since, until, owed, charged):
    """Charge each plugged car in the steps of its stay in which the signal is lowest, earlier ones first; in place.

    ``signal`` (step) from this step on; ``hours`` [h] of a step; ``power`` (car) [kW]; ``since``, ``until`` (car)
    as of :func:`plug_in`; ``owed`` (car) [kWh] and ``charged`` (car) [kWh] in this step.
    """
    for c in range(owed.shape[0]):
        charged[c] = _charge_now(signal, 0, hours, power[c], since[c], until[c], owed[c])
        owed[c] -= charged[c]


@njit
def expect_sessions(group_start, hours, weight, ahead, stay, takes, come, go):
    """Energy that cars which are not there yet are expected to ask for, each as at its last stay; in place.

    ``group_start`` (group + 1) cars in order of group; ``ahead`` (car) [h] from now until a car is expected, infinite
    where it is not; ``stay`` (car) [h], ``takes`` (car) [kWh], ``weight`` (car) part of a car. Out, [kWh]: ``come``
    (group, step) by the step in which it comes, ``go`` (group, step) by that at whose end it is due, where that lies
    within the steps.
    """
    steps = come.shape[1]
    come[:, :] = 0.0
    go[:, :] = 0.0
    for g in range(group_start.shape[0] - 1):
        for c in range(group_start[g], group_start[g + 1]):
            if not ahead[c] < steps * hours:
                continue
            come[g, int(ahead[c] / hours)] += weight[c] * takes[c]
            if ahead[c] + stay[c] <= steps * hours:
                go[g, _step_before(ahead[c] + stay[c], hours, steps)] += weight[c] * takes[c]


@njit
def level_by_deadlines(base, hours, due, ready, come, ordered):
    """Level L [kW] to which flexible energy now fills the valleys of a load, each part before its deadline.

    The first stretch of the lowest course that cumulative bounds leave, as a string drawn taut between them: by the
    end of step T at least what is due by then, and at most what is there by then. Of jobs that are all there now it is
    ``L = max over T of the level to which the energy due by T fills the valleys of base[:T]``: the first speed of the
    optimal schedule (Yao, Demers and Shenker 1995, FOCS: 374-382), with a load beneath.
    ``base`` (step) [kW], ``hours`` [h] length of each; ``due`` (step) [kWh] energy that must be in by the end of the
    step; ``ready`` [kWh] there now, ``come`` (step or 0) [kWh] that comes in the step; ``ordered`` (step) scratch.
    """
    least, most, energy = -np.inf, np.inf, 0.0
    for n in range(base.shape[0]):
        value, j = base[n], n
        while j > 0 and ordered[j - 1] > value:  # the lowest n + 1 steps stay sorted
            ordered[j] = ordered[j - 1]
            j -= 1
        ordered[j] = value
        energy += due[n]
        if due[n] > 0.0:
            level = _filled(ordered, n + 1, energy / hours)
            if level > most:
                return most
            least = max(least, level)
        if n + 1 < come.shape[0]:
            ready += come[n]
            if come[n + 1] > 0.0:  # all that is there by now, before there is more
                level = _filled(ordered, n + 1, ready / hours)
                if level < least:
                    return least
                most = min(most, level)
    return least


@njit
def _filled(ordered, n, total):
    """Level to which ``total`` [kW] fills ``n`` ascending steps: above m of them where it does not reach the next."""
    here = 0.0
    for m in range(n):
        total += ordered[m]
        here = total / (m + 1)
        if m == n - 1 or here <= ordered[m + 1]:
            break
    return here


@njit
def charge_to_level(
    group_start, forecast, hours, power, weight, since, until, owed, spare, ordered, due, room, charged
):  # fmt: skip
    """:func:`charge_as_expected` where no cars are expected but those that are there."""
    for g in range(group_start.shape[0] - 1):
        _charge_group(
            group_start[g], group_start[g + 1], forecast[g], hours, power, weight, since, until, owed, spare, due[:0],
            due[:0], ordered, due, room, charged,
        )  # fmt: skip


@njit
def charge_as_expected(
    group_start, forecast, hours, power, weight, since, until, owed, spare, come, go, ordered, due, room, charged
):  # fmt: skip
    """Charge the cars behind each transformer so that its load stays as low as their departures allow; in place.

    What the plugged cars of a group owe fills the valleys of the group's forecast load, each before its own departure,
    and with it what cars still to come will ask for (:func:`level_by_deadlines`), planned anew every step; now they
    charge what stands above the forecast of the present step, those that leave first before the others. Each charges
    at least what its own departure asks for, and at most its power. What a car owes up to ``spare`` [kWh] it may leave
    with: that is due at the end of its next stay, a day later. ``group_start`` (group + 1) cars in order of group;
    ``forecast`` (group, step) [kW] from now on; ``weight`` (car) part of a car; ``come``, ``go`` (group, step) [kWh]
    as of :func:`expect_sessions`; ``ordered``, ``due``, ``room`` (step) scratch; the others as
    :func:`charge_by_signal`.
    """
    for g in range(group_start.shape[0] - 1):
        _charge_group(
            group_start[g], group_start[g + 1], forecast[g], hours, power, weight, since, until, owed, spare, come[g],
            go[g], ordered, due, room, charged,
        )  # fmt: skip


@njit
def _bounds(power, hours, since, until, owed, spare):
    """What a plugged car must charge now, what it can of that it may not leave with, and what it can at all [kWh]."""
    now = min(power * max(min(until, hours) - since, 0.0), owed)
    soon = max(owed - spare, 0.0)
    must = min(max(soon - power * max(until - hours, 0.0), 0.0), now)
    return must, max(min(now, soon), must), now


@njit
def _charge_group(
    a, b, forecast, hours, power, weight, since, until, owed, spare, come, go, ordered, due, room, charged
):  # fmt: skip
    """:func:`charge_as_expected` for the cars ``a`` to ``b`` of one group."""
    steps = forecast.shape[0]
    least, most, ready = 0.0, 0.0, 0.0
    due[:] = 0.0
    room[:] = 0.0
    for c in range(a, b):
        charged[c] = 0.0
        if until[c] <= 0.0 or owed[c] <= LEAST_OWED:
            continue
        must, needed, now = _bounds(power[c], hours, since[c], until[c], owed[c], spare)
        first = _step_before(until[c], hours, steps)
        # a stay that is too short for what is owed takes in what it can
        stay = min(max(owed[c] - spare, 0.0), power[c] * max(until[c] - since[c], 0.0))
        due[first] += weight[c] * stay
        ready += weight[c] * stay
        room[first] += weight[c] * (needed - must)
        if spare > 0.0:
            next_one = _step_before(until[c] + DAY, hours, steps)
            due[next_one] += weight[c] * min(owed[c], spare)
            ready += weight[c] * min(owed[c], spare)
            room[next_one] += weight[c] * (now - needed)
        most += weight[c] * now
        least += weight[c] * must
    if most <= 0.0:
        return
    for k in range(go.shape[0]):
        due[k] += go[k]
    level = level_by_deadlines(forecast, hours, due, ready, come, ordered)
    more = min(max((level - forecast[0]) * hours - least, 0.0), most - least)
    for k in range(steps):  # shares of the room of each departure, the first ones first
        share = min(more / room[k], 1.0) if room[k] > 0.0 else 0.0
        more = max(more - room[k], 0.0)
        room[k] = share
    for c in range(a, b):
        if until[c] <= 0.0 or owed[c] <= LEAST_OWED:
            continue
        must, needed, now = _bounds(power[c], hours, since[c], until[c], owed[c], spare)
        charged[c] = must + room[_step_before(until[c], hours, steps)] * (needed - must)
        if spare > 0.0:
            charged[c] += room[_step_before(until[c] + DAY, hours, steps)] * (now - needed)
        if charged[c] <= LEAST_OWED:  # a rest of rounding
            charged[c] = 0.0
        owed[c] -= charged[c]


@njit
def _step_before(end, hours, steps):
    """Last of ``steps`` that begins before ``end`` [h]."""
    return min(max(int(np.ceil(end / hours - 1e-9)), 1), steps) - 1


@pnjit
def charge_day(
    day, seed, day_types, car_start, kind, car, power, weight, energy, driven_share, signal, arrive, leave, stay, reach,
    owed, plugged, load,
):  # fmt: skip
    """A whole day of all cars by a signal, bus by bus; the same rule as step by step.

    ``car_start`` (bus + 1) cars in order of bus; ``energy`` (car) [kWh] driven on this day, spread by
    ``driven_share`` (lane) that adds up to 1; lanes are equal steps from local midnight to midnight, ``signal``
    (lane and one more day). ``load`` (bus, lane) [kW] gains the charging; the others as :func:`plug_in`.
    """
    lanes = load.shape[1]
    hours = 24.0 / lanes
    for bus in prange(car_start.shape[0] - 1):
        for c in range(car_start[bus], car_start[bus + 1]):
            first = FIRST_HOUR[kind[c]]
            came, gone = window(car[c], seed, day - 1, kind[c], day_types[0], arrive, leave, stay)
            came, gone = came - 24.0, gone - 24.0
            wants = _wants(car[c], seed, day - 1, reach)
            changed = False
            for lane in range(lanes):
                at = lane * hours
                owed[c] += energy[c] * driven_share[lane]
                if not changed and at >= first:
                    came, gone = window(car[c], seed, day, kind[c], day_types[1], arrive, leave, stay)
                    wants = _wants(car[c], seed, day, reach)
                    changed = True
                if came >= at + hours or gone <= at:
                    plugged[c] = 0
                    continue
                if came >= at:
                    plugged[c] = 1 if owed[c] >= wants else 0
                if plugged[c]:
                    now = _charge_now(signal, lane, hours, power[c], max(came - at, 0.0), gone - at, owed[c])
                    owed[c] -= now
                    load[bus, lane] += weight[c] * now / hours
