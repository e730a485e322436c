"""The viewer: bundle of the committed sources, a server that gives away nothing else, and the page in a browser."""

import csv
import gzip
import hashlib
import http.client
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import webdriver
from sample_world import RESULTS, sample_world, step_arrays, times

from twin.errors import RecordError
from twin.records import RunWriter
from twin.records.layout import live_path
from twin.viewer import RunServer, single_page

VIEWER = Path(__file__).parents[1] / "twin" / "viewer"
STEPS = 30


def write(path, *, scale=1.0, title="<b>Sample</b>", written=None):
    world = sample_world()
    world.attrs["synthetic"] = 1
    with RunWriter.create(path, world, RESULTS, times(STEPS), {"title": title}, significant_bits=None) as writer:
        for k in range(STEPS if written is None else written):
            arrays = step_arrays(world, k)
            arrays["road_flow"] = arrays["road_flow"] * scale
            writer.write(k, arrays)
        return writer.finish() if written is None else writer.live


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("view")
    return [write(folder / "a.h5"), write(folder / "b.h5", scale=1.5)]


def test_bundle_is_that_of_the_committed_sources():
    with (VIEWER / "static" / "build.csv").open() as f:
        listed = {row["file"]: row["sha256"] for row in csv.DictReader(f)}
    there = {f"source/{p.name}" for p in (VIEWER / "source").iterdir() if p.is_file()}
    there |= {f"static/{p.name}" for p in (VIEWER / "static").iterdir() if p.name != "build.csv"}
    assert set(listed) == there
    for name, digest in listed.items():
        assert hashlib.sha256((VIEWER / name).read_bytes()).hexdigest() == digest, (
            f"{name}: run npm ci && npm run build"
        )


def test_bundle_is_small_and_knows_no_address():
    texts = [p.read_bytes() for p in (VIEWER / "static").iterdir()]
    assert sum(len(gzip.compress(t)) for t in texts) <= 1.5e6
    assert b"resolved" not in (VIEWER / "source" / "package-lock.json").read_bytes()


def ask(server, path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", int(server.url.split(":")[2].split("/")[0]), timeout=10)
    connection.putrequest(method, path, skip_host="Host" in headers)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_ranges_are_those_of_the_file(runs):
    raw = runs[0].read_bytes()
    with RunServer(runs[:1]) as server:
        answer, body = ask(server, "/run/0")
        assert (answer.status, body, answer.headers["Accept-Ranges"]) == (200, raw, "bytes")
        for wanted, part in (("bytes=5-99", raw[5:100]), ("bytes=100-", raw[100:]), ("bytes=-7", raw[-7:])):
            answer, body = ask(server, "/run/0", Range=wanted)
            assert (answer.status, body) == (206, part)
        assert answer.headers["Content-Range"] == f"bytes {len(raw) - 7}-{len(raw) - 1}/{len(raw)}"
        for outside in (f"bytes={len(raw)}-", "bytes=9-5", "bytes=-", "lines=1-2"):
            assert ask(server, "/run/0", Range=outside)[0].status == 416
        answer, body = ask(server, "/run/0", "HEAD")
        assert (answer.headers["Content-Length"], body) == (str(len(raw)), b"")


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/run/0/../1",
        "/run/1",
        "/run/-1",
        "//etc/passwd",
        "/build.csv",
    ],
)
def test_nothing_but_pages_and_named_runs_is_served(runs, path):
    with RunServer(runs[:1]) as server:
        assert ask(server, path)[0].status == 404
        assert ask(server, "/", "POST")[0].status == 501


def test_server_listens_on_loopback_and_refuses_foreign_names(runs):
    with RunServer(runs[:1]) as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert ask(server, "/", Host="example.org")[0].status == 403
        answer, body = ask(server, "/", Host="localhost")
        assert answer.status == 200
        assert b"<canvas" in body
        assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]


def test_bad_runs_are_refused_before_serving(runs, tmp_path):
    with pytest.raises(RecordError, match="no such run"):
        RunServer([tmp_path / "none.h5"])
    world = sample_world()
    world["power"]["bus_x"][0] += 1.0
    with RunWriter.create(tmp_path / "c.h5", world, RESULTS, times(1)) as writer:
        writer.write(0, step_arrays(world, 0))
        other = writer.finish()
    with pytest.raises(RecordError, match="different provinces"):
        RunServer([runs[0], other])
    with pytest.raises(RecordError, match="one, or two"):
        RunServer([])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless Chromium, where the machine has one."""
    if not webdriver.available():
        pytest.skip("no chromium and chromedriver on this machine: the page itself is not shown")
    window = webdriver.Browser(tmp_path_factory.mktemp("profile"))
    yield window
    window.close()


def opened(browser, url):
    browser.go("about:blank")
    browser.go(url)
    browser.wait("window.twin && window.twin.ready && window.twin.stats.settled")


def text(browser, id_):
    return browser.run("return document.getElementById(arguments[0]).textContent", id_)


def values(browser, layer):
    return np.array(browser.run(f"return Array.from(window.twin.layers.{layer}.values)"))


def test_page_shows_the_values_of_the_run(browser, runs):
    with RunServer(runs[:1]) as server:
        opened(browser, server.url + "#lang=en")
        for step in (0, STEPS // 2, STEPS - 1):
            browser.run(f"window.twin.done = 0; window.twin.setStep({step}).then(() => (window.twin.done = 1))")
            browser.wait("window.twin.done")
            given = step_arrays(sample_world(), step)
            np.testing.assert_array_equal(values(browser, "field"), given["n_deposition"].ravel().astype("f4"))
            flows = given["road_flow"].astype("f4")
            np.testing.assert_array_equal(values(browser, "roads"), flows[0] + flows[1])
            np.testing.assert_array_equal(values(browser, "buses"), given["bus_load"].astype("f4"))
        assert "2020-01-02 05:00 UTC" in text(browser, "time")
        assert text(browser, "title") == "<b>Sample</b>"  # shown as text, not as HTML
        assert text(browser, "synthetic")
        for label in ("nitrogen deposition [mol/ha]", "traffic flow, all vehicles [1/h]", "load [kW]"):
            assert label in text(browser, "legend")
        asked = [u for u in browser.requested() if u.startswith(("http", "ws", "file"))]
        assert asked
        assert all(u.startswith(server.url.split("?")[0]) for u in asked)
        # the canvas holds a picture: many colours
        colours = browser.run(
            "window.twin.stage.drawNow(); const c = document.createElement('canvas'); c.width = c.height = 64;"
            "const p = c.getContext('2d'); p.drawImage(document.getElementById('view'), 0, 0, 64, 64);"
            "const d = p.getImageData(0, 0, 64, 64).data; const s = new Set();"
            "for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return s.size"
        )
        assert colours > 30  # a blank or single-coloured view has one or two


def test_clicks_and_keys_do_what_they_say(browser, runs):
    with RunServer(runs[:1]) as server:
        opened(browser, server.url + "#lang=en&step=3")
        assert browser.run("return document.getElementById('step').value") == "3"
        browser.run("document.getElementById('view').focus()")
        for key, step in (("\ue014", 4), ("\ue012", 3), ("\ue010", STEPS - 1), ("\ue011", 0)):
            browser.key(key)
            browser.wait(f"document.getElementById('step').value == {step} && location.hash.includes('step={step}&')")
        # the middle of the view lies on the terrain
        middle = browser.run(
            "const c = document.getElementById('view'); return [c.clientWidth / 2 | 0, c.clientHeight / 2 | 0]"
        )
        browser.move(*middle)
        browser.wait("!document.getElementById('tip').hidden")
        assert "RD 8" in text(browser, "tip")
        assert "NAP" in text(browser, "tip")
        for layer in ("roads", "branches", "buses"):
            browser.run(f"document.getElementById('on-{layer}').click()")
        place = browser.run(f"return window.twin.under({middle[0]}, {middle[1]}).hits[0].place")
        browser.click(*middle)
        browser.wait("window.twin.series")
        expected = [step_arrays(sample_world(), k)["n_deposition"][tuple(place)] for k in range(STEPS)]
        np.testing.assert_allclose(browser.run("return window.twin.series[0]"), expected, rtol=1e-6)
        assert not browser.run("return window.twin.stage.layers.roads.mesh.visible")
        assert "traffic flow" not in text(browser, "legend")
        browser.run("document.getElementById('language').click()")
        assert "Wegen" in text(browser, "layers")
        browser.run("document.getElementById('play').click()")
        browser.wait("Number(document.getElementById('step').value) > 2")
        browser.run("document.getElementById('play').click()")
        # the address holds the state: the same view comes back
        address = browser.run("return location.href")
        opened(browser, address)
        assert browser.run("return location.href") == address
        assert "Wegen" in text(browser, "layers")


def test_difference_of_two_runs_is_second_minus_first(browser, runs):
    with RunServer(runs) as server:
        opened(browser, server.url + "#lang=en&step=2&difference=1")
        flows = step_arrays(sample_world(), 2)["road_flow"]
        np.testing.assert_allclose(values(browser, "roads"), 0.5 * flows.sum(axis=0), rtol=1e-5)
        assert (values(browser, "field") == 0).all()
        low, high = browser.run("return window.twin.layers.roads.range")
        assert low == -high
        assert "second − first" in text(browser, "legend")


def test_single_page_opens_without_a_server(browser, runs, tmp_path):
    page = single_page(runs[0], tmp_path / "run.html")
    opened(browser, page.as_uri() + "#lang=en&step=1")
    given = step_arrays(sample_world(), 1)["n_deposition"].ravel().astype("f4")
    np.testing.assert_array_equal(values(browser, "field"), given)


def test_run_in_progress_grows_on_the_page(browser, tmp_path):
    write(tmp_path / "r.h5", written=3)
    with RunServer([tmp_path / "r.h5"]) as server:
        opened(browser, server.url + "#lang=en&step=2")
        assert "run in progress" in text(browser, "about")
        with RunWriter.append(tmp_path / "r.h5") as writer:
            for k in range(3, STEPS):
                writer.write(k, step_arrays(sample_world(), k))
            writer.finish()
        browser.wait(f"document.getElementById('step').max == {STEPS - 1}")
        browser.wait(f"document.getElementById('step').value == {STEPS - 1}")  # it follows the last step
        assert not live_path(tmp_path / "r.h5").exists()


def page_error(browser, url):
    browser.go("about:blank")
    browser.go(url)
    deadline = time.monotonic() + 60
    while not (found := browser.run("return window.twin && window.twin.error || ''")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_unreadable_runs_give_a_plain_message(browser, runs, tmp_path):
    path = tmp_path / "lzf.h5"
    path.write_bytes(runs[0].read_bytes())
    with RunServer([path]) as server:
        with h5py.File(path, "r+") as f:
            f.create_dataset("extra", data=np.zeros(100), compression="lzf")
        assert "extra (lzf)" in page_error(browser, server.url + "#lang=en")
        path.write_bytes(runs[0].read_bytes())
        with h5py.File(path, "r+") as f:
            f.attrs.modify("layout_version", np.int32(9))
        assert "layout 9" in page_error(browser, server.url + "#lang=en")
        del f
        path.write_bytes(b"<script>alert(1)</script>")
        assert "cannot be shown" in page_error(browser, server.url + "#lang=en")
