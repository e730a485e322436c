"""``twin ensemble``: many scenarios of one configuration, in parallel."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

__all__ = ["ensemble"]


def ensemble(
    config: str,
    /,
    *scenarios: Path,
    data: Path | None = None,
    out: Path = Path("runs"),
    workers: int = 2,
) -> int:
    """Run scenarios on a local cluster, one run file each; failures are named and end with exit code 1.

    Parameters
    ----------
    config
        TOML file or built-in name.
    scenarios
        Scenario files; the base run is always a member.
    data
        Root of the input files; default TWIN_DATA.
    out
        Folder of the run files.
    workers
        Processes, with one thread each.
    """
    from twin.ensemble import run_ensemble

    members = run_ensemble(config, scenarios, data=data, out=out, workers=workers)
    table = Table("scenario", "status", "run file or reason")
    for member in members:
        table.add_row(member.scenario, member.status, member.detail)
    Console(soft_wrap=True).print(table)
    return 1 if any(member.status == "failed" for member in members) else 0
