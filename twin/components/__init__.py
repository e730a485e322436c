"""Components: one process each, declared variables and a call into kernels."""
