"""Numba kernels of Province Twin: arrays in, arrays out, nothing of ``twin``.

``DISTRIBUTION`` is the marker by which ``import twin`` recognises this package: another distribution on the
package index installs a top-level package of the same name and would silently overwrite this one.
"""

DISTRIBUTION = "province-twin"
