"""``twin provinces``: the built-in configurations."""

from rich.console import Console
from rich.table import Table

from twin.config import BUILT_IN, load

__all__ = ["provinces"]


def provinces() -> int:
    """List the built-in provinces and the file of each."""
    table = Table("name", "title", "kind", "run", "file")
    for path in sorted(BUILT_IN.glob("*.toml")):
        c = load(path)
        days = (c.run.stop - c.run.start).total_seconds() / 86_400
        table.add_row(
            c.province.name,
            c.province.title,
            c.province.kind,
            f"{days:.0f} days from {c.run.start:%Y-%m-%d}",
            str(path),
        )
    Console(soft_wrap=True).print(table)
    return 0
