"""``twin run``: one run from configuration to run file."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from twin import session
from twin.errors import ConfigError
from twin.threads import use_threads

__all__ = ["run"]


def run(
    config: str | None = None,
    /,
    *,
    data: Path | None = None,
    out: Path = Path("runs"),
    start: str | None = None,
    stop: str | None = None,
    scenario: Path | None = None,
    against: Literal["base"] | None = None,
    resume: bool = False,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    threads: int | None = None,
    dry_run: bool = False,
) -> int:
    """Run a province and write one HDF5 run file.

    Parameters
    ----------
    config
        TOML file or built-in name (see `twin provinces`); the demo province where absent. With `--against`, a scenario
        file that names its configuration and variants.
    data
        Root of the input files; default TWIN_DATA.
    out
        Folder of the run file.
    start, stop
        First and last moment, ISO with time zone, e.g. 2023-01-16T00:00:00Z; default from the configuration.
    scenario
        TOML file with changes to the world.
    against
        "base": run the base and every variant of the scenario file, and print one table of what they change.
    resume
        Go on from the last checkpoint of the same run; results are bit-identical.
    set_
        section.key=value, over the configuration; may be repeated.
    threads
        Threads of the kernels; results do not depend on it.
    dry_run
        Build and wire, print what the run would do and need, run nothing.
    """
    if against is not None:
        return _answer(config, data, out, {"--start": start, "--stop": stop, "--scenario": scenario, "--set": set_,
                                           "--resume": resume, "--dry-run": dry_run}, threads)  # fmt: skip
    sections: dict[str, dict[str, object]] = {}
    for key, value in (("start", start), ("stop", stop)):
        if value is not None:
            sections.setdefault("run", {})[key] = value
    if dry_run:
        _print_plan(session.plan(config, data=data, out=out, scenario=scenario, overrides=set_, sections=sections))
        return 0
    with use_threads(threads):
        result = session.run(
            config, data=data, out=out, scenario=scenario, resume=resume, overrides=set_, sections=sections
        )
    _print_result(result)
    return 0


def _answer(config: str | None, data: Path | None, out: Path, others: dict[str, object], threads: int | None) -> int:
    """Answer a question and print its table."""
    from twin.question import answer

    given = [name for name, value in others.items() if value]
    if given or config is None:
        what = f"{given[0]} does not go with it" if given else "no scenario file is given"
        raise ConfigError(f"twin run SCENARIO --against base: {what}; times and settings are written in the file")
    with use_threads(threads):
        table = answer(config, data=data, out=out)
    width = {name: max(map(len, (name, *table[name]))) for name in ("variant", "indicator", "region", "unit")}
    numbers = ("base", "scenario", "delta", "p05", "p95")
    lines = ["  ".join([*(f"{n:<{w}}" for n, w in width.items()), *(f"{n:>12}" for n in numbers), "method", "status"])]
    for row in table.to_dict("records"):
        texts = [f"{row[n]:<{w}}" for n, w in width.items()]
        lines.append(
            "  ".join([*texts, *(f"{row[n]:>12.6g}" for n in numbers), str(row["method"]), str(row["status"])])
        )
    Console(soft_wrap=True, highlight=False).print("\n".join(lines), markup=False)
    return 0


def _print_plan(plan: session.Plan) -> None:
    console = Console()
    console.print(f"order    {' -> '.join(plan.order)}")
    console.print(f"steps    {plan.steps}, of which {plan.output_steps} recorded")
    console.print(f"memory   {plan.state_bytes / 1e6:.0f} MB of state, besides the world and the components' own")
    console.print(
        f"disk     at most {plan.output_bytes / 1e6:.0f} MB before compression, {plan.free_bytes / 1e9:.1f} GB free"
    )
    console.print(f"file     {plan.path}")


def _print_result(result: session.RunResult) -> None:
    console = Console()
    table = Table("part", "wall [s]", "share", "CPU [s]", "first step [s]", title="Where the time went")
    inside = sum(t["wall"] for t in result.components.values())
    stepping = max(result.wall_seconds - result.build_seconds, 1e-9)
    for name, t in result.components.items():
        table.add_row(name, f"{t['wall']:.2f}", f"{t['wall'] / stepping:.1%}", f"{t['cpu']:.2f}", f"{t['first']:.2f}")
    table.add_row(
        "run file and checkpoints", f"{result.record_seconds:.2f}", f"{result.record_seconds / stepping:.1%}", "", ""
    )
    rest = stepping - inside - result.record_seconds
    table.add_row("engine", f"{rest:.2f}", f"{rest / stepping:.1%}", "", "")
    table.add_row("building the world", f"{result.build_seconds:.2f}", "", "", "")
    console.print(table)
    console.print(f"outside the components: {1 - inside / stepping:.1%} of stepping")
    books = Table("quantity", "unit", "in", "out + kept", "difference", title="Books of the run")
    for name, units, inflow, outflow, difference in result.ledger:
        books.add_row(name, units, f"{inflow:.6g}", f"{outflow:.6g}", f"{difference:.1e}")
    console.print(books)
    memory = f", at most {result.peak_bytes / 1e9:.2f} GB of memory" if result.peak_bytes else ""
    console.print(f"{result.steps} steps in {result.wall_seconds:.1f} s{memory}: {result.path}")
