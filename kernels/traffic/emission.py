"""Road emissions by the Dutch road method: factors by vehicle class, speed class and state of the traffic."""

from kernels.jit import njit

__all__ = ["NO_EMISSION", "SRM1", "SRM2", "link_emission", "stagnation_proxy", "urban_speed_class"]

NO_EMISSION, SRM1, SRM2 = 0, 1, 2  # method of a link: none, non-motorway, motorway


@njit
def stagnation_proxy(travel_time, free_flow_time, method, stagnation):
    """Share F of vehicle-kilometres in stagnating traffic, from the delay: F = clip((t / t0 - 1) / 2, 0, 1).

    A declared proxy for static assignment (F = 1 at three times the free-flow time); a queueing model gives the
    congested share itself. Only for links of method ``SRM2``, 0 elsewhere: the classes of SRM1 hold the stops.

    ``travel_time``, ``free_flow_time`` (link) [s]; ``method`` (link) int; written: ``stagnation`` (link) [1].
    """
    for i in range(travel_time.shape[0]):
        stagnation[i] = 0.0
        if method[i] == SRM2:
            stagnation[i] = min(max(0.5 * (travel_time[i] / free_flow_time[i] - 1.0), 0.0), 1.0)


@njit
def urban_speed_class(travel_time, length, speed_limit, method, edges, rural_limit, classes, speed_class):
    """Speed class of SRM1 links by the mean speed of the step.

    Below ``edges[0]`` km/h class D (stagnating), below ``edges[1]`` C (normal), below ``edges[2]`` E (free flow);
    above it B (rural) where the legal limit is ``rural_limit`` or more, else E. Source of the classes: Handreiking
    Rekenen aan Luchtkwaliteit, SRM1 (D < 15, C 15-30, E 30-45 km/h).

    ``travel_time`` (link) [s]; ``length`` (link) [m]; ``speed_limit`` (link), ``edges`` (3), ``rural_limit`` [km/h];
    ``method`` (link) int; ``classes`` (4) int, positions of B, C, D, E in the factor table; written: ``speed_class``
    (link) int, other links keep theirs.
    """
    for i in range(travel_time.shape[0]):
        if method[i] != SRM1:
            continue
        speed = 3.6 * length[i] / travel_time[i]
        if speed < edges[0]:
            speed_class[i] = classes[2]
        elif speed < edges[1]:
            speed_class[i] = classes[1]
        elif speed < edges[2] or speed_limit[i] < rural_limit:
            speed_class[i] = classes[3]
        else:
            speed_class[i] = classes[0]


@njit
def link_emission(flow, length, method, speed_class, stagnation, factor, emission):
    """Emission E_s,l = sum over v of N_v,l * L_l * ((1 - F_l) EF_s,v,k,free + F_l EF_s,v,k,stagnating).

    Source: RIVM/AERIUS factsheet "Emissieberekening wegverkeer - standaard" (2020), per step instead of per year.

    ``flow`` (vehicle_class, link) [vehicles h-1]; ``length`` (link) [m]; ``method``, ``speed_class`` (link) int;
    ``stagnation`` (link) [1]; ``factor`` (substance, vehicle_class, speed_class, state) [g km-1], state 0 = free,
    1 = stagnating; written: ``emission`` (substance, link) [g s-1].
    """
    for i in range(flow.shape[1]):
        k = speed_class[i]
        share = stagnation[i]
        for s in range(factor.shape[0]):
            total = 0.0
            if method[i] != NO_EMISSION:
                for v in range(flow.shape[0]):
                    mixed = (1.0 - share) * factor[s, v, k, 0] + share * factor[s, v, k, 1]
                    total += flow[v, i] * mixed
            # vehicles h-1 * g km-1 * m -> g s-1: / 3600 s h-1 / 1000 m km-1
            emission[s, i] = total * length[i] / 3.6e6
