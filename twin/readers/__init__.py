"""Readers: one module per kind of data; files in, checked arrays and tables out."""
