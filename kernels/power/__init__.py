"""Kernels of electricity: power flow, demand, congestion."""
