"""One case in every hand it may be written by: what a control file means does not hang on editor, system or dialect."""

import re

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import from_origin

from twin.commands.deposit import deposit_case
from twin.errors import DataError

LEVELS = "NH3=6,NOx=20,SO2=1.5"
CONTROL = """*--- layer ---*
PROJECT    some name
YEAR       2005
COMPCODE   3
LOSS       1
DDSPECTYPE
DIFFCOEFF  0.24
EMFILE     s.brn
EMCORFAC   1.0
TARGETGROUP 0
RECEPTYPE  2
RCPFILE    r.rcp
ROUGHNESS  0.25
METEOTYPE  1
MTFILE     climate.005
DEPUNIT    3
"""
SOURCES = """! BRN-VERSION 1
! snr x y q hc h d s dv cat area ps comment
1 155000 463000 1.000E+00 0.0000 2.5 0 0 0 1 1 0 a farm
2 155300 462000 2.0E-01 0.5 40 0 0 3 2 1 0 stack
3 150000 463000 5.0E-01 0 5 500 2.5 4 1 528 0
"""
RECEPTORS = "Nr name x y\n1 a 156000 463000\n2 b 155000 464500\n3 c 150010 463013\n"


def version(number):
    """The sources in another version of the format: columns of stack and building, not given."""
    lines = []
    for line in SOURCES.replace("VERSION 1", f"VERSION {number}").splitlines():
        words = line.split()
        stack, building = ["-999", "-999.", "-9.99E2"], ["-999"] * 4 if number == 4 else []
        given = words[:8] + stack + words[8:12] + building + words[12:]
        lines.append(line if line.startswith("!") else " ".join(given))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def write(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("case texts")
    (folder / "climate.005").write_bytes((data / "nitrogen" / "inputs" / "ops" / "a005105c.005").read_bytes())

    def computed(control=CONTROL, sources=SOURCES, points=RECEPTORS, encode=str.encode, **flags):
        files = {"c.ctr": control, "s.brn": sources, "r.rcp": points, "maps/s.brn": sources}
        (folder / "maps").mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / name).write_bytes(encode(text))
        deposit_case(folder / "c.ctr", out=folder / "o.csv", background=LEVELS, **flags)
        return pd.read_csv(folder / "o.csv")

    computed.folder = folder
    return computed


@pytest.fixture(scope="module")
def plain(write):
    return write()


VARIANTS = {
    "windows lines": {"encode": lambda text: text.replace("\n", "\r\n").encode()},
    "byte order mark": {"encode": lambda text: b"\xef\xbb\xbf" + text.encode()},
    "dos end of file": {"encode": lambda text: text.encode() + b"\x1a"},
    "latin-1": {"encode": lambda text: text.replace("farm", "hoeve Grietje\xeb").encode("latin-1")},
    "tabs and blank lines": {"encode": lambda text: re.sub(" +", "\t", text).replace("\n", " \n\n").encode()},
    "indented, lower case": {
        "control": "\n".join(f"  {line[:10].lower()}{line[10:]}" for line in CONTROL.splitlines())
    },
    "any order": {"control": "\n".join(reversed(CONTROL.splitlines()))},
    "quoted": {"control": CONTROL.replace("s.brn", '"s.brn"').replace("r.rcp", "'r.rcp'")},
    "windows path": {"control": CONTROL.replace("s.brn", ".\\maps\\s.brn").replace("climate", "maps\\..\\climate")},
    "double precision": {
        "control": CONTROL.replace("0.25", "2.5D-1").replace("0.24", "24.d-2"),
        "sources": SOURCES.replace("E", "D").replace("BRN-VDRSION", "BRN-VERSION"),
        "points": RECEPTORS.replace("156000", "1.56D5"),
    },
    "without header": {"points": RECEPTORS.split("\n", 1)[1]},
    "version 2": {"sources": version(2)},
    "version 4": {"sources": version(4)},
    "two threads": {"threads": 2},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_case_is_the_same_however_it_is_written(write, plain, variant):
    pd.testing.assert_frame_equal(write(**VARIANTS[variant]), plain)


def test_selections_take_commas_or_blanks_and_add_up(write, plain):
    one, two = (write(CONTROL.replace("TARGETGROUP 0", f"TARGETGROUP {group}")) for group in ("1", "2"))
    both = write(CONTROL.replace("TARGETGROUP 0", "TARGETGROUP 1,2"))
    pd.testing.assert_frame_equal(both, plain)
    np.testing.assert_allclose(one["tot_NHx"] + two["tot_NHx"], plain["tot_NHx"], rtol=2e-6)


def ops_map(path, value):
    """A map of 40 x 40 km of whole numbers, as the reference model has them (102 bytes of head, Fortran records)."""
    tail = np.array([1], "<i4").tobytes() + np.array([135.0, 483.0], "<f4").tobytes()
    tail += np.array([80, 80], "<i4").tobytes() + np.array([0.5, 0.5], "<f4").tobytes()
    head = b"\0" * (102 - len(tail) - 6) + b"i5    " + tail
    row = np.full(80, value, "<i2").tobytes()
    mark = np.array([len(row)], "<i4").tobytes()
    path.write_bytes(
        np.array([102], "<i4").tobytes() + head + np.array([102], "<i4").tobytes() + (mark + row + mark) * 80
    )
    return path


def geotiff(path, values):
    with rasterio.open(
        path, "w", driver="GTiff", width=80, height=80, count=1, dtype="float32", crs="EPSG:28992", nodata=-9999.0,
        transform=from_origin(135_000, 483_000, 500, 500),
    ) as target:  # fmt: skip
        target.write(values.astype("f4"), 1)
    return path


def test_a_map_of_roughness_is_in_metres_or_in_the_ten_thousandths_of_the_reference_model(write, plain):
    folder = write.folder
    rough, use = ops_map(folder / "maps" / "z0.ops", 2500), ops_map(folder / "maps" / "lu.ops", 1)
    tif = geotiff(folder / "maps" / "z0.tif", np.full((80, 80), 0.25))
    pd.testing.assert_frame_equal(write(z0=str(rough)), plain)
    pd.testing.assert_frame_equal(write(z0=str(tif), landuse=str(use)), plain)
    for name in ("z0.ops", "z0.tif"):
        maps = f"ROUGHNESS 0.0\nDATADIR maps\\\nZ0FILE {name}\nLUFILE lu.ops"
        pd.testing.assert_frame_equal(write(CONTROL.replace("ROUGHNESS  0.25", maps)), plain)


FAULTS = {
    "half a number": ({"points": RECEPTORS.split("\n", 1)[1].replace("463000", "46x")}, "r.rcp: line 1.*no number"),
    "no selection": ({"control": CONTROL.replace("TARGETGROUP 0", "TARGETGROUP all")}, "TARGETGROUP is 'all'; whole"),
    "negative roughness": ({"control": CONTROL.replace("0.25", "-0.25")}, "ROUGHNESS is negative"),
    "no number": ({"control": CONTROL.replace("0.24", "nan")}, "DIFFCOEFF is 'nan', not a number"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_meant_is_refused(write, fault):
    change, words = FAULTS[fault]
    with pytest.raises(DataError, match=words):
        write(**change)


def test_a_map_with_a_hole_says_where_it_is(write):
    values = np.full((80, 80), 0.25)
    values[2, 5] = -9999.0
    with pytest.raises(
        DataError, match=r"hole\.tif.*nan in 1 of 6400 cells, first in row 3, column 6; correct or fill"
    ):
        write(z0=str(geotiff(write.folder / "hole.tif", values)))


def test_shares_of_land_use_are_whole(write):
    table = pd.DataFrame({"name": ["a"], "x": [156_000], "y": [463_000], "land_use_1": [100.0]})
    table.to_csv(write.folder / "places.csv", index=False)
    with pytest.raises(DataError, match=r"land_use_2.*missing; give the shares of all nine"):
        write(receptors=write.folder / "places.csv")
    for lu in range(2, 10):
        table[f"land_use_{lu}"] = 5.0
    table.to_csv(write.folder / "places.csv", index=False)
    with pytest.raises(DataError, match="line 2: shares of land use add up to 140"):
        write(receptors=write.folder / "places.csv")
