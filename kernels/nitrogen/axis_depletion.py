"""How a surface of one deposition velocity depletes a plume along its axis: surface depletion (Horst 1977) in 1-D.

Integrated crosswind, the concentration c of a plume over a surface of velocity v obeys

    c(x) + v * integral of c(x') e_0(x - x') dx' from 0 to x = e(x),

with e and e_0 the undepleted profiles of the source and of a source at the ground. Solved once per hour on the nodes of
a table, so that the lattice has to solve for what differs from that surface only.
"""

import numpy as np

from kernels.jit import njit

__all__ = ["deplete_exposure", "lag_index"]


def lag_index(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the distance from the middle of each interval to each node lies in a table on ``x``.

    Args:
        x: (n) nodes [m], ascending; intervals lie between them, the first from zero.

    Returns index k (n, n) and weight w (n, n), a value there being (1-w) T[k-1] + w T[k] with T[-1] = 0 at zero.
    """
    middle = 0.5 * (x + np.concatenate(([0.0], x[:-1])))
    lag = np.maximum(x[:, None] - middle, 0.0)
    index = np.searchsorted(x, lag)
    low = np.where(index > 0, x[index - 1], 0.0)
    return index, (lag - low) / (x[index] - low)


@njit
def deplete_exposure(
    exposure: np.ndarray, velocity: float, index: np.ndarray, weight: np.ndarray, out: np.ndarray
) -> None:
    """Cumulative exposures of plumes that deposit on the way, from those that do not.

    What deposits between two nodes leaves from the middle between them; an implicit step, as deposition there lowers
    the concentration there.

    Args:
        exposure: (k, n) cumulative exposure [s m-1] on the nodes; row 0 is that of a source at the ground.
        velocity: deposition velocity [m s-1].
        index, weight: (n, n) of :func:`lag_index`.
        out: (k, n) result [s m-1]; velocity times the last column is the share that deposits.
    """
    kinds, n = exposure.shape
    gained = np.empty((n, kinds))
    before = np.zeros(n)
    for i in range(n):
        for p in range(kinds):
            gained[i, p] = exposure[p, i] - (exposure[p, i - 1] if i > 0 else 0.0)
        own = 0.0
        for j in range(i + 1):
            k = index[i, j]
            w = weight[i, j]
            reached = w * exposure[0, k] + (1.0 - w) * (exposure[0, k - 1] if k > 0 else 0.0)
            step = reached - before[j]
            before[j] = reached
            if j == i:
                own = step
                continue
            for p in range(kinds):
                gained[i, p] -= velocity * step * gained[j, p]
        for p in range(kinds):
            gained[i, p] /= 1.0 + velocity * own
            out[p, i] = gained[i, p] + (out[p, i - 1] if i > 0 else 0.0)
