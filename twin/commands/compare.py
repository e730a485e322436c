"""``twin compare RUN_A RUN_B``: the table of indicators as text."""

from pathlib import Path

from twin import analysis

__all__ = ["compare_runs"]


def compare_runs(run_a: str | Path, run_b: str | Path, *, csv: Path | None = None) -> str:
    """Compare two runs of one province, indicator by indicator, with units.

    Parameters
    ----------
    run_a, run_b
        Run files; the difference is B - A.
    csv
        Also write the table to this file.
    """
    table = analysis.compare(run_a, run_b)
    if csv is not None:
        table.to_csv(csv, index=False)
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
