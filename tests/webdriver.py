"""A few words of the W3C WebDriver protocol over the standard library: headless Chromium without more packages."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--window-size=1200,800",
]


def available() -> bool:
    return bool(shutil.which("chromedriver") and shutil.which("chromium"))


class Browser:
    """One headless window."""

    def __init__(self, profile):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}"
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while True:
            try:
                self._call("GET", "/status")
                break
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        made = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{made['sessionId']}"

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()[:500]) from error

    def go(self, url):
        self._call("POST", f"{self.session}/url", {"url": url})

    def run(self, script, *given):
        return self._call("POST", f"{self.session}/execute/sync", {"script": script, "args": list(given)})

    def wait(self, condition, seconds=60):
        """Wait until a script expression is true; the page's own error ends the wait."""
        deadline = time.monotonic() + seconds
        while not self.run(f"return Boolean({condition})"):
            error = self.run("return window.twin && window.twin.error || ''")
            if error:
                raise RuntimeError(f"page: {error}; {self.log()}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{condition}; {self.log()}")
            time.sleep(0.05)

    def wait_error(self, part, seconds=60):
        """The message with which the page refuses; it must hold ``part``."""
        deadline = time.monotonic() + seconds
        while not (found := self.run("return window.twin && window.twin.error || ''")) or part not in found:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no message with {part!r}, but {found!r}; {self.log()}")
            time.sleep(0.05)
        return found

    def click(self, x, y):
        self._pointer([{"type": "pointerMove", "x": x, "y": y}, {"type": "pointerDown"}, {"type": "pointerUp"}])

    def move(self, x, y):
        self._pointer([{"type": "pointerMove", "x": x - 3, "y": y}, {"type": "pointerMove", "x": x, "y": y}])

    def size(self, width, height):
        self._call("POST", f"{self.session}/window/rect", {"width": width, "height": height})

    def _pointer(self, actions):
        steps = [{"button": 0, "duration": 0, **a} for a in actions]
        source = {"type": "pointer", "id": "m", "parameters": {"pointerType": "mouse"}, "actions": steps}
        self._call("POST", f"{self.session}/actions", {"actions": [source]})

    def key(self, value):
        actions = [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        self._call("POST", f"{self.session}/actions", {"actions": [{"type": "key", "id": "k", "actions": actions}]})

    def log(self):
        return self._call("POST", f"{self.session}/se/log", {"type": "browser"})

    def requested(self):
        """Addresses that the page asked for."""
        found = []
        for entry in self._call("POST", f"{self.session}/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return found

    def screenshot(self):
        return base64.b64decode(self._call("GET", f"{self.session}/screenshot"))

    def close(self):
        try:
            self._call("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(timeout=20)
