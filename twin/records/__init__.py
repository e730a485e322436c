"""Run files: the only code that writes or reads them."""
