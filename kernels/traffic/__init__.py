"""Kernels of road traffic: costs, shortest paths, equilibrium, emission."""
