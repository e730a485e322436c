"""``twin deposit`` on bad input, as a script sees it: exit code 2, one line with what, where and cure, no output."""

import json
import resource
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import from_origin
from test_nitrogen_exact_imaer import bomb, gml

from twin.cli import main

BACKGROUND = "NH3=6.0,NOx=20,SO2=1.5"
HEAD = "! BRN-VERSION 1\n! snr x y q hc h d s dv cat area ps comment\n"
LINE = "1 155000 463000 1.0 0.0 2.5 {d} 0.0 0 1 1 0 x\n"
TABLE = "name,x,y,height,{column}{unit}\nfarm,155000,463000,5,1500{value}\n"


def tif(folder, name, value, crs="EPSG:28992", hole=False):
    """A map of 40 x 40 km around (155000, 463000), with a hole of no value east of 156 km where asked for."""
    values = np.full((80, 80), value, "f4")
    if hole:
        values[:, 42:] = -9999.0
    path = folder / name
    with rasterio.open(
        path, "w", driver="GTiff", width=80, height=80, count=1, dtype="float32", crs=crs, nodata=-9999.0,
        transform=from_origin(135_000, 483_000, 500, 500),
    ) as target:  # fmt: skip
        target.write(values, 1)
    return path


def climate(data, folder, **columns):
    """The given statistics with columns of sector 4 replaced."""
    frame = pd.read_csv(data / "nitrogen" / "inputs" / "ops" / "meteo_a005105c_005.csv")
    for name, value in columns.items():
        frame.loc[frame["wind_sector"] == 4, name] = value
    path = folder / "climate.csv"
    frame.to_csv(path, index=False)
    return path


def case(data, folder, fault):
    """Sources and flags of a good case with one fault."""
    flags = {
        "weather": data / "nitrogen" / "inputs" / "ops" / "a005105c.005", "receptors": folder / "places.csv",
        "substance": "NH3", "z0": "0.1", "background": BACKGROUND, "out": folder / "out.csv",
    }  # fmt: skip
    (folder / "places.csv").write_text("name,x,y\na,155600,463000\nb,157000,463100\n")
    brn = folder / "sources.brn"
    brn.write_text(HEAD + LINE.format(d=0))
    csv = folder / "sources.csv"
    sources = brn
    if fault == "no unit":
        sources = csv
        csv.write_text(TABLE.format(column="NH3", unit="", value=""))
    elif fault == "unit of a concentration":
        sources = csv
        csv.write_text(TABLE.format(column="NH3", unit=" [ug/m3]", value=""))
    elif fault == "units that differ":
        sources = csv
        csv.write_text(TABLE.format(column="NH3", unit=",unit", value=",kg/yr") + "other,1,1,5,2,m\n")
    elif fault == "source outside the map":
        brn.write_text(HEAD + LINE.format(d=0) + LINE.format(d=0).replace("155000", "90000"))
        flags["z0"] = tif(folder, "z0.tif", 0.1)
    elif fault == "source outside the lattice":
        text = (data / "nitrogen" / "given" / "G_NH3_gridavg_h2.5_250m.ctr").read_text()
        lines = [x for x in text.splitlines() if x.split()[:1] not in (["EMFILE"], ["MTFILE"])]
        weather = f"MTFILE {data / 'nitrogen' / 'inputs' / 'ops' / 'a005105c.005'}"
        sources = folder / "case.ctr"
        sources.write_text("\n".join([*lines, "EMFILE sources.brn", weather]) + "\n")
        brn.write_text(HEAD + LINE.format(d=0) + LINE.format(d=0).replace("155000", "90000"))
        hours = {"mode": "hourly", "weather": data / "meteo" / "uurgeg_344_2021-2030.zip"}
        flags = {"out": flags["out"], "background": BACKGROUND, "period": "2023-01-16/2023-01-17"} | hours
    elif fault == "receptors inside a source":
        rows = "".join(f"r{i},155000,463000\n" for i in range(7))
        (folder / "places.csv").write_text(f"name,x,y\na,155600,463000\n{rows}")
    elif fault == "receptor inside a stack":
        stack = "1 155000 463000 1.0 -999 40 0 0 8.0 5.0 80.0 0 1 1 0 x\n"
        brn.write_text("! BRN-VERSION 2\n" + stack)
        (folder / "places.csv").write_text("name,x,y\na,155003,463000\n")
    elif fault == "sector without hours":
        flags["weather"] = climate(data, folder, hours=0)
    elif fault == "map in degrees":
        flags["z0"] = tif(folder, "z0.tif", 0.1, crs="EPSG:4326")
    elif fault == "map without CRS":
        flags["landuse"] = tif(folder, "use.tif", 1, crs=None)
    elif fault == "no value under a receptor":
        flags["z0"] = tif(folder, "z0.tif", 0.1, hole=True)
    elif fault == "short line":
        brn.write_text(HEAD + LINE.format(d=0) + "2 155000 463000 1.0 0.0 2.5\n")
    elif fault in GML:
        sources = folder / "sources.gml"
        sources.write_text(GML[fault])
    else:
        raise AssertionError(fault)
    return sources, flags


GML = {
    "entity bomb": gml(doctype=bomb(), emission="&b9;"),
    "external entity": gml(doctype='<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', emission="&e;"),
    "cut off": gml()[:-40],
    "binary": "\x00\x01\x02 not xml",
}
FAULTS = {
    "no unit": ("sources.csv", "'NH3' has no unit", "NH3 [kg/yr]"),
    "unit of a concentration": ("sources.csv", "'ug/m3'", "no unit of emission", "kg/yr"),
    "units that differ": ("sources.csv", "kg/yr, m", "one unit per table"),
    "source outside the map": ("z0.tif", "(90000, 463000)", "sources.brn", "extend the map"),
    "source outside the lattice": ("outside the lattice", "(90000, 463000)", "leave them out"),
    "receptors inside a source": (
        "places.csv",
        "(7)",
        "receptor r0 at (155000, 463000) on line 3",
        "and 2 more",
        "move",
    ),
    "receptor inside a stack": ("places.csv", "receptor a at (155003, 463000) on line 2", "inside its stack"),
    "sector without hours": ("climate.csv", "wind sector 4 has no hours", "give a complete period"),
    "map in degrees": ("z0.tif", "EPSG:4326", "reproject"),
    "map without CRS": ("use.tif", "CRS is None", "EPSG:28992"),
    "no value under a receptor": ("z0.tif", "receptor (157000, 463100)", "places.csv", "extend the map"),
    "short line": ("sources.brn: line 4", "6 columns", "missing: diameter", "Complete the line"),
    "entity bomb": ("sources.gml: line 1", "entity declaration is not allowed", "remove it"),
    "external entity": ("sources.gml: line 1", "entity declaration is not allowed", "remove it"),
    "cut off": ("sources.gml: line 1", "not well-formed"),
    "binary": ("sources.gml: line 1", "not well-formed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_bad_input_is_one_clear_error_and_nothing_is_written(data, tmp_path, capfd, fault):
    sources, flags = case(data, tmp_path, fault)
    before = {p.name for p in tmp_path.iterdir()}
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    with pytest.raises(SystemExit) as done:
        main(["deposit", str(sources), *words])
    out, err = capfd.readouterr()
    assert done.value.code == 2 and out == ""
    assert len(err.strip().splitlines()) == 1
    for words_of_message in FAULTS[fault]:
        assert words_of_message in err, err
    assert {p.name for p in tmp_path.iterdir()} == before


def test_of_both_substances_the_one_that_is_emitted_is_computed_and_the_other_told(data, tmp_path, capfd):
    source = tmp_path / "farm.gml"
    source.write_text(gml())
    (tmp_path / "places.csv").write_text("name,x,y\na,155600,463000\nb,157000,463100\n")
    words = ["--weather", str(data / "nitrogen" / "inputs" / "ops" / "a005105c.005"), "--substance", "both"]
    words += ["--receptors", str(tmp_path / "places.csv"), "--z0", "0.1", "--background", BACKGROUND]
    words += ["--out", str(tmp_path / "out.csv")]
    with pytest.raises(SystemExit) as done:
        main(["deposit", str(source), *words])
    told = capfd.readouterr()
    assert not done.value.code, told.err
    assert "no source emits NOx" in told.err and "NH3 alone is computed" in told.err
    assert json.loads(told.out.splitlines()[-1])["substance"] == "NH3"
    assert (pd.read_csv(tmp_path / "out.csv")["tot_NHx"] > 0).all()
    source.write_text(gml(emission="0"))
    with pytest.raises(SystemExit) as refused:
        main(["deposit", str(source), *words])
    assert refused.value.code == 2 and "no source emits NH3" in capfd.readouterr().err


def test_receptors_inside_an_area_source_are_computed(data, tmp_path):
    # an area has an inside: concentrations there are the highest, and fall outside
    sources, flags = case(data, tmp_path, "receptors inside a source")
    sources.write_text(HEAD + LINE.format(d=500))
    (tmp_path / "places.csv").write_text(
        "name,x,y\ncentre,155000,463000\ninside,155200,463100\noutside,155600,463000\n"
    )
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    with pytest.raises(SystemExit) as done:
        main(["deposit", str(sources), *words])
    assert not done.value.code
    concentration = pd.read_csv(flags["out"])["conc_NH3"]
    assert concentration[0] > concentration[1] > 2 * concentration[2] > 0


@pytest.mark.parametrize(("size", "limit"), [(2 << 30, 600), (300 << 20, 600)], ids=["2 GB", "300 MB"])
def test_an_endless_attribute_is_refused_in_little_memory(tmp_path, size, limit):
    # the file is sparse: zeros after the first bytes of the attribute; the larger is refused by its size alone
    path = tmp_path / "endless.gml"
    head = gml(extra='note="')
    head = head[: head.index('note="') + 6].encode()
    with path.open("wb") as file:
        file.write(head + b"a" * (40 << 20))
        file.truncate(size)
    code = (
        "import resource, sys; from twin.readers.imaer import read_imaer\n"
        "from twin.errors import DataError\n"
        f"before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"try: read_imaer({str(path)!r}, 'NH3')\n"
        "except DataError as error: print(error)\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)"
    )
    begin = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    message, memory = done.stdout.strip().splitlines()
    assert "endless.gml" in message and ("bytes" in message or "longer than" in message)
    assert int(memory) < 32  # MB beyond what the imports took
    assert spent.ru_utime + spent.ru_stime - begin.ru_utime - begin.ru_stime < 30.0
