"""Kernels of nitrogen: meteorology, dispersion, deposition."""
