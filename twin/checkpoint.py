"""Checkpoints: all that the next tick depends on, written aside and moved in place whole.

A resumed run is bit-identical to the uninterrupted one: the file holds the variables, the accumulators and lag
buffers, the components' own state, the books and the tick.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from twin.errors import ResumeError

if TYPE_CHECKING:
    from twin.simulation import Simulation

__all__ = ["restore", "save"]

LAYOUT = 1


def save(simulation: "Simulation", path: Path) -> None:
    """Write a checkpoint; the previous one stays until the new one is whole and on disk."""
    part = path.with_name(path.name + ".part")
    with h5py.File(part, "w") as f:
        f.attrs["layout"] = LAYOUT
        f.attrs["tick"] = simulation.tick
        f.attrs["fingerprint"] = simulation.fingerprint
        f.attrs["ledger"] = json.dumps(simulation.ledger.state())
        for name, array in simulation.wiring.arrays.items():
            f[f"variables/{name}"] = array
        for (reader, attribute), (_, buffer) in simulation.wiring.buffers.items():
            f[f"buffers/{reader}/{attribute}"] = buffer
        for component in simulation.wiring.order:
            group = f.require_group(f"components/{component.name()}")
            for name, array in component.state().items():
                group[name] = array
        for name, array in simulation.output_state().items():
            f[f"output/{name}"] = array
        f.flush()
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(path)


def restore(simulation: "Simulation", path: Path) -> None:
    """Take a simulation back to a checkpoint of the same configuration, code and inputs."""
    try:
        f = h5py.File(path, "r")
    except OSError as error:
        raise ResumeError(f"{path}: no readable checkpoint ({error}); run without --resume") from None
    with f:
        if f.attrs.get("layout") != LAYOUT:
            raise ResumeError(f"{path}: checkpoint of another layout; run without --resume")
        if f.attrs["fingerprint"] != simulation.fingerprint:
            raise ResumeError(
                f"{path}: was made with other settings, code or inputs ({f.attrs['fingerprint']}, this run is "
                f"{simulation.fingerprint}); run without --resume, or with what made it"
            )
        for name, array in simulation.wiring.arrays.items():
            array[...] = f[f"variables/{name}"][()]
        for (reader, attribute), (_, buffer) in simulation.wiring.buffers.items():
            buffer[...] = f[f"buffers/{reader}/{attribute}"][()]
        for c in simulation.wiring.order:
            c.restore({name: np.asarray(d[()]) for name, d in f[f"components/{c.name()}"].items()})
        for name, array in simulation.output_state().items():
            array[...] = f[f"output/{name}"][()]
        simulation.ledger.restore(json.loads(f.attrs["ledger"]))
        simulation.tick = int(f.attrs["tick"])
