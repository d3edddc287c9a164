"""A headless Chromium driven over a pipe: what a page looks like to a browser, and what it asks of the network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe"),
)


@dataclass
class Browser:
    """One tab. Events pile up in `events`, newest last."""

    out: IO[bytes]
    into: IO[bytes]
    session: str = ""
    sent: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, **params: Any) -> Any:
        """Send one DevTools command and wait for its answer."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": params}
        self.out.write(json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0")
        self.out.flush()
        while True:
            reply = self._receive()
            if reply.get("id") == self.sent:
                assert "error" not in reply, reply
                return reply["result"]
            self.events.append(reply)

    def _receive(self) -> dict[str, Any]:
        text = bytearray()
        while (byte := self.into.read(1)) != b"\0":
            assert byte, "the browser has gone"
            text += byte
        return dict(json.loads(text))

    def open(self, page: Path, width: int = 1200) -> None:
        """Load a file, and wait until it is there."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")
        self.resize(width)
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._receive())

    def resize(self, width: int) -> None:
        """The width of the window in CSS pixels."""
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **screen)

    def scheme(self, name: str) -> None:
        """Prefer the "light" or the "dark" color scheme."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        reply = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in reply, reply
        return reply["result"].get("value")

    def picture(self, whole: bool) -> bytes:
        """A PNG of the whole page or of the first screen."""
        return b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def paper(self) -> bytes:
        """The page as it is printed: a PDF."""
        return b64decode(self.call("Page.printToPDF", printBackground=False)["data"])

    def requests(self) -> list[str]:
        """The addresses that the page has asked for."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [str(event["params"]["request"]["url"]) for event in sent]

    def complaints(self) -> list[dict[str, Any]]:
        """Whatever the browser wrote to its console."""
        spoken = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [event for event in self.events if event.get("method") in spoken]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start Chromium, and end it."""
    program = shutil.which("chromium")
    assert program, "chromium is missing: install Debian's package chromium to run this test"
    their_in, our_out = os.pipe()
    our_in, their_out = os.pipe()
    command = ["bash", "-c", f'exec "$@" 3<&{their_in} 4>&{their_out}', "bash", program, *FLAGS]
    process = subprocess.Popen(
        [*command, f"--user-data-dir={profile}"], pass_fds=(their_in, their_out), stderr=subprocess.DEVNULL
    )
    os.close(their_in)
    os.close(their_out)
    try:
        with open(our_out, "wb") as out, open(our_in, "rb") as into:
            tab = Browser(out, into)
            yield tab
            tab.session = ""
            tab.call("Browser.close")
    finally:
        process.terminate()
        process.wait(timeout=10)
