"""The rules of a run file, one check each; a file that breaks none opens in every reader.

The numbers 1 to 20 are those of the readers' rules (what a reader does where they are broken is said in each
message); 21 onwards are the layout's own. Checks look at structure and at what is stored, not at every value.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np

from twin.errors import RecordError
from twin.records import layout
from twin.records.layout import open_shared
from twin.records.reader import check_layout, find_run

__all__ = ["RULES", "Violation", "complete_steps", "validate"]

ROOT = "VTKHDF"
PORTABLE = {1: "deflate", 2: "shuffle"}
CELL_KINDS = {"PointData", "CellData"}
HEAP = b"GCOL\x01"  # signature and version of a global heap collection
BLOCK = 1 << 24  # bytes read at once in the search for them


@dataclass(frozen=True)
class Violation:
    """One broken rule: its number, where, what is wrong and what a reader makes of it, and the cure."""

    rule: int
    where: str
    what: str
    cure: str = "write the file again with this version"

    def __str__(self) -> str:
        return f"rule {self.rule}: {self.where}: {self.what}; {self.cure}"


Check = Callable[[h5py.File], Iterator[Violation]]
RULES: dict[int, tuple[str, Check]] = {}


def _rule(number: int, title: str) -> Callable[[Check], Check]:
    def keep(check: Check) -> Check:
        RULES[number] = (title, check)
        return check

    return keep


def validate(path: str | Path) -> list[Violation]:
    """All violations of the rules in a run file, finished or running; an empty list says that it is sound.

    A file that is no run file at all, or cannot be opened, is a :class:`RecordError`.
    """
    path = find_run(path)
    if not path.exists():
        raise RecordError(f"{path}: no such run file; check the path")
    found = list(_superblock(path))
    if any(v.rule == 3 for v in found):
        return found  # a plain open would be refused, as it is for every reader
    with open_shared(path) as f:
        check_layout(f, path)
        for number in sorted(RULES):
            try:
                found += RULES[number][1](f)
            except (KeyError, AttributeError, ValueError, IndexError, TypeError, OSError, RuntimeError) as error:
                found.append(Violation(number, str(path), f"cannot be checked ({type(error).__name__}: {error})"))
    return sorted(found, key=lambda v: v.rule)


def complete_steps(f: h5py.File) -> int:
    """Number of leading output steps whose results are really there.

    A result with one value per n steps is written at the last of each n, so a missing value counts from there.
    """
    steps = int(f["time"].shape[0])
    for d in _results(f).values():
        if d.chunks is None:
            continue
        stored = np.zeros(d.shape[0], "i8")

        def count(chunk: object, stored: np.ndarray = stored) -> None:
            stored[chunk.chunk_offset[0]] += 1  # type: ignore[attr-defined]

        if d.id.get_num_chunks():
            d.id.chunk_iter(count)
        wanted = int(np.prod([-(-n // c) for n, c in zip(d.shape[1:], d.chunks[1:])]))
        missing = np.flatnonzero(stored < wanted)
        if len(missing):
            every = layout.steps_per_value(d)
            steps = min(steps, (int(missing[0]) + 1) * every - 1)
    return steps


def _results(f: h5py.File) -> dict[str, h5py.Dataset]:
    return {n: d for n, d in f.items() if isinstance(d, h5py.Dataset) and "result" in d.attrs}


def _blocks(f: h5py.File) -> dict[str, h5py.Group]:
    skip = ("Steps", "Assembly")
    return {n: g for n, g in f[ROOT].items() if n not in skip and isinstance(g, h5py.Group)}


def _kind(group: h5py.Group) -> str:
    value = group.attrs.get("Type", b"")
    return value.decode() if isinstance(value, bytes) else str(value)


def _objects(f: h5py.File) -> dict[str, h5py.HLObject]:
    found: dict[str, h5py.HLObject] = {"/": f}
    f.visititems(lambda name, obj: found.setdefault(f"/{name}", obj) and None)
    return found


def _superblock(path: Path) -> Iterator[Violation]:
    """Rules 2 to 4 read the raw bytes: a library that opens the file would hide or refuse them."""
    with path.open("rb") as raw:
        head = raw.read(16)
        if head[:8] != b"\x89HDF\r\n\x1a\n":
            return
        version = head[8]
        if version >= 2 and head[11] & 0b101:
            yield Violation(
                3,
                str(path),
                "is marked open for (SWMR) writing; a plain open is refused",
                "end its writer; after a kill clear the mark with h5clear -s",
            )
        if version:
            yield Violation(4, str(path), f"superblock version {version}; after a kill it would stay locked. 0 wanted")
        yield from _new_virtual_layout(path, raw)


def _new_virtual_layout(path: Path, raw: BinaryIO) -> Iterator[Violation]:
    """Rule 2: virtual datasets in HDF5 2.0's layout come up empty in VTK.

    The mapping of a virtual dataset lies in a global heap ("GCOL"); its first byte is the version, its next eight
    the number of mappings (HDF5 file format specification, III.E and IV.A.2.i).
    """
    start, block = 0, b""
    while True:
        # plain reads: a memory map of a file that shrinks, or lies on a full disk, would end the process
        raw.seek(start + len(block))
        more = raw.read(BLOCK)
        block += more
        at = block.find(HEAP)
        while at >= 0:
            raw.seek(start + at)
            size = struct.unpack("<8xQ", raw.read(16).ljust(16, b"\0"))[0]
            raw.seek(start + at)
            if _holds_new_mapping(raw.read(min(size, BLOCK))):
                yield Violation(2, str(path), "a virtual dataset in the layout of HDF5 2.0; VTK shows nothing")
                return
            at = block.find(HEAP, at + len(HEAP))
        if not more:
            return
        keep = min(len(block), 16)
        start, block = start + len(block) - keep, block[-keep:]


def _holds_new_mapping(heap: bytes) -> bool:
    """Whether an object of a global heap collection is a mapping of version 1."""
    item = 16
    while item + 25 <= len(heap):
        index, length = struct.unpack_from("<H6xQ", heap, item)
        if not index:
            return False
        if length > 16 and heap[item + 16] == 1 and 0 < struct.unpack_from("<Q", heap, item + 17)[0] < 2**16:
            return True
        item += 16 + (length + 7) // 8 * 8
    return False


@_rule(1, "dimension scales are root datasets")
def _scales(f: h5py.File) -> Iterator[Violation]:
    for name, obj in _objects(f).items():
        if isinstance(obj, h5py.Dataset) and name.count("/") > 1 and obj.is_scale:
            yield Violation(1, name, "a dimension scale in a group; netCDF-C cannot open the file")
        if isinstance(obj, h5py.Dataset) and name.count("/") == 1 and not obj.is_scale:
            for axis in obj.dims:
                if obj.ndim and not len(axis):
                    yield Violation(1, name, "an axis without a dimension scale; readers invent a name for it")


@_rule(5, "Values of the steps are as many as NSteps")
def _values(f: h5py.File) -> Iterator[Violation]:
    for name, group in _step_groups(f).items():
        count, values = int(group.attrs["NSteps"]), len(group["Values"])
        if count != values:
            cure = "mend it with `twin repair`"
            yield Violation(5, name, f"NSteps = {count}, but {values} Values; VTK corrupts its memory", cure)


def _step_groups(f: h5py.File) -> dict[str, h5py.Group]:
    groups = {f"/{ROOT}/Steps": f[ROOT].get("Steps")}
    groups |= {f"/{ROOT}/{n}/Steps": g.get("Steps") for n, g in _blocks(f).items()}
    return {n: g for n, g in groups.items() if g is not None}


@_rule(6, "the composite has Steps at its root")
def _root_steps(f: h5py.File) -> Iterator[Violation]:
    if "Steps" not in f[ROOT]:
        yield Violation(6, f"/{ROOT}", "no Steps group at the root of the composite; VTK 9.6 stays at the first step")


@_rule(7, "every block has the same Steps")
def _same_steps(f: h5py.File) -> Iterator[Violation]:
    groups = _step_groups(f)
    values = f[ROOT]["Steps/Values"][...] if "Steps" in f[ROOT] else f["time"][: int(f.attrs["steps_written"])]
    for name in _blocks(f):
        steps = groups.get(f"/{ROOT}/{name}/Steps")
        if steps is None:
            yield Violation(
                7, f"/{ROOT}/{name}", "a block without Steps beside blocks with them; VTK shows wrong times"
            )
        elif not np.array_equal(steps["Values"][...], values):
            yield Violation(7, f"/{ROOT}/{name}", "other times than the composite; VTK shows wrong times")


@_rule(8, "composite groups track the order of creation")
def _tracked(f: h5py.File) -> Iterator[Violation]:
    names = [ROOT, f"{ROOT}/Assembly", *(f"{ROOT}/{n}" for n in _blocks(f))]
    for name in names:
        if not f[name].id.get_create_plist().get_link_creation_order():
            yield Violation(8, f"/{name}", "does not track the order of creation; VTK aborts")


@_rule(9, "texts have a fixed length")
def _fixed_text(f: h5py.File) -> Iterator[Violation]:
    for name, obj in _objects(f).items():
        for attribute in obj.attrs:
            kind = h5py.h5a.open(obj.id, attribute.encode()).get_type()
            if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str():
                yield Violation(9, f"{name}@{attribute}", "text of variable length; QGIS and older VTK cannot read it")
        if isinstance(obj, h5py.Dataset) and h5py.check_string_dtype(obj.dtype) and obj.dtype.kind == "O":
            yield Violation(9, name, "text of variable length; QGIS and older VTK cannot read it")


@_rule(10, "index coordinates are int32")
def _indices(f: h5py.File) -> Iterator[Violation]:
    for name, d in f.items():
        if isinstance(d, h5py.Dataset) and d.is_scale and d.dtype.kind in "iu" and d.dtype != np.int32:
            yield Violation(10, f"/{name}", f"index coordinate of type {d.dtype}; QGIS cannot read the mesh")


@_rule(11, "meshes lie at the root and are whole")
def _meshes(f: h5py.File) -> Iterator[Violation]:
    for name, obj in _objects(f).items():
        if obj.attrs.get("cf_role") == b"mesh_topology":
            if name.count("/") > 1:
                yield Violation(11, name, "a mesh in a group; QGIS does not offer it")
            for key in ("node_coordinates", "edge_node_connectivity"):
                for part in obj.attrs.get(key, b"").decode().split() or ["(none)"]:
                    if part not in f:
                        yield Violation(11, f"{name}@{key}", f"names {part!r}, which is not at the root")
    for name, d in f.items():
        mesh = d.attrs.get("mesh", b"").decode()
        if mesh and mesh not in f:
            yield Violation(11, f"/{name}@mesh", f"names {mesh!r}, which is not at the root")


@_rule(12, "the image is two-dimensional with (t, y, x) arrays")
def _images(f: h5py.File) -> Iterator[Violation]:
    for name, group in _blocks(f).items():
        if _kind(group) == "ImageData":
            extent = [int(v) for v in group.attrs["WholeExtent"]]
            shape = (extent[3] + 1, extent[1] + 1)
            if extent[4] or extent[5]:
                yield Violation(12, f"/{ROOT}/{name}", f"extent {extent}: two-dimensional (last two 0) wanted")
            for array, d in group["PointData"].items():
                if d.shape[1:] != shape:
                    yield Violation(
                        12, f"/{ROOT}/{name}/PointData/{array}", f"shape {d.shape}, (t, y, x) wanted; VTK shows nothing"
                    )


@_rule(13, "offsets count values in PolyData and steps in images")
def _offsets(f: h5py.File) -> Iterator[Violation]:
    shared = f[ROOT].get("Steps")
    steps = f["time"].shape[0]
    for name, group in _blocks(f).items():
        own = group.get("Steps")
        if own is None:
            continue
        if _kind(group) == "ImageData":
            if own == shared or "CellDataOffsets" in own:
                yield Violation(13, f"/{ROOT}/{name}/Steps", "an image needs Steps of its own; VTK fails")
            yield from _image_offsets(f, name, own)
            continue
        for kind in CELL_KINDS & set(group):
            for array, d in group[kind].items():
                offsets = own[f"{kind}Offsets"][array][...]
                cells = group["NumberOfPoints"][0] if kind == "PointData" else _cell_count(group)
                source = f.get(array)
                changing = array in _results(f)
                every = layout.steps_per_value(source) if changing else 1
                size = steps // every * cells if changing else cells
                expected = np.arange(len(offsets)) // every * (cells if changing else 0)
                if d.size != size:
                    yield Violation(
                        13, f"/{ROOT}/{name}/{kind}/{array}", f"{d.size} values for {cells} in {steps} steps"
                    )
                elif not np.array_equal(offsets, expected):
                    yield Violation(
                        13, f"/{ROOT}/Steps/{kind}Offsets/{array}", "offsets are not step * values per step"
                    )


def _image_offsets(f: h5py.File, name: str, own: h5py.Group) -> Iterator[Violation]:
    """Without offsets an image shows step k of every array; with them they are row numbers of each."""
    for array in f[f"{ROOT}/{name}/PointData"]:
        every = layout.steps_per_value(f[array]) if array in f else 1
        where = f"/{ROOT}/{name}/Steps/PointDataOffsets/{array}"
        offsets = own.get(f"PointDataOffsets/{array}")
        if offsets is None and (every > 1 or "PointDataOffsets" in own):
            yield Violation(13, where, "missing beside arrays of another rate; VTK shows wrong steps")
        elif offsets is not None and not np.array_equal(offsets[...], np.arange(len(offsets)) // every):
            yield Violation(13, where, "offsets of an image are not row numbers; VTK shows wrong steps")


def _cell_count(group: h5py.Group) -> int:
    return sum(int(group[k]["NumberOfCells"][0]) for k in ("Vertices", "Lines", "Polygons", "Strips"))


@_rule(14, "array names are unique and plain")
def _names(f: h5py.File) -> Iterator[Violation]:
    seen: dict[str, str] = {}
    for name, group in _blocks(f).items():
        if _kind(group) == "ImageData":
            continue
        for kind in sorted(CELL_KINDS & set(group)):
            for array in group[kind]:
                if not array.isidentifier():
                    yield Violation(14, f"/{ROOT}/{name}/{kind}", f"name {array!r}: letters, digits and _ only")
                if array in seen:
                    what = f"{array!r} is also in {seen[array]}, with the same Steps; VTK applies wrong offsets"
                    yield Violation(14, f"/{ROOT}/{name}/{kind}", what)
                seen[array] = name


@_rule(15, "points are double")
def _points(f: h5py.File) -> Iterator[Violation]:
    for name, group in _blocks(f).items():
        if "Points" in group and group["Points"].dtype != np.float64:
            yield Violation(15, f"/{ROOT}/{name}/Points", f"type {group['Points'].dtype}: 0.03 m coarse in RD New")


@_rule(16, "a run of one step has no image")
def _single(f: h5py.File) -> Iterator[Violation]:
    if f["time"].shape[0] == 1:
        for name, group in _blocks(f).items():
            if _kind(group) == "ImageData":
                yield Violation(16, f"/{ROOT}/{name}", "an image in a run of one step comes up empty in VTK")


@_rule(17, "filters are shuffle and deflate only")
def _filters(f: h5py.File) -> Iterator[Violation]:
    for name, obj in _objects(f).items():
        if isinstance(obj, h5py.Dataset):
            plist = obj.id.get_create_plist()
            for i in range(plist.get_nfilters()):
                code = plist.get_filter(i)[0]
                if code not in PORTABLE:
                    yield Violation(17, name, f"HDF5 filter {code}; VTK shows nothing and the browser garbage")


@_rule(18, "time is preallocated")
def _preallocated(f: h5py.File) -> Iterator[Violation]:
    steps = f["time"].shape[0]
    for name, d in {"time": f["time"], **_results(f)}.items():
        if d.maxshape != d.shape:
            yield Violation(18, f"/{name}", "has an unlimited axis; its flat view for VTK is impossible")
        every = layout.steps_per_value(d) if name != "time" else 1
        if d.shape[0] * every != steps:
            yield Violation(18, f"/{name}", f"{d.shape[0]} values of {every} steps, the time axis has {steps}")


@_rule(19, "blocks are PolyData or ImageData")
def _types(f: h5py.File) -> Iterator[Violation]:
    for name, group in _blocks(f).items():
        if _kind(group) not in ("PolyData", "ImageData"):
            yield Violation(19, f"/{ROOT}/{name}", f"type {_kind(group)!r} fails in VTK 9.5 to 9.7")
    if _kind(f[ROOT]) != "MultiBlockDataSet":
        yield Violation(19, f"/{ROOT}", f"type {_kind(f[ROOT])!r}, 'MultiBlockDataSet' wanted")


@_rule(20, "lattice fields name their coordinate reference system")
def _crs(f: h5py.File) -> Iterator[Violation]:
    for name, d in _results(f).items():
        if d.ndim == 3:
            mapping = d.attrs.get("grid_mapping", b"").decode()
            if mapping not in f or "spatial_ref" not in f[mapping].attrs:
                yield Violation(20, f"/{name}", "no grid_mapping with a spatial_ref; GDAL gives no CRS")


@_rule(21, "steps_written, NSteps and status agree")
def _progress(f: h5py.File) -> Iterator[Violation]:
    written, planned = int(f.attrs["steps_written"]), f["time"].shape[0]
    cure = "mend it with `twin repair`"
    for name, group in _step_groups(f).items():
        if int(group.attrs["NSteps"]) != written:
            yield Violation(21, name, f"NSteps = {group.attrs['NSteps']}, steps_written = {written}", cure)
    status = f.attrs["output_status"].decode()
    if status not in ("running", "complete") or (status == "complete" and written != planned):
        yield Violation(21, "/@output_status", f"{status!r} with {written} of {planned} steps", cure)


@_rule(22, "written steps hold every result")
def _stored(f: h5py.File) -> Iterator[Violation]:
    written, held = int(f.attrs["steps_written"]), complete_steps(f)
    if held < written:
        cure = "mend it with `twin repair` and go on with --resume"
        yield Violation(22, "/@steps_written", f"{written} steps are said to be written, {held} are whole", cure)


@_rule(23, "results carry units and a name")
def _described(f: h5py.File) -> Iterator[Violation]:
    for name, d in _results(f).items():
        for attribute in ("units", "long_name"):
            if not d.attrs.get(attribute, b"").strip():
                yield Violation(23, f"/{name}", f"no {attribute}")


@_rule(24, "coordinates are those of the hash")
def _hash(f: h5py.File) -> Iterator[Violation]:
    if f.attrs.get("coordinates_hash", b"").decode() != layout.coordinates_hash(f):
        yield Violation(24, "/@coordinates_hash", "positions or topology were changed after the run was set up")


@_rule(25, "the view copies no result")
def _no_copies(f: h5py.File) -> Iterator[Violation]:
    results = _results(f)
    for name, group in _blocks(f).items():
        for kind in sorted(CELL_KINDS & set(group)):
            for array, d in group[kind].items():
                if array in results and d != results[array] and not d.is_virtual:
                    yield Violation(25, f"/{ROOT}/{name}/{kind}/{array}", "is a copy of the root variable")
                if d.is_virtual and any(
                    s.file_name != "." or s.dset_name.strip("/") not in f for s in d.virtual_sources()
                ):
                    yield Violation(
                        25, f"/{ROOT}/{name}/{kind}/{array}", "its source is not a root variable of this file"
                    )


@_rule(26, "arrays of a mesh are numbers that QGIS reads")
def _mesh_arrays(f: h5py.File) -> Iterator[Violation]:
    for name, d in f.items():
        if not isinstance(d, h5py.Dataset) or d.is_scale or not d.ndim or not len(d.dims[d.ndim - 1]):
            continue
        if d.dims[d.ndim - 1][0].name.lstrip("/") not in layout.MESHES:
            continue
        if d.dtype.kind == "S":
            yield Violation(26, f"/{name}", "text on a dimension of a mesh; QGIS opens no mesh of the file")
        elif d.dtype.kind != "f" and (d.dtype != np.int32 or "result" in d.attrs):
            yield Violation(26, f"/{name}", f"type {d.dtype} on a dimension of a mesh; QGIS opens no mesh of the file")
        long_name = d.attrs.get("long_name", b"").decode().lower()
        for word in layout.VECTOR_WORDS:
            if word in long_name:
                what = f"long_name with {word!r}: QGIS takes it for a part of a vector and opens no mesh"
                yield Violation(26, f"/{name}", what, "word the long_name otherwise and write the file again")


@_rule(27, "buildings are whole")
def _solids(f: h5py.File) -> Iterator[Violation]:
    if "triangle_vertices" not in f:
        return
    for name, of in (("triangle_vertices", "building_vertex"), ("triangle_building", "building")):
        values, size = f[name][...], f[of].shape[0]
        if values.size and (values.min() < 0 or values.max() >= size):
            yield Violation(27, f"/{name}", f"points beyond the {size} places of {of}; readers draw nothing or fail")
    kinds = f["triangle_kind"][...]
    if kinds.size and not np.isin(kinds, (0, 1, 2)).all():
        yield Violation(27, "/triangle_kind", "other than 0 ground, 1 wall, 2 roof")


@_rule(28, "slower results have a time axis that divides the common one")
def _rates(f: h5py.File) -> Iterator[Violation]:
    for name, d in _results(f).items():
        every = layout.steps_per_value(d)
        axis = layout.time_axis(every)
        if axis not in f or d.dims[0][0].name.lstrip("/") != axis:
            yield Violation(28, f"/{name}", f"one value per {every} output steps, but not on the axis {axis!r}")
        elif not np.array_equal(f[axis][...], f["time"][::every]):
            yield Violation(28, f"/{axis}", f"is not every {every}. output time; readers show wrong times")


@_rule(29, "the table of totals is whole")
def _totals(f: h5py.File) -> Iterator[Violation]:
    columns = [f"indicator_{column}" for column in layout.INDICATOR_COLUMNS]
    present = [c for c in columns if c in f]
    if present and (len(present) < len(columns) or len({f[c].shape for c in present}) > 1):
        yield Violation(29, "/indicator", f"holds {', '.join(present)} of unequal lengths or not all of the columns")
