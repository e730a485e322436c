"""Nitrogen in one hour: dispersion of NOx and NH3 over the lattice, dry and wet deposition, a closed budget."""

from dataclasses import dataclass
from datetime import UTC
from types import SimpleNamespace

import numpy as np
import xarray as xr
from pydantic import Field

from kernels.nitrogen import units
from kernels.nitrogen.depac import solar_elevation_sine
from kernels.nitrogen.exchange import REFERENCE_HEIGHT, exchange_velocities, surface_wetness
from kernels.nitrogen.hourly import HeightClass, HourlyPlumes, Rates, Turbulence
from kernels.nitrogen.meteorology import boundary_layer
from kernels.nitrogen.removal import (
    aerosol_scavenging,
    aerosol_velocity,
    ammonia_conversion,
    gas_scavenging,
    nitric_acid_share,
    nitrogen_dioxide_from_nox,
    nox_conversion,
)
from kernels.nitrogen.source_timing import grid_sources, profile_factors
from kernels.nitrogen.surface_layer import (
    SCHMIDT_AMMONIA,
    SCHMIDT_NITROGEN_DIOXIDE,
    aerodynamic_resistance,
    boundary_layer_resistance,
    change_roughness,
)
from twin.clock import LOCAL, Moment
from twin.component import Component, ComponentOptions, In, InOut, Out, Static
from twin.errors import BudgetError, DataError

__all__ = ["Deposition"]

NOX, NH3 = 0, 1
WATER = 6  # DEPAC land use
SUBSTANCES = ("nox", "nh3")
MOLAR_MASS = (units.NITROGEN_DIOXIDE, units.AMMONIA)  # NOx is counted as NO2
ROAD = HeightClass(height=2.0, initial_spread=2.5)  # traffic mixes its exhaust over the height of the vehicles
BANDS = (0.0, 8.0, 16.0, 40.0, np.inf)  # m, release heights that are merged into one class at their mean
GAS_DIFFUSIVITY = (0.145, 0.240)  # cm2 s-1, OPS
CLOUD_UPTAKE_NOX = 2.0e4  # times NO2/NOx; in-cloud scavenging ratio (OPS, nitrogen.md 3.8)
CLOUD_UPTAKE_NH3 = 1.4e6
NITRIC_ACID_RESISTANCE = 10.0  # s m-1, Rc of HNO3
UNRESOLVED_SHOWER = 0.05  # h: rain of a duration below the 0.1 h that is reported
AGEING = 12  # h: a plume spreads by the turbulence of the hours it ages through, so far
CONVERGED = 1.0e-4  # of the emission, for the equation of surface depletion
TOLERANCE = 1.0e-3  # of the budget, each step


@dataclass
class SourceMap:
    """Emission of one height class and time profile of one substance."""

    height_class: int
    profile: int
    field: np.ndarray  # g s-1 per cell, yearly mean
    spectrum: np.ndarray


class Deposition(Component):
    """NOx and NH3 of roads and other sources, spread by the hour's weather and deposited, dry and wet.

    Quasi-steady: what an hour emits is followed to the edge of the lattice along the wind of that hour, spread by the
    turbulence of the hours in which it ages. Rain of those hours takes its part when it falls: until then that part is
    in the air and is carried (the change of the budget). Dry deposition on the way and what crosses the edge are booked
    with the emission; of the latter, part is still over the lattice when the hour ends, and how much it is stands in
    the ledger (the change of ``nox over the edge``). Gaussian crosswind (Briggs 1973), vertical spread of
    OPS, turbulence of Holtslag and van Ulden (1983), surfaces of DEPAC with the receptor's own resistance;
    deposition is a negative source at the ground (Horst 1977), so the budget closes by construction.
    An hour without wind direction is spread over a uniform rose.
    """

    leaves_out = (
        "turns of the wind while air travels (each hour is a steady, straight plume to the lattice edge over the "
        "surfaces of that hour; its spread and the rain it meets are those of the hours to come); wind that differs in "
        "space or turns with height; buildings, snow cover and terrain; emission by the surface itself where the "
        "NH3 compensation point exceeds the background (exchange is zero there); dispersion within a cell; "
        "one travel time for all source heights in the losses by rain and conversion; secondary aerosol deposits "
        "from the whole mixing layer with one regional velocity; what a cell "
        "takes beyond the mean surface is spread over it, so that beside an isolated source on a surface that takes "
        "more, a cell can fall below zero, by at most a few thousandths of the hour's largest; what such cells take is "
        "missing in the rain as a deficit of its own age, so that where surfaces differ wet deposition more than an "
        "hour downwind can be below zero by up to three thousandths of its largest: nothing is cut off, the mass stays "
        "right"
    )

    class Options(ComponentOptions):
        """Declared values with their source."""

        station_roughness: float = Field(default=0.1, gt=0, lt=2)  # m, assumed around the weather station
        anemometer_height: float = Field(default=10.0, gt=1)  # m, KNMI
        background_nox: float = Field(default=20.0, gt=0)  # ug m-3, assumed; order of the Dutch west
        background_so2: float = Field(default=1.5, ge=0)  # ug m-3, assumed
        field_roughness: float = Field(default=0.03, gt=0, lt=2)  # m, grass, for emission from manure

    nox = In("road_nox", ("road_link",), "g s-1", over="mean")
    nh3 = In("road_nh3", ("road_link",), "g s-1", over="mean")
    land_use = Static("lattice/land_use", ("y", "x"), "1")
    roughness = Static("lattice/roughness_length", ("y", "x"), "m")
    background_nh3 = Static("lattice/background_nh3", ("y", "x"), "ug m-3")
    cell_link = Static("roads/cell_link", ("link_cell",), "1")
    cell_index = Static("roads/cell_index", ("link_cell",), "1")
    cell_share = Static("roads/cell_share", ("link_cell",), "1")
    source_x = Static("sources/x", ("source",), "m")
    source_y = Static("sources/y", ("source",), "m")
    source_height = Static("sources/height", ("source",), "m")
    source_heat = Static("sources/heat_content", ("source",), "MW")
    source_side = Static("sources/diameter", ("source",), "m")
    source_nox = Static("sources/nox", ("source",), "g s-1")
    source_nh3 = Static("sources/nh3", ("source",), "g s-1")
    source_profile = Static("sources/time_profile", ("source",), "1")
    wind_speed = Static("weather/wind_speed", ("weather_time",), "m s-1")
    wind_direction = Static("weather/wind_direction", ("weather_time",), "degree")
    temperature = Static("weather/temperature", ("weather_time",), "degC")
    radiation = Static("weather/global_radiation", ("weather_time",), "W m-2")
    precipitation = Static("weather/precipitation", ("weather_time",), "mm h-1")
    rain_duration = Static("weather/rain_duration", ("weather_time",), "h")
    humidity = Static("weather/relative_humidity", ("weather_time",), "%")
    cloud_cover = Static("weather/cloud_cover", ("weather_time",), "1")

    nox_concentration = Out("nox_concentration", ("y", "x"), "ug m-3", "NOx (as NO2) at 4 m from modelled sources")
    nh3_concentration = Out("nh3_concentration", ("y", "x"), "ug m-3", "NH3 at 4 m from modelled sources")
    dry = Out("n_deposition_dry", ("y", "x"), "mol ha-1", "dry deposition of N in the step", cell_methods="time: sum")
    wet = Out("n_deposition_wet", ("y", "x"), "mol ha-1", "wet deposition of N in the step", cell_methods="time: sum")
    total = InOut("n_deposition", ("y", "x"), "mol ha-1", "deposition of N since the start of the run")

    def setup(self, s: SimpleNamespace, world: xr.DataTree) -> None:
        """Lay the sources onto the lattice, list the kinds of surface, and turn weather into turbulence."""
        lattice = world["lattice"].ds
        self._x, self._y = lattice["x"].values, lattice["y"].values
        self._cell = float(lattice.attrs["cell_size"])
        self._set_surfaces(s)
        self._set_weather(s, world["weather"].ds["weather_time"].values)
        self._set_sources(s)
        self._reach_of_link = np.bincount(s.cell_link, s.cell_share, minlength=len(s.nox))
        self._road = np.zeros(s.land_use.shape)
        self._emission = np.zeros((2, *s.land_use.shape))
        # g per cell that is in the air and that rain of a coming hour will bring down: (hour modulo, substance, y, x)
        self.pending = np.zeros((AGEING, 2, *s.land_use.shape))
        self._road_spectrum = np.zeros((2, *self.plumes.fft.spectrum_shape), np.complex64)

    def _set_surfaces(self, s: SimpleNamespace) -> None:
        if not (s.background_nh3 > 0).all():
            row, column = np.argwhere(~(s.background_nh3 > 0))[0]
            raise DataError(
                f"lattice/background_nh3 at row {row}, column {column} is {s.background_nh3[row, column]} ug m-3; the "
                f"compensation point needs a positive background: declare one"
            )
        # roughness in steps of 2 % keeps the kinds few; land use and background as they are
        steps = np.round(np.log(s.roughness) / np.log(1.02))
        kinds = np.stack([s.land_use.astype(float).ravel(), steps.ravel(), s.background_nh3.ravel()])
        self._kinds, index = np.unique(kinds, axis=1, return_inverse=True)
        self.surface = np.asarray(index).reshape(s.land_use.shape)
        self._share = np.bincount(self.surface.ravel()) / self.surface.size  # of the lattice, by kind
        self._kinds[1] = 1.02 ** self._kinds[1]
        # plumes feel the land: log mean over it, or over all where there is only water
        land = s.land_use != WATER
        self._region_roughness = float(np.exp(np.log(s.roughness[land] if land.any() else s.roughness).mean()))
        self.velocities = np.zeros((2, self._kinds.shape[1]))
        self._velocity = np.zeros((2, *s.land_use.shape))

    def _set_weather(self, s: SimpleNamespace, times: np.ndarray) -> None:
        o = self.options
        n = s.temperature.size
        self._ustar, self._length, self._mixing = np.zeros(n), np.zeros(n), np.zeros(n)
        boundary_layer(
            s.wind_speed,
            s.temperature,
            s.radiation,
            s.cloud_cover,
            o.anemometer_height,
            o.station_roughness,
            self._ustar,
            self._length,
            self._mixing,
        )
        # linear map of RD New around Amersfoort, within 0.02 degree over a province
        self._latitude = 52.155 + (float(self._y.mean()) - 463000.0) / 111200.0
        self._longitude = 5.387 + (float(self._x.mean()) - 155000.0) / 68600.0
        resistance = np.empty(n)
        for i in range(n):
            ustar, length = change_roughness(o.station_roughness, self._ustar[i], self._length[i], o.field_roughness)
            ra = aerodynamic_resistance(REFERENCE_HEIGHT, o.field_roughness, ustar, length)
            resistance[i] = ra + boundary_layer_resistance(ustar, SCHMIDT_AMMONIA)
        utc = times.astype("datetime64[s]").astype(object)
        local = np.array([t.replace(tzinfo=UTC).astimezone(LOCAL).hour for t in utc])
        self.factors = profile_factors(s.temperature, local, s.rain_duration, resistance)

    def _set_sources(self, s: SimpleNamespace) -> None:
        weight = s.source_nox / MOLAR_MASS[NOX] + s.source_nh3 / MOLAR_MASS[NH3]
        band = np.digitize(s.source_height, BANDS) - 1
        classes = [ROAD]
        members: list[np.ndarray] = []
        self._class_of_source = np.zeros(weight.size, int)
        for b in range(len(BANDS) - 1):
            member = (band == b) & (weight > 0)
            if not member.any():
                continue
            height = np.average(s.source_height[member], weights=weight[member])
            heat = np.average(s.source_heat[member], weights=weight[member])
            self._class_of_source[member] = len(classes)
            # half the release height, as for low area sources and housing in OPS inputs
            classes.append(HeightClass(float(height), float(heat), 0.5 * float(height)))
            members.append(member)
        ny, nx = s.land_use.shape
        self.plumes = HourlyPlumes(ny, nx, self._cell, classes)
        west, south = self._x[0] / self._cell - 0.5, self._y[0] / self._cell - 0.5
        self._maps: tuple[list[SourceMap], list[SourceMap]] = ([], [])
        self._outside = np.zeros((2, self.factors.shape[0]))  # g s-1 of sources off the lattice, by profile
        for substance, rate in enumerate((s.source_nox, s.source_nh3)):
            for c, member in enumerate(members, start=1):
                for profile in np.unique(s.source_profile[member]):
                    chosen = member & (s.source_profile == profile) & (rate > 0)
                    if not chosen.any():
                        continue
                    field = np.zeros((ny, nx))
                    self._outside[substance, profile] += grid_sources(
                        s.source_x[chosen] / self._cell,
                        s.source_y[chosen] / self._cell,
                        s.source_side[chosen] / self._cell,
                        rate[chosen],
                        west,
                        south,
                        field,
                    )
                    if field.any():
                        spectrum = self.plumes.fft.spectrum(field)
                        self._maps[substance].append(SourceMap(c, int(profile), field, spectrum))

    def state(self) -> dict[str, np.ndarray]:
        """What is in the air for the rain to come."""
        return {"pending": self.pending}

    def step(self, s: SimpleNamespace, clock: Moment) -> None:
        """Spread and deposit the emission of the hour, and book where each mol went."""
        h = clock.hour
        air = self.turbulence(s, h)
        later = [self.turbulence(s, k) for k in range(h + 1, min(h + AGEING, s.temperature.size))]
        rates = self._rates(s, clock, air, later)
        roads = (s.nox, s.nh3)
        active = [sorted({m.height_class for m in maps} | {0}) for maps in self._maps]
        self.plumes.prepare(air, float(s.wind_direction[h]), rates, active, later)
        s.dry[...] = 0.0
        s.wet[...] = 0.0
        seconds = float(clock.seconds)
        area = self._cell**2
        emission = [self._emissions(s, substance, road, h) for substance, road in enumerate(roads)]
        for velocity, field in zip(self.velocities, self._velocity):
            np.take(velocity, self.surface, out=field)
        solutions = self.plumes.solve_both(emission, self._emission, self._velocity)
        for substance, concentration in ((NOX, s.nox_concentration), (NH3, s.nh3_concentration)):
            name, molar = SUBSTANCES[substance], MOLAR_MASS[substance]
            road, result = roads[substance], solutions[substance]
            clock.ledger.take(f"road_{name}", float(road.sum()) * seconds, "g")
            if result.residual > CONVERGED:
                raise BudgetError(
                    f"depletion of {name} did not converge: residual {result.residual:.2g} of the emission after "
                    f"{result.iterations} iterations; u* {air.friction_velocity:.3g} m/s, mixing height "
                    f"{air.mixing_height:.4g} m"
                )
            np.multiply(result.concentration, 1.0e6, out=concentration)  # ug m-3
            to_mol = seconds / molar
            to_hectare = units.mol_per_m2_to_mol_per_ha(to_mol / area)
            s.dry += result.dry * to_hectare
            released = self.pending[h % AGEING, substance]
            s.wet += result.wet * to_hectare
            s.wet += released * (to_hectare / seconds)
            factors = self.factors[:, h]
            away = float((road * (1.0 - self._reach_of_link)).sum() + self._outside[substance] @ factors)
            given = float(road.sum() + self._outside[substance] @ factors)
            given += sum(float(m.field.sum()) * factors[m.profile] for m in self._maps[substance])
            deposited = float(result.dry.sum() + result.wet.sum())
            clock.ledger.balance(
                name,
                inflow=given * to_mol,
                outflow=(deposited + float(result.exported.sum()) + away) * to_mol
                + units.grams_to_mol(float(released.sum()), molar),
                change=units.grams_to_mol(float(result.later.sum()) * seconds - float(released.sum()), molar),
                units="mol",
                tolerance=TOLERANCE,
            )
            released[...] = 0.0
            if result.by_hour[1:].any():
                shares = result.by_hour[1:] / result.by_hour[1:].sum()
                for k in np.flatnonzero(shares) + 1:
                    self.pending[(h + k) % AGEING, substance] += (shares[k - 1] * seconds) * result.later
            exported = float(result.exported.sum())
            # of it, what is still over the lattice when the hour ends; a steady plume longer than an hour holds more
            # than an hour's emission, which earlier hours booked
            held = min(result.airborne / seconds, exported) * to_mol
            exported *= to_mol
            clock.ledger.balance(
                f"{name} over the edge", inflow=exported, outflow=exported - held, change=held, units="mol"
            )
        s.total += s.dry
        s.total += s.wet

    def cell_concentration(self, substance: int, source: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        """Mean concentration [g m-3 per g/s] that sources give the lattice cells at offsets from theirs, this hour."""
        return self.plumes.cell_concentration(substance, self._class_of_source[source], row, column)

    def depletion(self, substance: int, source: int) -> np.ndarray:
        """Share of the concentration that the mean surface leaves along the axis of a source's plume, this hour."""
        return self.plumes.depletion(substance, int(self._class_of_source[source]))

    def turbulence(self, s: SimpleNamespace, h: int) -> Turbulence:
        """Boundary layer of hour ``h`` of the weather, over the roughness of the region."""
        o = self.options
        ustar, length = change_roughness(o.station_roughness, self._ustar[h], self._length[h], self._region_roughness)
        mixing = float(self._mixing[h])
        return Turbulence(ustar, length, mixing, self._region_roughness, float(s.temperature[h]))

    def _rates(self, s: SimpleNamespace, clock: Moment, air: Turbulence, later: list[Turbulence]) -> list[Rates]:
        """Exchange velocities of all kinds of surface, and column losses of both substances."""
        o = self.options
        h = clock.hour
        middle = clock.start.timetuple().tm_yday, clock.start.hour + 0.5 * clock.hours
        sine = solar_elevation_sine(middle[0], middle[1], self._latitude, self._longitude)
        nox_ppb = o.background_nox * units.PPB_VOLUME / units.NITROGEN_DIOXIDE
        no2_ppb = nitrogen_dioxide_from_nox(nox_ppb)
        so2_ppb = o.background_so2 * units.PPB_VOLUME / units.SULPHUR_DIOXIDE
        nh3_ppb = float(s.background_nh3.mean()) * units.PPB_VOLUME / units.AMMONIA
        share = no2_ppb / nox_ppb
        exchange_velocities(
            self._kinds[0],
            self._kinds[1],
            self._kinds[2],
            air.roughness_length,
            air.friction_velocity,
            air.obukhov_length,
            air.temperature,
            float(s.humidity[h]),
            float(s.radiation[h]),
            sine,
            surface_wetness(float(s.rain_duration[h]), float(s.humidity[h])),
            middle[0],
            self._latitude,
            o.background_so2,
            share,
            self.velocities[NH3],
            self.velocities[NOX],
        )
        ra = aerodynamic_resistance(REFERENCE_HEIGHT, air.roughness_length, air.friction_velocity, air.obukhov_length)
        ra += boundary_layer_resistance(air.friction_velocity, SCHMIDT_NITROGEN_DIOXIDE)
        aerosol = aerosol_velocity(air.friction_velocity, air.obukhov_length, ra)
        acid = nitric_acid_share(nh3_ppb)
        nitrate = acid / (ra + NITRIC_ACID_RESISTANCE) + (1.0 - acid) * aerosol
        conversions = (
            nox_conversion(float(s.radiation[h]), share, sine <= 0.0),
            ammonia_conversion(nh3_ppb, no2_ppb, so2_ppb),
        )
        uptakes = CLOUD_UPTAKE_NOX * share, CLOUD_UPTAKE_NH3
        ages = (air, *later)
        result = []
        for k in (NOX, NH3):
            rain = tuple(self._scavenging(s, h + n, k, uptakes[k], a.mixing_height) for n, a in enumerate(ages))
            base = float(self._share @ self.velocities[k])  # of the mean surface
            result.append(Rates(conversions[k], *rain[0], (nitrate, aerosol)[k], base, rain[1:]))
        return result

    @staticmethod
    def _scavenging(
        s: SimpleNamespace, h: int, substance: int, uptake: float, mixing_height: float
    ) -> tuple[float, float, float, float, float]:
        """Scavenging rates [s-1] of gas and aerosol, each below and in cloud, and rain [h] of an hour."""
        duration, intensity = _rain(float(s.precipitation[h]), float(s.rain_duration[h]))
        gas = gas_scavenging(intensity, GAS_DIFFUSIVITY[substance], uptake, mixing_height)
        return (*gas, *aerosol_scavenging(intensity, mixing_height), duration)

    def _emissions(self, s: SimpleNamespace, substance: int, road: np.ndarray, h: int) -> list[tuple[int, np.ndarray]]:
        """Spectra of the hour's emission by height class; leaves the total [g s-1 per cell] in its array."""
        self._road[...] = np.bincount(
            s.cell_index, road[s.cell_link] * s.cell_share, minlength=self._road.size
        ).reshape(self._road.shape)
        self._emission[substance] = self._road
        self.plumes.fft.forward(self._road, self._road_spectrum[substance])
        spectra = [(0, self._road_spectrum[substance])]
        for m in self._maps[substance]:
            factor = float(self.factors[m.profile, h])
            self._emission[substance] += factor * m.field
            spectra.append((m.height_class, np.float32(factor) * m.spectrum))
        return spectra


def _rain(amount: float, duration: float) -> tuple[float, float]:
    """Duration [h] and intensity [mm h-1] of the hour's rain [mm]."""
    if amount <= 0.0:
        return 0.0, 0.0
    duration = max(duration, UNRESOLVED_SHOWER)
    return duration, amount / duration
