"""A question to the province: a scenario in variants, each run against the base, and one table as the answer."""

from pathlib import Path

import pandas as pd

from twin import session
from twin.analysis.housing import HousingRun, housing_table
from twin.band import member_tables
from twin.components.charging import Charging
from twin.config import Configuration
from twin.errors import ConfigError
from twin.records import open_run
from twin.scenario import Question, Scenario, Variant, load_question

__all__ = ["answer"]


def answer(
    question: Path | str | Question, *, data: Path | str | None = None, out: Path | str = "runs", quiet: bool = False
) -> pd.DataFrame:
    """Run a question's base and variants and return its table (:func:`twin.analysis.housing.housing_table`).

    Run files and ``<name>.csv`` go to the folder ``out/<name>``; finished files of the same settings, scenario, code
    and inputs are taken as they are. A variant with settings of its own is held against a base with the same settings.
    """
    asked = question if isinstance(question, Question) else load_question(Path(question))
    folder = Path(out) / asked.name

    def run(name: str, scenario: Scenario | None, variant: Variant | None) -> HousingRun:
        config = _configuration(asked, variant)
        made = session.run(config, data=data, out=folder, scenario=scenario, reuse=True, quiet=quiet)
        cars = Charging.Options(**config.components.get("charging", {}))
        title = variant.title if variant else ""
        return HousingRun(name, title, open_run(made.path), cars.kwh_per_km, cars.efficiency)

    base = run("base", None, None)
    rows, configs = [], []
    for variant in asked.variant:
        pair = base
        if variant.set:
            nothing = Scenario(name=f"base_{variant.name}", title=f"base, {variant.title}")
            pair = run(nothing.name, nothing, variant)
        rows.append((run(variant.name, asked.scenario(variant), variant), pair))
        configs.append(_configuration(asked, variant))
    members = member_tables(asked, rows, configs, data=data, quiet=quiet)
    table = housing_table(base, rows, working_days=asked.working_days, members=members)
    table.to_csv(folder / f"{asked.name}.csv", index=False)
    return table


def _configuration(asked: Question, variant: Variant | None) -> Configuration:
    """The question's configuration with the settings of a variant, less the components that it does without."""
    overrides = (*asked.set, *(variant.set if variant else ()))
    times = {"run": {"start": asked.start.isoformat(), "stop": asked.stop.isoformat()}}
    config = session.configuration(asked.config, overrides, times)
    left_out = {*asked.without, *(variant.without if variant else ())}
    unknown = left_out - set(config.components)
    if unknown:
        raise ConfigError(f"{asked.name}: without: {config.path} has no component {min(unknown)!r} to leave out")
    kept = {name: options for name, options in config.components.items() if name not in left_out}
    return config.model_copy(update={"components": kept})
