"""The catalogue: a changed byte, a missing file and a way out of the root are refused."""

import hashlib

import pytest

from twin.catalog import Catalog
from twin.config import BUILT_IN
from twin.errors import ConfigError, DataError


def catalogue(folder, name="a/x.csv", digest=None):
    (folder / "data/a").mkdir(parents=True, exist_ok=True)
    (folder / "data/a/x.csv").write_bytes(b"1,2\n")
    digest = digest or hashlib.sha256(b"1,2\n").hexdigest()
    listing = folder / "catalog.toml"
    listing.write_text(f'[files."{name}"]\nsha256 = "{digest}"\nsource = "test"\nlicence = "CC0"\n')
    return Catalog(listing, folder / "data")


def test_a_listed_file_is_given_and_remembered(tmp_path):
    c = catalogue(tmp_path)
    assert c.path("a/x.csv").read_text() == "1,2\n"
    assert list(c.used()) == ["a/x.csv"]


def test_a_changed_byte_is_refused(tmp_path):
    c = catalogue(tmp_path)
    (tmp_path / "data/a/x.csv").write_bytes(b"1,3\n")
    with pytest.raises(DataError, match="not those of the catalogue"):
        c.path("a/x.csv")


def test_missing_unlisted_and_outside(tmp_path):
    c = catalogue(tmp_path)
    with pytest.raises(DataError, match="lists no file"):
        c.path("b.csv")
    (tmp_path / "data/a/x.csv").unlink()
    with pytest.raises(DataError, match="no such file"):
        c.path("a/x.csv")
    with pytest.raises(ConfigError, match="outside"):
        catalogue(tmp_path, name="../x.csv")


def test_a_link_out_of_the_root_is_refused(tmp_path):
    c = catalogue(tmp_path)
    (tmp_path / "secret.csv").write_bytes(b"1,2\n")
    (tmp_path / "data/a/x.csv").unlink()
    (tmp_path / "data/a/x.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(DataError, match="outside the data root"):
        c.path("a/x.csv")


def test_the_catalogue_of_zuid_holland_is_that_of_the_data(data):
    c = Catalog(BUILT_IN / "zuid_holland/catalog.toml", data)
    for name in c.files:
        assert c.path(name).is_file()
