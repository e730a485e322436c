"""Diurnal profiles of emission: shares in % of the mean over two-hour blocks, from 0-2 h to 22-24 h.

Source: OPS user manual (RIVM), standard table of diurnal variation. Codes 4 (animal housing) and 5 (manure
application) follow the weather; 4 uses the profile of industry beside it.
"""

__all__ = ["KINDS", "PROFILES"]

PROFILES: dict[int, tuple[float, ...]] = {
    0: (100,) * 12,
    1: (73, 69, 68, 100, 129, 131, 124, 121, 109, 97, 93, 86),
    2: (33, 33, 35, 80, 150, 155, 120, 116, 122, 135, 145, 77),
    3: (24, 16, 23, 150, 175, 121, 127, 154, 190, 112, 60, 48),
    4: (73, 69, 68, 100, 129, 131, 124, 121, 109, 97, 93, 86),
    5: (100,) * 12,
    7: (33, 33, 35, 80, 150, 155, 120, 116, 122, 135, 145, 77),
    31: (8, 5, 43, 157, 141, 126, 143, 172, 190, 113, 67, 35),
    32: (12, 17, 82, 158, 161, 163, 167, 175, 131, 73, 41, 22),
    33: (3, 1, 54, 184, 149, 137, 149, 174, 165, 89, 69, 26),
}
# how the emission follows the weather beside the profile: see pairs.process
KINDS: dict[int, int] = {2: 2, 4: 4, 5: 5}
