"""What a component is: declared variables and a step on bare arrays."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from twin.errors import WiringError
from twin.variables import In, InOut, Out, Static, Variable

if TYPE_CHECKING:
    import xarray as xr

    from twin.clock import Moment

__all__ = ["Component", "ComponentOptions", "In", "InOut", "Out", "Static", "Variable"]


class ComponentOptions(BaseModel):
    """Base of a component's parameters: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Component:
    """One process of the province.

    A subclass declares ``In``/``Out``/``InOut`` variables and ``Static`` world data as class attributes, its
    parameters as a nested ``Options`` model, and implements :meth:`step`. Attributes of ``s`` carry the names of
    the declarations: inputs and statics as read-only arrays, outputs as writable ones, bound once.
    """

    every: int = 3600  # seconds between steps
    Options: type[ComponentOptions] = ComponentOptions
    leaves_out: str = ""  # what the physics does not hold; printed in the run file
    registry: ClassVar[dict[str, type["Component"]]] = {}
    variables: ClassVar[dict[str, Variable]] = {}
    statics: ClassVar[dict[str, Static]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared = {a: v for base in reversed(cls.__mro__) for a, v in vars(base).items()}
        cls.variables = {a: v for a, v in declared.items() if isinstance(v, Variable)}
        cls.statics = {a: v for a, v in declared.items() if isinstance(v, Static)}
        if cls.name() in Component.registry and Component.registry[cls.name()].__module__ != cls.__module__:
            raise WiringError(f"two components are called {cls.name()!r}; rename one class")
        Component.registry[cls.name()] = cls

    def __init__(self, options: ComponentOptions | None = None):
        self.options: Any = options if options is not None else self.Options()

    @classmethod
    def name(cls) -> str:
        """Name in configurations and the run file: the class name in snake case."""
        return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(cls.__name__))

    def setup(self, s: SimpleNamespace, world: "xr.DataTree") -> None:
        """Once before the first step: scratch arrays, look-up tables, orders."""

    def step(self, s: SimpleNamespace, clock: "Moment") -> None:
        """Advance over the interval of ``clock``: read inputs, write outputs in place."""
        raise WiringError(f"component {self.name()} implements no step")

    def state(self) -> dict[str, np.ndarray]:
        """Arrays beyond the declared variables that the next step depends on; a checkpoint holds them."""
        return {}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Take back what :meth:`state` gave, in place where the shapes are the same."""
        for name, array in self.state().items():
            if name not in state or state[name].shape != array.shape:
                raise WiringError(f"component {self.name()}: checkpoint holds no {name!r} of shape {array.shape}")
            array[...] = state[name]
