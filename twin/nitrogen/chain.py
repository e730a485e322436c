"""The exact sector-plume chain over all pairs, and its sums as named columns in the field's units."""

from __future__ import annotations

import time

import numpy as np
import xarray as xr

from kernels.nitrogen.exact import inputs, pairs
from kernels.nitrogen.exact.chain import KEPT
from kernels.nitrogen.exact.lanes import INTEGER_ROWS, SCRATCH_ROWS, STRIDE, workspace
from twin.nitrogen.kernel_input import MOLAR, KernelInput
from twin.nitrogen.options import Switches

__all__ = ["columns_of", "run_chain"]

_FLUX = 87.6  # mol/ha/yr per (ug/m2/h) times g/mol: 8760 h, 1e4 m2, 1e-6 g
_NOX_AS_MEASURED = 1.08  # printed NOx concentration is divided by this where chemistry is on
_KEPT_PAIRS = 65536  # road pairs whose dispersion is kept between the passes of road chemistry (28 MB)


def run_chain(prepared: KernelInput) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, int]:
    """Run the kernel, twice with road chemistry; returns sums, road sums, NO2/NOx near roads, CPU seconds and pairs."""
    sources, receptors, maps, climate, substance, options, roads = prepared
    chemical = options.road_chemistry

    def parts(count: int) -> int:
        """Parts that run on threads, of so many receptors; none is small."""
        return int(np.clip(count * len(sources.values) // 512, 1, pairs.PARTS))

    most = parts(len(receptors.values))
    work = workspace(most)
    iw = np.zeros((most, (INTEGER_ROWS + SCRATCH_ROWS) * STRIDE), dtype=np.int64)
    order = np.zeros((most, STRIDE), dtype=np.int64)
    fan = np.zeros((most, 27))
    uses = np.zeros((most, 2, 10), dtype=np.bool_)
    count = receptors.values.shape[0]
    n_groups = int(sources.codes[:, 2].max()) + 1
    out = np.zeros((count, n_groups, inputs.OUTPUTS))
    ratio = np.zeros((count, 12))
    road = np.zeros((count, 12, 3))
    counts = np.zeros(most, dtype=np.int64)
    # what road pairs share between the two passes is kept for a piece of the receptors at a time
    roadside = int(sources.codes[:, 3].sum()) if chemical else 0
    piece = max(1, min(count, _KEPT_PAIRS // max(roadside, 1)) if chemical else count)
    kept = np.zeros((min(piece * roadside, _KEPT_PAIRS), 6, KEPT))
    before = (work, iw, order, fan, uses, kept, sources)
    after = (maps, climate, substance, options)

    def run(begin: int, end: int, road_pass: int, sums: np.ndarray) -> int:
        some = receptors.at(slice(begin, end))
        counts[:] = 0
        part = (ratio[begin:end], out[begin:end], sums)
        pairs.run_pairs(parts(end - begin), *before, some, *after, road_pass, *part, counts)
        return int(counts.sum())

    run(0, 0, 0, road[:0])  # loads the compiled kernel, so that the time below is that of the computation
    number = 0
    start = time.process_time()
    ozone = np.asarray(roads.ozone)
    for begin in range(0, count, piece):
        end = min(count, begin + piece)
        if not chemical:
            number += run(begin, end, 0, road[begin:end])
            continue
        first = np.zeros((end - begin, 12, 3))
        run(begin, end, 1, first)
        ratio[begin:end] = _road_ratio(first[:, :, 0], first, ozone)
        number += run(begin, end, 2, road[begin:end])
        ratio[begin:end] = _road_ratio(road[begin:end, :, 0], first, ozone)
    return out, road, ratio, time.process_time() - start, number


def _road_ratio(concentration: np.ndarray, first: np.ndarray, ozone: np.ndarray) -> np.ndarray:
    """NO2/NOx near roads per sector: 0.15 + 0.85 O3/(0.85 C/F' + 100), F' = mean frequency per source."""
    number = first[:, :, 2]
    frequency = np.divide(first[:, :, 1], number, out=np.zeros_like(number), where=number > 0)
    mean = np.divide(concentration, frequency, out=np.zeros_like(number), where=frequency > 0)
    return 0.15 + 0.85 * ozone / (0.85 * mean + 100.0)


def columns_of(
    out, road, ratio, substance: str, switches: Switches, split: dict[str, np.ndarray] | None, prepared: KernelInput
) -> xr.Dataset:  # fmt: skip
    """Sums of the kernel as named columns in the field's units."""
    receptors, chemical = prepared.receptors, prepared.options.road_chemistry
    first, second = MOLAR[substance]
    primary, ion, total = ("NH3", "NH4", "NHx") if substance == "NH3" else ("NOx", "NO3+HNO3", "NOy")
    on = 1.0 if switches.losses else 0.0
    dims = ("receptor", "group")
    dry, wet = on * _FLUX / first * out[..., 1], on * _FLUX / first * out[..., 2]
    dry2, wet2 = on * _FLUX / second * out[..., 4], on * _FLUX / second * out[..., 5]
    conc = out[..., 0] / (_NOX_AS_MEASURED if primary == "NOx" and switches.chemistry else 1.0)
    conc2 = out[..., 3]
    columns = {
        f"conc_{primary}": conc,
        f"dry_{total}": dry + dry2,
        f"wet_{total}": wet + wet2,
        f"tot_{total}": dry + dry2 + wet + wet2,
        f"conc_{ion}": conc2,
    }
    if primary == "NOx":
        if split is None:
            share = receptors.values[:, inputs.RSHARE][:, None]
            columns["conc_NO3_AER"], columns["conc_HNO3"] = conc2 * (1.0 - share), conc2 * share
        else:
            acid, coarse, fine = (split[name][:, None] for name in ("hno3", "coarse", "fine"))
            columns["conc_NO3_AER"] = conc2 * (coarse + fine)
            columns["conc_HNO3"] = conc2 * acid
            columns["conc_NO3_C"], columns["conc_NO3_F"] = conc2 * coarse, conc2 * fine
    columns |= {f"dry_{primary}": dry, f"dry_{ion}": dry2, f"wet_{primary}": wet, f"wet_{ion}": wet2}
    if primary == "NOx":
        near = np.zeros_like(conc)
        near[:, 0] = road[:, :, 0].sum(axis=1) if chemical else 0.0
        no2 = out[..., 6].copy()
        if chemical:
            no2[:, 0] += (ratio * road[:, :, 0]).sum(axis=1)
        columns["conc_NO2_ROADS"] = no2
        columns["conc_NOx_ROADS"] = near / _NOX_AS_MEASURED
    units = {"conc": "ug m-3"}
    return xr.Dataset(
        {name: (dims, value, {"units": units.get(name[:4], "mol ha-1 yr-1")}) for name, value in columns.items()}
    )
