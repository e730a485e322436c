"""Residents of new quarters among the trips of the hour: their kilometres, and who drives electric."""

import numpy as np
import xarray as xr

__all__ = ["Residents"]


class Residents:
    """New residents of a world (:mod:`twin.world.quarter`), a row per quarter and demand origin; none in a base world.

    All their trips are booked at their own home, while of the other trips of an hour a share ``home`` begins there.
    """

    def __init__(self, world: xr.DataTree) -> None:
        zones = world["zones"].ds
        none = np.zeros((zones.sizes["period"], 0, zones.sizes["destination"]))
        there = "resident_origin" in zones
        self.origin = zones["resident_origin"].values if there else np.zeros(0, np.int64)
        self.quarter = zones["resident_quarter"].values if there else np.zeros(0, np.int64)
        self.bev_share = zones["resident_bev_share"].values if there else np.zeros(0)
        self._out, self._back = (zones[f"resident_{k}"].values if there else none for k in ("out", "back"))

    def __len__(self) -> int:
        return len(self.origin)

    def daily(self) -> np.ndarray:
        """Trips (resident) of a working day."""
        return self._out.sum(axis=(0, 2)) + self._back.sum(axis=(0, 2))

    def without(self, trips: np.ndarray) -> np.ndarray:
        """``trips`` (period, origin, destination) of a working day of all others."""
        if not len(self):
            return trips
        rest = trips.copy()
        np.subtract.at(rest, (slice(None), self.origin), self._out)
        np.subtract.at(rest, (slice(None), slice(None), self.origin), self._back.transpose(0, 2, 1))
        return rest

    def hour(self, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Trips from home and to home (resident, destination) of an hour with ``share`` (period) of the periods."""
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

    def electric(self, trips: np.ndarray, home: float, bev_share: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Trips (origin, destination) of ``trips`` by battery-electric car; ``bev_share`` (origin) of the others."""
        rest, own = trips, np.zeros(0)
        out, back = self.hour(share)
        if len(self):
            rest = trips.copy()
            np.subtract.at(rest, self.origin, out)
            np.subtract.at(rest, (slice(None), self.origin), back.T)
        driven = rest * (home * bev_share[:, None] + (1.0 - home) * bev_share[None, :])
        if len(self):
            own = self.bev_share[:, None]
            np.add.at(driven, self.origin, own * out)
            np.add.at(driven, (slice(None), self.origin), (own * back).T)
        return driven

    def own(self, share: np.ndarray, origins: int) -> np.ndarray:
        """Trips (origin, destination) of new residents alone."""
        out, back = self.hour(share)
        trips = np.zeros((origins, origins))
        np.add.at(trips, self.origin, out)
        np.add.at(trips, (slice(None), self.origin), back.T)
        return trips
