"""Inverters on a characteristic of voltage, settled around any power flow: the loop, arrays in and arrays out."""

from collections.abc import Callable

import numpy as np

__all__ = ["settle"]

ROUNDS = 200  # of answers before a lane is given up
SETTLED = 1e-7  # of an inverter's rating: what its answer still changes
FIRST, QUICKER, SLOWER = 0.5, 1.1, 0.5  # share of the change that is made; how it grows and shrinks


def settle(
    characteristic: Callable[[np.ndarray], np.ndarray], solve: Callable[[np.ndarray, np.ndarray], np.ndarray],
    shape: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Solve until every inverter gives what its characteristic says at the voltage that follows from it.

    ``characteristic`` turns voltages (inverter, lane) [pu] into answers (2, inverter, lane); ``solve(answer, lanes)``
    gives the voltages of the inverters in ``lanes`` with those answers, NaN where not solved; ``shape`` (inverters,
    lanes). Each lane on its own account: each inverter makes part of its change, a smaller one after it went too far.
    Returns the answers, what each would still change, and the lanes that hunt.
    """
    answer = characteristic(np.ones(shape))
    pace, off = np.full(answer.shape, FIRST), np.zeros(answer.shape)
    todo = np.arange(shape[1])
    for _ in range(ROUNDS):
        u = solve(answer[:, :, todo], todo)
        now = np.where(np.isfinite(u), characteristic(u) - answer[:, :, todo], 0.0)
        too_far = now * off[:, :, todo] < 0
        pace[:, :, todo] = np.minimum(pace[:, :, todo] * np.where(too_far, SLOWER, QUICKER), 1.0)
        off[:, :, todo] = now
        error = np.abs(now).max((0, 1), initial=0.0)
        todo = todo[error > SETTLED]
        if not todo.size:
            break
        answer[:, :, todo] += pace[:, :, todo] * off[:, :, todo]
    return answer, off, todo
