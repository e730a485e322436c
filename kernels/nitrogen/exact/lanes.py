"""Layout of the workspace of one block: named rows of lanes in one flat float64 array.

All rows share one base pointer and lie at constant distances, so that the compiler needs no alias checks to
vectorise a loop that reads and writes many of them. The stride is padded off a power of two (cache sets).
"""

import numpy as np

__all__ = ["INTEGER_ROWS", "LANES", "PAIR_ROWS", "SCRATCH_ROWS", "STRIDE", "workspace"]

LANES = 128  # lanes per block
PAIR_ROWS = 24  # rows that are filled per pair
STRIDE = 136  # row length: LANES plus padding, no power of two

# rows of a pair (the same for all classes)
(
    X,  # distance source to receptor [m]
    DX,  # receptor east of the source [m]
    DY,  # receptor north of the source [m]
    Y,  # half side or radius of the (sub-)source, 0 for a point [m]
    CIRCLE,  # 1 for a circular source
    SLANT,  # max(|sin|, |cos|) of the unturned wind direction
    HS,  # stack height [m]
    BUOYANT,  # 1 where the record's heat content is not 0
    SPREAD,  # initial vertical spread s0 [m]
    EMISSION,  # source strength before timing [g/s]
    Z0S,  # roughness length at the source [m]
    Z0R,  # at the receptor [m]
    Z0T,  # along the trajectory [m]
    HREC,  # receptor height of the printed concentration [m]
    NH3R,  # background NH3 at the receptor [ug/m3]
    SO2R,  # background SO2 at the receptor [ug/m3]
    NH3T,  # background NH3, mean of the path [ug/m3]
    SO2T,  # background SO2, mean of the path [ug/m3]
    NO2T,  # background NO2, mean of the path [ppb]
    SHARER,  # HNO3 share of the secondary species at the receptor
    SHARET,  # mean of the path
    KGIVEN,  # given conversion rate [%/h]
    KNH3,  # conversion rate of NH3 [%/h]
    BASERATIO,  # NO2/NOx of the background before the class
) = (i * STRIDE for i in range(24))

# rows of a pair and class
(
    P,  # frequency of the class
    XE,  # effective distance [m]
    ZI,  # mixing height at the receptor [m]
    ZI1,  # of table class 1 [m]
    ZI2,  # of table class 2 [m]
    U10,  # wind at 10 m [m/s]
    PW,  # exponent of the wind's power law
    RBS,  # Rb of SO2 of the statistics [s/m]
    RA4S,  # Ra(4 m) + Rb of the statistics [s/m]
    RA50S,  # Ra(50 m) + Rb of the statistics [s/m]
    VLOW,  # deposition velocity ratio, low sources
    VHIGH,  # high sources
    US,  # friction velocity of the region [m/s]
    OL,  # Obukhov length of the region [m]
    TC,  # temperature [degC]
    H0,  # sensible heat flux [W/m2]
    RAD,  # global radiation [J/cm2/h]
    RH,  # relative humidity [%]
    RCSO2,  # Rc of SO2 of the statistics [s/m]
    RCAER,  # Rc of aerosol of the statistics [s/m]
    FR,  # rain probability
    TW,  # rain time constant [h]
    RAIN,  # rain intensity R [mm/h]
    WASH,  # R^0.628 of the gas below the cloud
    WASHS,  # R^0.816 of the aerosol
    FALL,  # 130 times the fall speed of drops, as the drift has it
    RADW,  # global radiation [W/m2]
    SINPHI,  # sine of the solar height
    DIRECT,  # direct visible radiation [W/m2]
    DIFFUSE,  # diffuse visible radiation [W/m2]
    NIGHT,  # night fraction of the class
    RATIO,  # NO2/NOx
    Q,  # source strength in the class [g/s]
    USS,
    OLS,  # source: friction velocity [m/s], Obukhov length [m]
    UST,
    OLT,  # trajectory
    USR,
    OLR,  # receptor
    HT,  # plume height, stack + rise, limited [m]
    BELOW,  # fraction r of the plume below the mixing height
    G,  # coefficient of sigma_z = g x^p
    SZ,  # sigma_z [m]
    U,  # wind at the plume's effective height [m/s]
    C,  # concentration before depletion, per class [ug/m3]
    Y0,  # virtual distance [m]
    Y1,  # edge correction of an area [m]
    RA4,
    RA50,
    RB,  # receptor: Ra(4 m), Ra(50 m), Rb [s/m]
    RA4T,
    RA50T,
    RBT,  # trajectory
    RCPOS,
    RCSIGN,  # canopy resistance of the receptor: positive, signed [s/m]
    RCT,  # trajectory [s/m]
    RCSR,
    RCST,  # secondary species: receptor, trajectory [s/m]
    KC,  # chemical conversion [%/h]
    KW,  # wet removal [%/h]
    KWS,  # wet removal of the secondary species [%/h]
    XD,  # drift of falling drops [m]
    G4,  # resistance ratio 4 m to 50 m
    CGT,  # gradient factor at 4 m
    CGTZ,  # at the receptor height
    D2,
    D3,  # depletion before and after the plume fills the mixing layer
    DC,  # decay by chemistry and rain
    UM,  # transport speed [m/s]
    VD50,  # deposition velocity on the trajectory [m/s]
    SR,
    UR,  # sigma_z and wind over the area source
    KSR,  # loss over the area source [1/s]
    LOST,  # path over the area that is left out of the decay [m]
    OUT_C,
    OUT_DRY,
    OUT_WET,  # primary: [ug/m3], [ug/m2/h], [ug/m2/h]
    OUT_CS,
    OUT_DRYS,
    OUT_WETS,  # secondary
) = ((PAIR_ROWS + i) * STRIDE for i in range(80))

# scratch rows: arguments and results of the iterations
(
    A0,
    A1,
    A2,
    A3,
    A4,
    A5,
    A6,
    A7,
    A8,
    A9,
    B0,
    B1,
    B2,
    B3,
    B4,
    B5,
    B6,
    B7,
    B8,
    B9,
    D0,
    D1,
    DD2,
    DD3,
    D4,
    D5,
    D6,
    D7,
    D8,
    D9,
) = ((PAIR_ROWS + 80 + i) * STRIDE for i in range(30))

# shares of the nine land uses, receptor and trajectory
LUR = (PAIR_ROWS + 110) * STRIDE
LUT = LUR + 9 * STRIDE
_ROWS = PAIR_ROWS + 128

# integer rows of a pair, in an array of their own
(
    RECEPTOR,
    DIRECTION,  # of the unturned wind [degree]
    SECTOR,  # of the wind rose, 0..11
    TYPE,  # of the plume, for the turning of the wind
    SOURCE,
    GROUP,  # of sources
    TIMING,  # code of emission over time
    ROAD,  # 1 where road chemistry counts
    SLOT,  # place in what the second pass of road chemistry recalls, -1 for none
) = (i * STRIDE for i in range(9))
INTEGER_ROWS = 9
TURNED = INTEGER_ROWS * STRIDE  # direction of the turned wind in the class [degree]
SCRATCH_ROWS = 1  # further integer rows


def workspace(blocks: int = 1) -> np.ndarray:
    """Workspaces of ``blocks`` blocks, shape (blocks, size)."""
    return np.zeros((blocks, _ROWS * STRIDE))
