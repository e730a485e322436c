"""The type of a line: what a network laid by rule knows of a cable or of an overhead circuit."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LineType"]


class LineType(BaseModel):
    """Rating [VA] of one circuit, resistance and reactance [ohm/km], capacitance [uF/km]."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    s_rated: float = Field(gt=0)
    r: float = Field(gt=0)
    x: float = Field(gt=0)
    c: float = Field(ge=0)
