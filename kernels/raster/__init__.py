"""Kernels that bring lines and polygons onto the lattice."""
