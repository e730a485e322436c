"""Which reader takes which network: by prefix, by folder, by the content of the file."""

import importlib.util
from pathlib import Path

from twin.errors import DataError
from twin.readers.pandapower_net import from_tables, tables_of
from twin.readers.power_network import PowerNetwork, read_json

__all__ = ["open_network"]


def open_network(name: str, transformer_model: str = "pi") -> PowerNetwork:
    """Read ``simbench:CODE``, ``pandapower:CASE``, a SimBench folder, a MATPOWER ``.m``, a PGM or pandapower JSON."""
    prefix, colon, rest = name.partition(":")
    if colon and prefix == "pandapower":
        return _of_pandapower(rest, name, transformer_model)
    if colon and prefix == "simbench":
        return _of_simbench(rest, name, transformer_model)
    path = Path(name)
    if path.is_dir():
        from twin.readers.simbench import read_simbench

        return read_simbench(path, transformer_model)
    if path.suffix == ".m":
        from twin.readers.matpower import read_matpower

        return read_matpower(path)
    data = read_json(path)
    if isinstance(data, dict) and "_object" in data:
        return from_tables(tables_of(data, name), name, transformer_model)
    if isinstance(data, dict) and "data" in data:
        from twin.readers.pgm_json import from_pgm

        return from_pgm(data, name)
    raise DataError(
        f"{name}: is neither a pandapower network (_object) nor power-grid-model input (data); give one of them"
    )


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"the package {name} is not installed, and the network comes with it; pip install {name}")
    return Path(next(iter(spec.submodule_search_locations)))


def _of_pandapower(case: str, name: str, transformer_model: str) -> PowerNetwork:
    """A network that comes with pandapower: a test case's JSON as plain data, else what its function makes."""
    path = _package("pandapower") / "networks" / "power_system_test_case_jsons" / f"{case}.json"
    if case.isidentifier() and path.is_file():
        return _published(from_tables(tables_of(read_json(path), name), name, transformer_model))
    import pandapower.networks

    make = getattr(pandapower.networks, case, None) if case.isidentifier() else None
    if not callable(make):
        raise DataError(f"{name}: pandapower.networks has no {case!r}; look up its name there")
    try:
        net = make()
    except TypeError as error:
        raise DataError(f"{name}: pandapower makes no network of that name without arguments ({error})") from None
    net = net[0] if isinstance(net, tuple) else net  # some functions return the buses too
    if not isinstance(net, dict) or "bus" not in net:
        raise DataError(f"{name}: what pandapower makes under that name is no network; look up its name there")
    return _published(from_tables(net, name, transformer_model))


def _published(network: PowerNetwork) -> PowerNetwork:
    """A grid known by its name: how many sources feed a component is its authors' choice."""
    network.several_sources = True
    return network


def _of_simbench(code: str, name: str, transformer_model: str) -> PowerNetwork:
    """A SimBench grid by its code, through the package simbench; tap positions count as ratios (simbench #69)."""
    _package("simbench")
    import simbench

    if code not in simbench.collect_all_simbench_codes():
        raise DataError(f"{name}: SimBench has no grid {code!r}; see simbench.collect_all_simbench_codes()")
    return _published(from_tables(simbench.get_simbench_net(code), name, transformer_model))
