"""Wiring: order of components from their declarations, one array per variable, buffers for lag and accumulation."""

import graphlib
import math
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np
import xarray as xr

from twin.component import Component
from twin.errors import UnitError, WiringError
from twin.variables import Variable, check_units

__all__ = ["Wiring", "dimension_sizes"]


def dimension_sizes(world: xr.DataTree) -> dict[str, int]:
    """Sizes of all dimensions over the groups of a world; one name has one size."""
    sizes: dict[str, int] = {}
    for node in world.subtree:
        for dim, size in node.sizes.items():
            if sizes.setdefault(str(dim), size) != size:
                raise WiringError(
                    f"world: dimension {dim!r} is {sizes[str(dim)]} long in one group and {size} in {node.path}; "
                    f"rename one of them"
                )
    return sizes


class Wiring:
    """Components in the order of their declared data flow, bound to the arrays of a world.

    ``arrays`` holds every declared variable once; the world's ``state`` group is built on the same memory. A
    component sees its inputs read-only; where it declares ``lag``, or ``over`` and steps slower than the shortest
    step of all, it sees a private buffer.
    """

    def __init__(self, components: Sequence[Component], world: xr.DataTree):
        self.sizes = dimension_sizes(world)
        self._shortest = math.gcd(*(c.every for c in components))
        by_name = self._components = self._unique(components)
        self.declared = self._declared(by_name)
        producers = self._producers(by_name)
        self.order = [by_name[name] for name in self._order(by_name, producers)]
        self.arrays = {name: np.full(self._shape(v), v.initial, dtype=v.dtype) for name, v in self.declared.items()}
        # (component name, attribute) -> (producer's array, private buffer)
        self.buffers: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
        self.slots = {c.name(): self._bind(c, world) for c in self.order}
        self._attach(world)

    @staticmethod
    def _unique(components: Sequence[Component]) -> dict[str, Component]:
        by_name: dict[str, Component] = {}
        for c in components:
            if c.name() in by_name:
                raise WiringError(f"component {c.name()!r} is listed twice; list it once")
            by_name[c.name()] = c
        return by_name

    def _declared(self, by_name: dict[str, Component]) -> dict[str, Variable]:
        """The one declaration of each variable, which its producer gives; all readers agree with it."""
        declared: dict[str, Variable] = {}
        for name in sorted(by_name):
            for v in by_name[name].variables.values():
                check_units(v.units, f"component {name}, variable {v.name}")
                if v.intent != "in":
                    declared[v.name] = v
        for name in sorted(by_name):
            for v in by_name[name].variables.values():
                if v.name not in declared:
                    raise WiringError(
                        f"component {name} reads {v.name!r}, which no component writes; add its producer to "
                        f"[components] in the configuration"
                    )
                have = declared[v.name]
                if have.dims != v.dims:
                    raise WiringError(
                        f"component {name} declares {v.name} over {v.dims}, its producer over {have.dims}"
                    )
                if have.units != v.units:
                    raise UnitError(
                        f"component {name} wants {v.name} in {v.units!r}, its producer gives {have.units!r}"
                    )
                if v.over != "last" and v.lag:
                    raise WiringError(f"component {name}: {v.name} has both lag and over; choose one")
        return declared

    @staticmethod
    def _producers(by_name: dict[str, Component]) -> dict[str, str]:
        producers: dict[str, str] = {}
        for name in sorted(by_name):
            for v in by_name[name].variables.values():
                if v.intent == "in":
                    continue
                if v.name in producers:
                    raise WiringError(
                        f"{v.name} is written by both {producers[v.name]} and {name}; give one another name"
                    )
                producers[v.name] = name
        return producers

    @staticmethod
    def _order(by_name: dict[str, Component], producers: dict[str, str]) -> list[str]:
        needs = {
            name: sorted({producers[v.name] for v in c.variables.values() if v.intent == "in" and not v.lag} - {name})
            for name, c in sorted(by_name.items())
        }
        try:
            return list(graphlib.TopologicalSorter(needs).static_order())
        except graphlib.CycleError as error:
            path = " -> ".join(error.args[1])
            raise WiringError(f"components wait for each other: {path}; mark one of these inputs lag=True") from None

    def _shape(self, v: Variable) -> tuple[int, ...]:
        for dim in v.dims:
            if dim not in self.sizes:
                raise WiringError(f"variable {v.name}: the world has no dimension {dim!r}; known: {sorted(self.sizes)}")
        return tuple(self.sizes[d] for d in v.dims)

    def _bind(self, component: Component, world: xr.DataTree) -> SimpleNamespace:
        s = SimpleNamespace()
        for attribute, v in component.variables.items():
            array = self.arrays[v.name]
            if v.intent == "in":
                if v.lag or (v.over != "last" and component.every > self._shortest):
                    source = array
                    array = source.copy() if v.lag else np.zeros_like(source)
                    self.buffers[component.name(), attribute] = source, array
                array = array.view()
                array.flags.writeable = False
            setattr(s, attribute, array)
        for attribute, static in component.statics.items():
            setattr(s, attribute, _static(component.name(), static.path, static.dims, static.units, world))
        return s

    def _attach(self, world: xr.DataTree) -> None:
        """Show the same memory as the world's ``state`` group, for notebooks and plots."""
        data = {
            name: xr.Variable(v.dims, self.arrays[name], {"units": v.units, "long_name": v.doc})
            for name, v in self.declared.items()
        }
        world["state"] = xr.DataTree(xr.Dataset(data))

    def latch(self) -> None:
        """At the start of a tick: lagged inputs take the value of the tick before."""
        for (name, attribute), (source, buffer) in self.buffers.items():
            if self._variable(name, attribute).lag:
                buffer[...] = source

    def accumulate(self, name: str) -> None:
        """Add this tick's values to the component's accumulators."""
        for attribute, _ in self._accumulators(name):
            source, buffer = self.buffers[name, attribute]
            buffer += source

    def complete(self, name: str, ticks: int) -> None:
        """At the end of the component's interval: sums become means where declared."""
        for attribute, v in self._accumulators(name):
            if v.over == "mean":
                self.buffers[name, attribute][1][...] /= ticks

    def clear(self, name: str) -> None:
        """After the step: accumulators start again at zero."""
        for attribute, _ in self._accumulators(name):
            self.buffers[name, attribute][1][...] = 0

    def _variable(self, name: str, attribute: str) -> Variable:
        return self._components[name].variables[attribute]

    def _accumulators(self, name: str) -> list[tuple[str, Variable]]:
        return [
            (attribute, v)
            for attribute, v in self._components[name].variables.items()
            if v.intent == "in" and v.over != "last" and (name, attribute) in self.buffers
        ]


def _static(component: str, path: str, dims: tuple[str, ...], units: str, world: xr.DataTree) -> np.ndarray:
    """Read-only contiguous array of world data, its dims and units checked against the declaration."""
    group, _, name = path.partition("/")
    if group not in world.children or name not in world[group].ds:
        raise WiringError(f"component {component} needs {path!r}, which this world does not hold; see docs/world.md")
    variable = world[group].ds[name].variable
    if variable.dims != dims:
        raise WiringError(f"component {component}: {path} has dims {variable.dims}, declared {dims}")
    have = variable.attrs.get("units", "1")
    if have != units:
        raise UnitError(f"component {component}: {path} is in {have!r}, declared {units!r}")
    array = np.ascontiguousarray(variable.values).view()
    array.flags.writeable = False
    return array
