"""``twin compare RUN_A RUN_B``: the table of indicators as text."""

from pathlib import Path

from rich.console import Console

from twin import analysis

__all__ = ["compare", "compare_runs"]


def compare(run_a: Path, run_b: Path, /, *, csv: Path | None = None) -> int:
    """Compare two runs of one province, indicator by indicator, with units.

    Parameters
    ----------
    run_a, run_b
        Run files; the difference is B - A.
    csv
        Also write the table to this file.
    """
    if csv is not None:
        analysis.compare(run_a, run_b).to_csv(csv, index=False)
    Console(soft_wrap=True, highlight=False).print(compare_runs(run_a, run_b), markup=False)
    return 0


def compare_runs(run_a: str | Path, run_b: str | Path) -> str:
    """Aligned table with units: A, B, difference and per cent."""
    table = analysis.compare(run_a, run_b)
    width = max([len("indicator"), *table["indicator"].str.len()])
    unit = max([len("unit"), *table["unit"].str.len()])
    lines = [f"A  {run_a}", f"B  {run_b}", ""]
    lines.append(f"{'indicator':<{width}}  {'unit':<{unit}}  {'A':>13}  {'B':>13}  {'B - A':>13}  {'%':>8}")
    lines += [
        f"{row.indicator:<{width}}  {row.unit:<{unit}}  {row.A:>13.6g}  {row.B:>13.6g}  "
        f"{row.difference:>13.6g}  {row.percent:>8.3g}"
        for row in table.itertuples(index=False)
    ]
    return "\n".join(lines)
