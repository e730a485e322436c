"""Residents of new quarters among the trips of the hour: their kilometres, and who drives electric."""

from datetime import datetime

import numpy as np
import xarray as xr

__all__ = ["Residents"]


class Residents:
    """New residents of a world (:mod:`twin.world.quarter`), a row per quarter and demand origin; none in a base world.

    All their trips are booked at their own home, while of the other trips of an hour a share ``home`` begins there.
    """

    def __init__(self, world: xr.DataTree) -> None:
        zones = world["zones"].ds
        there = "resident_origin" in zones
        none = np.zeros((0, 0, 0))
        # (day type, hour, period) of light vehicles
        self._share = zones["hourly_share"].values[:, 0] if there else none
        self.origin = zones["resident_origin"].values if there else np.zeros(0, np.int64)
        self.quarter = zones["resident_quarter"].values if there else np.zeros(0, np.int64)
        self.cars = zones["resident_cars"].values if there else np.zeros(0)
        self.bev_share = zones["resident_bev_share"].values if there else np.zeros(0)
        self._out, self._back = (zones[f"resident_{k}"].values if there else none for k in ("out", "back"))

    def __len__(self) -> int:
        return len(self.origin)

    def without(self, trips: np.ndarray) -> np.ndarray:
        """``trips`` (period, origin, destination) of a working day of all others."""
        if not len(self):
            return trips
        rest = trips.copy()
        for r, o in enumerate(self.origin):
            rest[:, o] -= self._out[:, r]
            rest[:, :, o] -= self._back[:, r]
        return rest

    def hour(self, when: datetime) -> tuple[np.ndarray, np.ndarray]:
        """Trips [1/h] from home and to home (resident, destination) in a local hour, as of all trips."""
        share = self._share[max(when.weekday() - 4, 0), when.hour]
        return np.tensordot(share, self._out, 1), np.tensordot(share, self._back, 1)

    def book(
        self, out: np.ndarray, back: np.ndarray, distance: np.ndarray, home: float, kilometres: np.ndarray
    ) -> np.ndarray:
        """Kilometres (resident) of trips ``out`` and ``back``; taken from where ``kilometres`` (origin) has them."""
        there, home_way = out * distance[self.origin], back * distance[:, self.origin].T
        # as trips of anybody: the share `home` of all was booked at their begin, the rest at their end
        np.subtract.at(kilometres, self.origin, home * there.sum(axis=1) + (1.0 - home) * home_way.sum(axis=1))
        kilometres -= (1.0 - home) * there.sum(axis=0) + home * home_way.sum(axis=0)
        return there.sum(axis=1) + home_way.sum(axis=1)

    def trips(self, when: datetime, origins: int) -> tuple[np.ndarray, np.ndarray]:
        """Trips [1/h] (origin, destination) of all of them in a local hour, and those by battery-electric car."""
        out, back = self.hour(when)
        every, electric = np.zeros((2, origins, origins))
        for trips, share in ((every, np.ones(len(self))), (electric, self.bev_share)):
            for r, o in enumerate(self.origin):
                trips[o] += share[r] * out[r]
                trips[:, o] += share[r] * back[r]
        return every, electric
