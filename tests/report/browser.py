"""A real browser without a window, driven over its own protocol (https://chromedevtools.github.io/devtools-protocol).

It notes every request and every line on the console, so that a page can be shown to make none.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ("--headless", "--no-sandbox", "--hide-scrollbars", "--no-first-run", "--disable-background-networking")
START_SECONDS = 60
NOTES = {"Network.requestWillBeSent", "Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}


class Browser:
    """One tab.

    Attributes:
        notes: What the page asked for and what stands on the console: (event, what).
    """

    def __init__(self, address: str) -> None:
        """Talk to the tab at `address`."""
        self._socket = websocket.create_connection(address, suppress_origin=True, timeout=START_SECONDS)
        self._last, self.notes = 0, []
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """One command and its answer; notes what comes in between."""
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": arguments}))
        while (told := self._next()).get("id") != self._last:
            pass
        assert "error" not in told, told
        return told["result"]

    def open(self, page: Path, *, width: int, dark: bool = False) -> None:
        """Show the page, as wide as that, and wait until it is loaded."""
        self.notes.clear()
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media="screen", features=[scheme])
        self.call("Page.navigate", url=page.as_uri())
        while self._next().get("method") != "Page.loadEventFired":
            pass
        self.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def ask(self, script: str) -> Any:
        """The value of a script."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def printed(self) -> bytes:
        """The page as it is printed, a PDF."""
        self.call("Emulation.setEmulatedMedia", media="", features=[])
        made = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(made["data"])

    def close(self) -> None:
        """Let the tab go."""
        self._socket.close()

    def _next(self) -> dict[str, Any]:
        told = json.loads(self._socket.recv())
        if told.get("method") in NOTES:
            known = told["params"]
            what = known.get("request", {}).get("url") or json.dumps(known)
            self.notes.append((told["method"], what))
        return told


def find() -> str:
    """The browser that is installed here; a machine without one cannot say that a page is fine."""
    known = next((path for name in NAMES if (path := shutil.which(name))), None)
    assert known, "install a Chromium to run this test: `apt-get install chromium` (Debian), or Chrome on other systems"
    return known


@contextlib.contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """A browser with an empty profile in `folder`, ended afterwards with everything it started."""
    command = [find(), *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        browser = Browser(_tab(folder / "DevToolsActivePort", process))
        yield browser
        browser.close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _tab(announced: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the first tab listens, once the browser has started."""
    ends = time.monotonic() + START_SECONDS
    while not (announced.exists() and "\n" in announced.read_text()):
        assert process.poll() is None and time.monotonic() < ends, "the browser did not start"
        time.sleep(0.05)
    port = announced.read_text().split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=START_SECONDS) as answer:
        return next(tab["webSocketDebuggerUrl"] for tab in json.load(answer) if tab["type"] == "page")
