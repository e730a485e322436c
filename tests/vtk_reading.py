"""Reading of a run file with VTK's own HDF reader, both ways of choosing a time."""

from pathlib import Path

import pytest


def read_vtk(path: Path, step: int, seconds: float, mode: str):
    """All arrays of one step: {(block, kind, name): values}, and the number of steps that VTK sees."""
    io = pytest.importorskip("vtkmodules.vtkIOHDF")
    from vtkmodules.util.numpy_support import vtk_to_numpy

    reader = io.vtkHDFReader()
    reader.SetFileName(str(path))
    assert reader.CanReadFile(str(path))
    reader.UpdateInformation()
    count = reader.GetNumberOfSteps()
    if mode == "SetStep":
        reader.SetStep(step)
        reader.Modified()
        reader.Update()
    else:
        reader.UpdateTimeStep(seconds)
    output = reader.GetOutputDataObject(0)
    arrays = {}
    for i in range(output.GetNumberOfBlocks()):
        block = output.GetBlock(i)
        name = output.GetMetaData(i).Get(output.NAME())
        arrays[name, "cells"] = block.GetNumberOfCells()
        if block.GetNumberOfPoints():
            arrays[name, "bounds"] = block.GetBounds()
        for kind, data in (("point", block.GetPointData()), ("cell", block.GetCellData())):
            for j in range(data.GetNumberOfArrays()):
                arrays[name, kind, data.GetArrayName(j)] = vtk_to_numpy(data.GetArray(j)).copy()
    return count, arrays
