"""Many runs on dask.distributed: a laptop's processes or a cluster's jobs, by one client.

A member's identity is the hash of configuration, scenario, code and inputs; a finished file of that identity is
taken as it is, never by its name alone. One member's failure names itself and leaves the others alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twin.errors import ConfigError, TwinError
from twin.scenario import Scenario, load_scenario

__all__ = ["Member", "run_ensemble"]


@dataclass(frozen=True)
class Member:
    """Outcome of one member: ``computed``, ``cached`` or ``failed``."""

    scenario: str
    status: str
    detail: str


def run_ensemble(
    config: Path | str,
    scenarios: Sequence[Path],
    *,
    data: Path | str | None = None,
    out: Path | str = "runs",
    workers: int = 2,
    client: Any = None,
) -> list[Member]:
    """Run the base and every scenario; return the outcome of each, in the order given.

    ``client`` is a ``distributed.Client`` of any cluster; without it a local cluster of ``workers`` processes
    with one thread each is started and closed.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise ConfigError("twin ensemble needs dask.distributed: install province-twin[cluster]") from None

    named: list[tuple[str, Path | None]] = [("base", None), *((_name(path), path) for path in scenarios)]
    names = [name for name, _ in named]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"ensemble: two scenarios are called {name!r}; each member needs its own name")
    from twin.session import warm_up

    warm_up()  # one process compiles; the workers find the kernels
    if client is not None:
        return _gather(client, config, named, data, out)
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        Client(cluster) as local,
    ):
        return _gather(local, config, named, data, out)


def _name(path: Path) -> str:
    try:
        return load_scenario(path).name
    except TwinError:
        return path.stem  # the member itself reports what is wrong with the file


def _gather(client: Any, config: Path | str, named: list[tuple[str, Path | None]], data: Any, out: Any) -> list[Member]:
    futures = [
        client.submit(_run_member, str(config), path and str(path), data and str(data), str(out), pure=False, retries=1)
        for _, path in named
    ]
    members = []
    for (name, _), future in zip(named, futures):
        try:
            status, detail = future.result()
        except Exception as error:  # a member's failure, of whatever kind, is its own
            status, detail = "failed", f"{type(error).__name__}: {error}"
        members.append(Member(name, status, detail))
    return members


def _run_member(config: str, scenario: str | None, data: str | None, out: str) -> tuple[str, str]:
    """In a worker: run unless a finished file of the same identity is there."""
    from kernels.jit import set_threads
    from twin import session

    set_threads(1)
    chosen: Scenario | None = load_scenario(Path(scenario)) if scenario else None
    result = session.run(config, data=data, out=out, scenario=chosen, reuse=True, quiet=True)
    return "cached" if result.cached else "computed", str(result.path)
