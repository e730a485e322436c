"""Status codes of a power flow, per lane and bus: one table for kernels, run files and messages."""

__all__ = [
    "COLLAPSED",
    "COLLAPSE_VOLTAGE",
    "ISLANDED",
    "MAX_ITERATIONS",
    "OK",
    "REACTIVE_LIMIT",
    "SINGULAR",
    "STATUS_NAMES",
    "TAP_HUNTING",
]

OK, ISLANDED, MAX_ITERATIONS, COLLAPSED, SINGULAR, TAP_HUNTING, REACTIVE_LIMIT = range(7)

STATUS_NAMES = ("ok", "islanded", "max_iterations", "collapsed", "singular", "tap_hunting", "reactive_limit")

# Below half the rated voltage a solution of constant-power load is on, or past, the nose of its voltage curve for any
# impedance angle (two-bus relation: V**2 >= V0**2 / 2 - (rP + xQ) at the nose); it is reported as a collapse.
COLLAPSE_VOLTAGE = 0.5  # pu
