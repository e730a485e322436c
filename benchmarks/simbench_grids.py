"""SimBench's grids by code against pandapower: ``python benchmarks/simbench_grids.py [CODE ... | --draw N --seed S]``.

One line per grid and transformer model: buses, solver, largest difference of voltage [pu] and angle [degree]. The
exit code is 1 where one is above 1e-8 pu (1e-7 for the largest grids, EHV to LV) or 1e-6 degree. Some seconds each.
"""

import argparse
import sys

import numpy as np
import pandapower
import simbench

import twin


def differences(code: str, model: str) -> tuple[int, str, float, float]:
    """Buses, solver and the largest differences of a grid at its base point."""
    net = simbench.get_simbench_net(code)
    for table in (net.trafo, net.trafo3w):
        if len(table):
            table["tap_changer_type"] = "Ratio"  # simbench #69
    start = "dc" if len(net.bus) > 10_000 else "auto"
    pandapower.runpp(net, trafo_model=model, tolerance_mva=1e-8 if start == "dc" else 1e-9, init=start)
    r = twin.powerflow(f"simbench:{code}", transformer_model=model).isel(step=0)
    r = r.sel(bus=[str(i) for i in net.res_bus.index])
    if (np.isnan(r.vm_pu.values) != net.res_bus.vm_pu.isna().to_numpy()).any():
        return len(net.bus), r.attrs["solver"], np.inf, np.inf
    turn = (r.va_degree.values - net.res_bus.va_degree.to_numpy() + 180) % 360 - 180
    volts = np.nanmax(np.abs(r.vm_pu.values - net.res_bus.vm_pu.to_numpy()))
    return len(net.bus), r.attrs["solver"], float(volts), float(np.nanmax(np.abs(turn)))


def main() -> int:
    """Compare the codes asked for, or a draw of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("codes", nargs="*")
    parser.add_argument("--draw", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    a = parser.parse_args()
    every = [c for c in simbench.collect_all_simbench_codes() if "complete" not in c]
    codes = a.codes or np.random.default_rng(a.seed).choice(every, a.draw, replace=False).tolist()
    wrong = 0
    for code in codes:
        for model in ("pi", "t"):
            buses, solver, volts, degrees = differences(code, model)
            wrong += not (volts < (1e-7 if buses > 10_000 else 1e-8) and degrees < 1e-6)
            print(f"{code:<32} {model:<2} {buses:6} {solver:<8} {volts:.1e} pu {degrees:.1e} degree", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
