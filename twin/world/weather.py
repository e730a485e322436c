"""The ``weather`` group: hours of one station over the run and the year around it."""

from pathlib import Path

import pandas as pd
import xarray as xr

from twin.readers.knmi import read_knmi

__all__ = ["build_weather"]

TEXTS = {
    "wind_speed": ("m s-1", "wind speed at 10 m, hour mean"),
    "wind_direction": ("degree", "direction that the wind comes from; NaN where calm or variable"),
    "temperature": ("degC", "air temperature at 1.5 m"),
    "global_radiation": ("W m-2", "global radiation"),
    "precipitation": ("mm h-1", "precipitation"),
    "rain_duration": ("h", "duration of precipitation in the hour"),
    "relative_humidity": ("%", "relative humidity at 1.5 m"),
    "cloud_cover": ("1", "cloud cover"),
    "pressure": ("hPa", "air pressure at sea level"),
}


def build_weather(path: Path, start: pd.Timestamp, stop: pd.Timestamp) -> xr.Dataset:
    """Weather of a KNMI hourly file from ``start`` to ``stop`` (UTC); the same over the whole province."""
    table = read_knmi(path, start, stop)
    data = {
        name: ("weather_time", table[name].to_numpy(), {"units": units, "long_name": text})
        for name, (units, text) in TEXTS.items()
    }
    stamps = table.index.to_numpy().astype("datetime64[ns]")
    return xr.Dataset(data, {"weather_time": ("weather_time", stamps)}, {"station_file": path.name, "time_zone": "UTC"})
