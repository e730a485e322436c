"""Trips per hour, from the matrices of the day's periods and the shares of the local hour."""

from datetime import timedelta

import numpy as np

from kernels.traffic.demand import mix_periods
from twin.clock import LOCAL
from twin.component import Component, Out, Static

__all__ = ["Trips"]

_SATURDAY = 5


class Trips(Component):
    """Who leaves where, for where, in the interval.

    The rate of a local hour is the sum over periods of ``hourly_share`` times ``trips`` (docs/world.md), by
    Europe/Amsterdam time and its weekday; an interval that covers several local hours takes their mean by time.
    """

    every = 3600
    leaves_out = "public and school holidays; seasons; trips that a congested road or a closed link prevents"

    periods = Static("zones/trips", ("period", "vehicle_class", "origin", "destination"), "1")
    shares = Static("zones/hourly_share", ("day_type", "vehicle_class", "hour", "period"), "1")
    trips = Out("trips", ("vehicle_class", "origin", "destination"), "h-1", "vehicle trips per hour of departure")

    def setup(self, s, world):
        """Scratch for the shares of one interval."""
        self._weight = np.empty((s.shares.shape[1], s.shares.shape[3]))

    def step(self, s, clock):
        """Mix the periods by the shares of the local hours that the interval covers."""
        self._weight[:] = 0.0
        start = clock.start
        end = start + timedelta(seconds=clock.seconds)
        while start < end:
            local = start.astimezone(LOCAL)
            into = 60 * local.minute + local.second
            stop = min(start + timedelta(seconds=3600 - into), end)
            day = max(local.weekday() - _SATURDAY + 1, 0)
            self._weight += s.shares[day, :, local.hour] * ((stop - start).total_seconds() / clock.seconds)
            start = stop
        mix_periods(s.periods, self._weight, s.trips)
        clock.ledger.give("trips", s.trips.sum() * clock.hours, "1")
