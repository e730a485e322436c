"""How far fast mode is from exact mode: random receptors, and random pairs, recomputed exactly."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from kernels.nitrogen.exact import inputs
from twin.nitrogen.fast.tables import Tables, total_nitrogen

__all__ = ["checked_pairs", "only", "receptor_error"]

_COVERAGE = 0.9  # of receptors whose error is at most the estimate
_CONFIDENCE = 0.99  # that it covers so many
# Wilks (1941), Ann. Math. Stat. 12, 91-96: the largest of n random errors covers a share p of all with 1 - p^n
_RECEPTORS = math.ceil(math.log(1.0 - _CONFIDENCE) / math.log(_COVERAGE))
_AT_ONCE = 8  # receptors of one source that are checked

# tables, near field, sources, receptors -> results of fast mode (receptors, OUTPUTS)
Fast = Callable[[Tables, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def only(prepared: Any, sources: np.ndarray, receptors: np.ndarray) -> Any:
    """Some sources, all of one group, and some receptors of a computation."""
    codes = prepared.sources.codes[sources].copy()
    codes[:, 2] = 0
    return prepared._replace(
        sources=prepared.sources._replace(values=prepared.sources.values[sources], codes=codes),
        receptors=prepared.receptors.at(receptors),
    )


def receptor_error(tables: Tables, near: np.ndarray, out: np.ndarray) -> dict[str, float]:
    """Relative error of total nitrogen, all sources together, at random receptors recomputed exactly.

    ``near`` (sources,): inf for sources that were exact everywhere; ``out`` (receptors, groups, OUTPUTS): what is
    written. ``error_estimate`` is the largest of these errors: a tolerance limit that needs no distribution and covers,
    with 99 % confidence, the error of at least 90 % of all receptors. ``error_median`` is their median.
    """
    prepared = tables.prepared
    if not np.isfinite(near).any():
        return {"error_estimate": 0.0, "error_median": 0.0, "checked_receptors": 0.0}
    count = len(prepared.receptors.values)
    rows = np.sort(tables.rng.choice(count, min(count, _RECEPTORS), replace=False))
    exact = tables.run(only(prepared, np.arange(len(near)), rows))[0][:, 0]
    error = _relative(tables, out[rows].sum(axis=1), exact)
    return {
        "error_estimate": float(error.max(initial=0.0)),
        "error_median": float(np.median(error)) if error.size else 0.0,
        "checked_receptors": float(len(rows)),
    }


def checked_pairs(tables: Tables, near: np.ndarray, check: int, fast: Fast) -> dict[str, float]:
    """Relative error of total nitrogen at ``check`` random pairs from tables, drawn by strength of the source."""
    prepared = tables.prepared
    values, places = prepared.sources.values, prepared.receptors.values
    looked = np.flatnonzero(np.isfinite(near))
    errors: list[float] = []
    if check > 0 and looked.size:
        per = min(_AT_ONCE, check)
        strength = np.abs(values[looked, inputs.SQ])
        for _ in range(-(-check // per)):
            s = tables.rng.choice(looked, p=strength / strength.sum())
            apart = np.hypot(places[:, inputs.RX] - values[s, inputs.SX], places[:, inputs.RY] - values[s, inputs.SY])
            inside = np.flatnonzero((apart > near[s]) & (apart <= tables.reach))
            if inside.size == 0:
                continue
            rows = np.sort(tables.rng.choice(inside, min(inside.size, per), replace=False))
            exact = tables.run(only(prepared, np.array([s]), rows))[0][:, 0]
            errors.extend(_relative(tables, fast(tables, near, np.array([s]), rows), exact))
    return {
        "checked_pairs": float(len(errors)),
        "pair_error": float(np.percentile(errors, 95)) if errors else 0.0,
        "pair_error_maximum": float(max(errors, default=0.0)),
    }


def _relative(tables: Tables, found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """|found/exact - 1| of total nitrogen where there is some."""
    ratio = tables.prepared.substance.mass_ratio
    found, exact = total_nitrogen(found, ratio), total_nitrogen(exact, ratio)
    some = exact != 0.0
    return np.abs(found[some] / exact[some] - 1.0)
