"""Exact mode: the annual sector-plume chain per source-receptor pair, evaluated in blocks of lanes.

A lane is one (sub-)source and (sub-)receptor pair. Quantities of a block lie in rows of one flat workspace
(:mod:`.lanes`), so that every step is a plain loop over lanes that compiles to vector instructions.
"""
