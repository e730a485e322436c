"""Analysis of run files."""
