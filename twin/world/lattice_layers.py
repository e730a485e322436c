"""The ``lattice`` group of a real province: masks, elevation, land use, population, declared backgrounds."""

from typing import Any

import geopandas as gpd
import numpy as np
import shapely
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field
from rasterio.features import rasterize
from rasterio.transform import from_origin

from twin.errors import DataError

__all__ = ["BackgroundRules", "LandUseRules", "LatticeSpec", "build_lattice", "cells_of"]


class LatticeSpec(BaseModel):
    """Square cells in RD New."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    west: float
    south: float
    cell_size: float = Field(gt=0)
    columns: int = Field(ge=2)
    rows: int = Field(ge=2)


class SynthesisRules(BaseModel):
    """Where each land use lies; see the comments of the rules file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arable_south_of: float
    arable_west_of: float
    bog_and_dune: list[str]
    wet_forest: list[str]
    large_water: list[str]
    urban_postcode_density: float
    urban_municipal_density: float
    port_zones: list[int]
    greenhouse_total: float
    greenhouse_least: float
    bathymetry_below: float


class BackgroundRules(BaseModel):
    """Declared deposition and concentration from outside the modelled sources."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    abroad: float
    rest_of_country: float
    nh3_province: float
    nh3_dune: float
    nh3_peat: float


class LandUseRules(BaseModel):
    """Land-use classes, their DEPAC class and roughness, and the rules that place them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    depac: dict[str, int]
    roughness: dict[str, float]
    rules: SynthesisRules
    background: BackgroundRules


CLASSES = ("grass", "arable", "bog_or_dune", "wet_forest", "urban", "greenhouse", "water")


def cells_of(spec: LatticeSpec, polygons: gpd.GeoSeries, values: Any = 1) -> np.ndarray:
    """Value of the polygon that holds each cell centre, 0 where none does; rows from south to north.

    ``values``: one number for all polygons or one each; a later polygon wins.
    """
    numbers = np.broadcast_to(np.asarray(values, dtype=np.int32), len(polygons))
    shapes = [(geometry, int(number)) for geometry, number in zip(polygons, numbers) if not geometry.is_empty]
    if not shapes:
        return np.zeros((spec.rows, spec.columns), np.int32)
    top = from_origin(spec.west, spec.south + spec.rows * spec.cell_size, spec.cell_size, spec.cell_size)
    return rasterize(shapes, (spec.rows, spec.columns), fill=0, transform=top, dtype="int32")[::-1].copy()


def build_lattice(
    spec: LatticeSpec,
    rules: LandUseRules,
    *,
    province: gpd.GeoSeries,
    municipalities: gpd.GeoDataFrame,
    postcodes: gpd.GeoDataFrame,
    nature: gpd.GeoDataFrame,
    port: gpd.GeoSeries,
    greenhouses: dict[str, np.ndarray],
    elevation: np.ndarray,
) -> xr.Dataset:
    """Build the group from polygons in RD and an elevation on the cells (NaN where the raster has none).

    ``municipalities`` with ``inhabitants`` and ``density`` [1/km2], ``postcodes`` with ``inhabitants`` and
    ``density``, ``nature`` with ``name``, ``greenhouses`` with ``x``, ``y``, ``size`` [m] and ``nox`` [g/s].
    """
    x = spec.west + spec.cell_size * (np.arange(spec.columns) + 0.5)
    y = spec.south + spec.cell_size * (np.arange(spec.rows) + 0.5)
    inside = cells_of(spec, province) == 1
    if not inside.any():
        raise DataError("lattice: no cell lies in the province; check west, south, columns and rows")
    r = rules.rules

    def nature_of(names: list[str]) -> np.ndarray:
        chosen = nature[nature["name"].isin(names)]
        if len(set(chosen["name"])) != len(set(names)):
            raise DataError(f"land use: no nature area called {sorted(set(names) - set(chosen['name']))}")
        return cells_of(spec, chosen.geometry) == 1

    land = cells_of(spec, municipalities.geometry, np.arange(len(municipalities)) + 1)
    water = inside & ((land == 0) | nature_of(r.large_water))
    dune = inside & nature_of(r.bog_and_dune)
    forest = inside & nature_of(r.wet_forest)
    postcode = cells_of(spec, postcodes.geometry, np.arange(len(postcodes)) + 1)
    density = np.where(
        postcode > 0,
        np.r_[0.0, postcodes["density"].to_numpy()][postcode] / r.urban_postcode_density,
        np.r_[0.0, municipalities["density"].to_numpy()][land] / r.urban_municipal_density,
    )
    urban = inside & ((density >= 1) | (cells_of(spec, port) == 1)) & ~dune
    glass = inside & _greenhouse_cells(spec, rules, greenhouses)
    use = np.zeros((spec.rows, spec.columns), np.int8)
    use[(y[:, None] < r.arable_south_of) & (x[None, :] < r.arable_west_of)] = CLASSES.index("arable")
    for mask, name in (
        (dune, "bog_or_dune"), (forest, "wet_forest"), (urban, "urban"), (glass, "greenhouse"), (water, "water"),
    ):  # fmt: skip
        use[mask] = CLASSES.index(name)
    use[~inside & (land == 0)] = CLASSES.index("water")  # sea and rivers beyond the province
    depac = np.array([rules.depac[c] for c in CLASSES], np.int8)[use]
    roughness = np.array([rules.roughness[c] for c in CLASSES])[use]
    height = np.where(water & (elevation < r.bathymetry_below), 0.0, elevation)
    missing = np.isnan(height)
    height = np.where(missing, 0.0, height)
    return _group(
        spec, x, y, inside, use, depac, roughness, height, missing, postcodes, postcode, municipalities, land, rules
    )


def _greenhouse_cells(spec: LatticeSpec, rules: LandUseRules, greenhouses: dict[str, np.ndarray]) -> np.ndarray:
    """Cells of the source's own grid with at least the declared area of glass."""
    q = greenhouses["nox"]
    area = q / q.sum() * rules.rules.greenhouse_total  # ha
    found = np.zeros((spec.rows, spec.columns), bool)
    for x, y, size in zip(*(greenhouses[k][area >= rules.rules.greenhouse_least] for k in ("x", "y", "size"))):
        column = round((x - 0.5 * size - spec.west) / spec.cell_size)
        row = round((y - 0.5 * size - spec.south) / spec.cell_size)
        n = round(size / spec.cell_size)
        found[max(row, 0) : max(row + n, 0), max(column, 0) : max(column + n, 0)] = True
    return found


def _population(
    spec: LatticeSpec,
    postcodes: gpd.GeoDataFrame,
    postcode: np.ndarray,
    municipalities: gpd.GeoDataFrame,
    land: np.ndarray,
) -> np.ndarray:
    """Inhabitants of each postcode area evenly over its cells; elsewhere what the municipality has beyond them."""
    people = np.zeros((spec.rows, spec.columns))
    counts = np.bincount(postcode.ravel(), minlength=len(postcodes) + 1)
    per_cell = np.r_[0.0, postcodes["inhabitants"].to_numpy()] / np.maximum(counts, 1)
    per_cell[0] = 0.0
    people += per_cell[postcode]
    lived = np.bincount(land.ravel(), people.ravel(), minlength=len(municipalities) + 1)
    free = np.bincount(land.ravel(), (postcode == 0).ravel(), minlength=len(municipalities) + 1)
    rest = np.maximum(np.r_[0.0, municipalities["inhabitants"].to_numpy()] - lived, 0.0)
    # a municipality that leaves the lattice keeps the density of its whole: its people outside are not drawn in
    box = shapely.box(
        spec.west, spec.south, spec.west + spec.columns * spec.cell_size, spec.south + spec.rows * spec.cell_size
    )
    all_cells = municipalities.geometry.area.to_numpy() / spec.cell_size**2
    outside = np.r_[0.0, np.where(municipalities.geometry.within(box), 0.0, all_cells)]
    held = np.bincount(land.ravel(), minlength=len(municipalities) + 1)
    whole = free + np.where(outside > held, outside - held, 0.0)
    share = np.where(whole > 0, rest / np.maximum(whole, 1), 0.0)
    share[0] = 0.0
    # postcodes and municipality of different years: what is left goes to the postcodes where it would be denser there
    grown = (share * (held - free) > lived) & (held > 2 * free)
    people *= np.where(grown, 1.0 + rest / np.maximum(lived, 1.0), 1.0)[land]
    share[grown] = 0.0
    return people + np.where(postcode == 0, share[land], 0.0)


def _group(
    spec: LatticeSpec, x: np.ndarray, y: np.ndarray, inside: np.ndarray, use: np.ndarray, depac: np.ndarray,
    roughness: np.ndarray, height: np.ndarray, missing: np.ndarray, postcodes: gpd.GeoDataFrame, postcode: np.ndarray,
    municipalities: gpd.GeoDataFrame, land: np.ndarray, rules: LandUseRules,
) -> xr.Dataset:  # fmt: skip
    b = rules.background
    dims = ("y", "x")
    water = use == CLASSES.index("water")
    dune = use == CLASSES.index("bog_or_dune")
    south = y[:, None] < 0.5 * (y[0] + y[-1])
    nh3 = np.where(dune, b.nh3_dune, b.nh3_province)
    nh3 = np.where((use == CLASSES.index("grass")) & ~south, b.nh3_peat, nh3)
    background = np.where(water, b.rest_of_country, b.rest_of_country + b.abroad)
    made = {"synthetic": np.int32(1)}

    def v(data: np.ndarray, units: str, text: str, **attrs: Any) -> xr.Variable:
        return xr.Variable(dims, np.ascontiguousarray(data), {"units": units, "long_name": text, **attrs})

    data = {
        "elevation": v(height, "m", "ground height above NAP", cells_without_data=np.int32(missing.sum())),
        "land_use": v(depac, "1", "DEPAC land-use class", **made, rule="postcode density, nature areas, glass, water"),
        "land_use_detail": v(
            use, "1", "land use as synthesised", **made, rule="postcode density, nature areas, glass, water",
            flag_values=np.arange(len(CLASSES), dtype=np.int8), flag_meanings=" ".join(CLASSES),
        ),
        "roughness_length": v(roughness, "m", "roughness length", **made, rule="one value per land use"),
        "province": v(inside.astype(np.int8), "1", "1 inside the province"),
        "population": v(
            _population(spec, postcodes, postcode, municipalities, land), "1", "inhabitants per cell", **made,
            rule="postcode areas evenly over their cells; the municipality's remainder elsewhere, or over them",
        ),
        "background_deposition": v(
            background, "mol ha-1 yr-1", "N deposition from outside the modelled sources", **made,
            rule="declared: other provinces everywhere, abroad over land; band 30 to 40 %",
        ),
        "background_nh3": v(nh3, "ug m-3", "NH3 background", **made, rule="declared per land use; band 40 %"),
    }  # fmt: skip
    coordinates = {
        "x": ("x", x, {"units": "m", "standard_name": "projection_x_coordinate"}),
        "y": ("y", y, {"units": "m", "standard_name": "projection_y_coordinate"}),
    }
    return xr.Dataset(data, coordinates, {"cell_size": spec.cell_size, "epsg": np.int32(28992)})
