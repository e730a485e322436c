"""Fast mode: results of the exact chain tabulated over direction and distance per kind of source."""
