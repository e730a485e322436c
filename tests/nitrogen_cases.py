"""The given runs of the reference program as cases for tests and benchmarks, by name."""

from pathlib import Path

import numpy as np
import pandas as pd

from twin.nitrogen import Conversion, Grid, Map, Roads, Switches, deposit
from twin.readers.ctr import read_ctr

# declared uniform maps of the cases: land use and roughness length [m]
SURFACES = {
    "lu1": (1, 0.03),
    "lu2": (2, 0.1),
    "lu4": (4, 1.0),
    "lu5": (5, 1.0),
    "lu6": (6, 0.0002),
    "lu7": (7, 0.5),
    "lu8": (8, 0.1),
}
BACKGROUND = {"NH3": 6.0, "NOx": 20.0, "SO2": 1.5}
CASES = [
    "G_NH3_h2.5_switch_f0001_lines",
    "G_NH3_h2.5_switch_f0010_lines",
    "G_NH3_h2.5_switch_f0100_lines",
    "G_NH3_h2.5_switch_f1000_lines",
    "G_NH3_multi30_grid41",
    "G_NH3_point_h0.5_dv5_lines",
    "G_NH3_point_h1.5_dv4_lines",
    "G_NOx_point_h2.5_dv3_lines",
    "G_NOx_road_row_SRM2",
    "G_NOx_road_row_noSRM2",
    "G_disp_only_h2.5_lines",
    "G_disp_only_h40_hc1_lines",
    "G_disp_only_h40_lines",
    *(
        f"G_{substance}_{kind}"
        for substance in ("NH3", "NOx")
        for kind in (
            "area500_h2.5_grid41",
            "area500_h2.5_lines",
            "gridavg_h2.5_250m",
            "point_h1.5_z0_0.03_lines",
            "point_h2.5_grid41",
            "point_h2.5_lines",
            "point_h40_grid41",
            "point_h40_hc1_grid41",
            "point_h40_hc1_lines",
            "point_h40_lines",
            "point_h5_EMEPchem_lines",
            "point_h5_lu1_grass_lines",
            "point_h5_lu2_arable_lines",
            "point_h5_lu4_conif_lines",
            "point_h5_lu5_decid_lines",
            "point_h5_lu6_water_lines",
            "point_h5_lu7_urban_lines",
            "point_h5_lu8_heath_lines",
            "point_h5_mixed_grass_forest_lines",
            "point_h5_z0_0.5_lines",
        )
    ),
]
_QUANTITY = {
    "concentration": "conc",
    "conctr._sec._component": "conc",
    "dry_deposition": "dry",
    "wet_deposition": "wet",
    "total_deposition": "tot",
    "drydep._pri._component": "dry",
    "drydep._sec._component": "dry",
    "wetdep._pri._component": "wet",
    "wetdep._sec._component": "wet",
}


def reference(data: Path, name: str) -> pd.DataFrame:
    """Printed result of the reference program."""
    folder = data / "nitrogen" / "given"
    if "gridavg" not in name:
        return pd.read_csv(folder / f"{name}.csv")
    lines = (folder / f"{name}.plt.txt").read_text().splitlines()
    columns = {}
    for start in range(0, len(lines), 42):
        head = lines[start].split()
        quantity = next((_QUANTITY[word] for word in head if word in _QUANTITY), "conc")
        values = [line.split() for line in lines[start + 1 : start + 42]]
        columns[f"{quantity}_{head[4]}"] = np.array(values, dtype=float).ravel()
    return pd.DataFrame(columns)


def mixed_maps() -> tuple[Map, Map]:
    """Grass (z0 0.03 m) west of x = 157000, conifer (z0 1.0 m) east of it, cells of 500 m."""
    use = np.full((240, 240), 1)
    use[:, 95_000 + 500 * np.arange(240) + 250 > 157_000] = 4
    frame = (95_000.0, 523_000.0, 500.0, 500.0)
    return Map(np.where(use == 1, 0.03, 1.0), *frame), Map(use, *frame)


def run(data: Path, name: str, **choices):
    """The exact mode on a case."""
    folder = data / "nitrogen" / "given"
    control = read_ctr(folder / f"{name}.ctr")
    z0, land_use = control.number("ROUGHNESS"), 1
    for key, (use, roughness) in SURFACES.items():
        if f"_{key}_" in name:
            z0, land_use = roughness, use
    if "mixed" in name:
        z0, land_use = mixed_maps()
    loss = control.switches("LOSS")
    if control.text("RECEPTYPE") == "1":
        keys = ("XCENTER", "YCENTER", "NCOLS", "NROWS", "RESO")
        x, y, columns, rows, cell = (control.number(key) for key in keys)
        receptors = Grid(x, y, int(columns), int(rows), cell)
    else:
        receptors = reference(data, name)[["name", "x", "y"]]
    arguments = {
        "substance": "NH3" if control.text("COMPCODE") == "3" else "NOx",
        "z0": z0,
        "land_use": land_use,
        "background": BACKGROUND,
        "conversion": Conversion(nh3=5.0, nox=4.0) if control.text("CONVRATE") == "EMEP" else None,
        "switches": Switches(*(bool(v) for v in (loss[1:] or loss * 4))),
        "roads": Roads(frozenset({3}), ozone=(45.0,) * 12) if control.text("ROADS") else None,
        "diffusion": control.number("DIFFCOEFF"),
        "reversible": control.text("WASHOUT") == "1",
    } | choices
    weather = data / "nitrogen" / "inputs" / "ops" / "a005105c.005"
    return deposit(folder / f"{name}.brn", receptors, weather, **arguments)
