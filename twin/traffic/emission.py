"""Road emissions of an equilibrium by the Dutch road method, per substance, vehicle class and link."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from kernels.traffic.emission import SRM1, SRM2, link_emission, stagnation_proxy, urban_speed_class
from twin.errors import ConfigError
from twin.readers.emission_factors import FactorTable
from twin.traffic.result import Assigned
from twin.world.road_factors import SUBSTANCES, build_factors

__all__ = ["road_emission"]

URBAN_EDGES = np.array([15.0, 30.0, 45.0])  # km/h between D, C, E (Handreiking Rekenen aan Luchtkwaliteit, SRM1)
RURAL_LIMIT = 60.0  # km/h from which a road above the last edge is rural (B)
MOTORWAY_80 = 85.0  # km/h up to which a motorway has the factors of 80, else of 100 (day limit since March 2020)


def road_emission(
    result: Assigned,
    year: float,
    class_mix: Mapping[str, Mapping[str, float]],
    *,
    motorway: np.ndarray,
    speed_limit: np.ndarray,
    hours_per_time: float = 1.0,
    km_per_length: float = 1.0,
    tables: FactorTable | None = None,
    stagnation: np.ndarray | None = None,
    electric_share: Mapping[str, float] | None = None,
    extrapolate: bool = False,
) -> xr.Dataset:
    """Emission (substance, vehicle_class, link) [g in the flow period] of NOx (as NO2), NO2, NH3 and CO2.

    E = N L ((1 - F) EF_free + F EF_stagnating), AERIUS factsheet "Emissieberekening wegverkeer - standaard" (2020).
    ``class_mix`` gives each vehicle class as shares of the table's light, medium, heavy and bus; ``motorway`` (link,
    bool) takes the factors of the limit (SRM2), others those of the mean speed (SRM1); ``speed_limit`` (link) [km/h].
    ``tables`` (:func:`twin.readers.emission_factors.read_factors`) are your factors, the declared synthetic ones
    where left out. ``stagnation`` (link) [1] F on motorways from a queue model; left out, the labelled proxy from the
    delay ratio. ``electric_share`` by class [1] emits nothing beyond what the table's fleet holds.
    The factors for time and length say what a unit of the network is (1 for GMNS, OSM and NWB). The attributes tell
    tables and year, and which substances are declared.
    """
    names = [c.name for c in result.classes]
    if set(class_mix) != set(names):
        raise ConfigError(f"class_mix names {', '.join(class_mix)}; the classes are {', '.join(names)}")
    group = build_factors(
        year,
        tables,
        bev_share_reference=0.0,
        class_mix={name: dict(class_mix[name]) for name in names},
        extrapolate=extrapolate,
    )
    known = [str(name) for name in group["speed_class"].values]
    net = result.network
    seconds = 3600.0 * hours_per_time * (result.links["time"] + result.links["delay"]).values
    free = 3600.0 * hours_per_time * net.free_flow_time
    metres = 1000.0 * km_per_length * net.length
    # Connectors of no length emit nothing; any time above zero keeps their speed a number.
    seconds, free = np.maximum(seconds, 1e-9), np.maximum(free, 1e-9)
    method = np.where(np.asarray(motorway, bool), SRM2, SRM1).astype(np.int8)
    limit = np.asarray(speed_limit, np.float64)
    speed_class = np.where(limit <= MOTORWAY_80, known.index("80"), known.index("100")).astype(np.int64)
    urban_speed_class(
        seconds,
        metres,
        limit,
        method,
        URBAN_EDGES,
        RURAL_LIMIT,
        np.array([known.index(name) for name in "BCDE"]),
        speed_class,
    )
    share = np.zeros(len(metres))
    if stagnation is None:
        stagnation_proxy(seconds, free, method, share)
    else:
        share[:] = np.where(method == SRM2, stagnation, 0.0)
    factor = np.ascontiguousarray(group["emission_factor"].values)
    out = np.zeros((len(SUBSTANCES), len(names), len(metres)))
    rate = np.zeros((len(SUBSTANCES), len(metres)))
    for m, name in enumerate(names):
        burning = 1.0 - (electric_share or {}).get(name, 0.0)
        flow = burning * result.links["class_flow"].values[m : m + 1]
        link_emission(flow, metres, method, speed_class, share, np.ascontiguousarray(factor[:, m : m + 1]), rate)
        out[:, m] = 3600.0 * rate  # per hour of the flow's rate: the flow period's vehicles
    return xr.Dataset(
        {
            "emission": (("substance", "vehicle_class", "link"), out, {"units": "g"}),
            "stagnation": (("link",), share, {"units": "1"}),
            "speed_class": (("link",), np.array(known)[speed_class]),
        },
        {"substance": list(SUBSTANCES), "vehicle_class": names, "link": net.link_id},
        {
            "year": float(year),
            "sources": group.attrs["sources"],
            "declared": group.attrs["declared"],
            "stagnation_rule": "queue model" if stagnation is not None else "proxy: clip((t / t0 - 1) / 2, 0, 1)",
            "speed_class_rule": "motorways by limit, mixed by stagnation; other roads by mean speed, not mixed",
        },
    )
