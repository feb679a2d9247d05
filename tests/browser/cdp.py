"""A real Chromium without a window, driven over its DevTools protocol."""

from __future__ import annotations

import base64
import itertools
import json
import queue
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

from tools.browser import Browser

START_SECONDS = 30.0
CALL_SECONDS = 60.0
LISTENING = re.compile(r"DevTools listening on (ws://\S+)")

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--mute-audio",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)

Json = dict[str, Any]


class PageFailed(AssertionError):
    """A script of the page threw."""


class Chromium:
    """One browser process: `with Chromium(browser) as chromium: page = chromium.open(url)`."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._profile = Path(tempfile.mkdtemp(prefix="reelscan-browser-"))
        command = [str(self._browser.executable), *FLAGS, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = subprocess.Popen(
            command, env=self._browser.environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        try:
            self._socket = self._open.enter_context(connect(self._address(), max_size=None, compression=None))
        except BaseException:
            self._end()
            raise
        self._protocol = _Protocol(self._socket)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()
        self._end()

    def open(self, url: str, width: int = 1280, height: int = 800, scheme: str = "light") -> Page:
        """A page in a profile of its own, once it has loaded."""
        context = self._protocol.call("Target.createBrowserContext", {})["browserContextId"]
        target = self._protocol.call("Target.createTarget", {"url": "about:blank", "browserContextId": context})
        attached = self._protocol.call("Target.attachToTarget", {"targetId": target["targetId"], "flatten": True})
        page = Page(self._protocol, attached["sessionId"], target["targetId"])
        page.resize(width, height)
        page.emulate(scheme)
        page.go(url)
        return page

    def _address(self) -> str:
        found: queue.Queue[str] = queue.Queue()
        said: list[str] = []

        def read() -> None:
            assert self._process.stderr is not None
            for line in self._process.stderr:
                said.append(line)
                if match := LISTENING.search(line):
                    found.put(match[1])

        threading.Thread(target=read, daemon=True).start()
        try:
            return found.get(timeout=START_SECONDS)
        except queue.Empty:
            raise AssertionError(f"Chromium did not start:\n{''.join(said[-20:])}") from None

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        if self._process.stderr is not None:
            self._process.stderr.close()
        shutil.rmtree(self._profile, ignore_errors=True)


class Page:
    """One tab."""

    def __init__(self, protocol: _Protocol, session: str, target: str) -> None:
        self._protocol = protocol
        self._session = session
        self._target = target
        self.errors: list[str] = []
        """Exceptions that nobody caught, and what was logged as an error."""
        self._listeners: dict[str, Callable[[Json], None]] = {
            "Runtime.exceptionThrown": self._take_exception,
            "Runtime.consoleAPICalled": self._take_message,
            "Log.entryAdded": self._take_entry,
        }
        protocol.listen(session, self._hear)
        for domain in ("Page", "Runtime", "Log", "DOM"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Json:
        """One command of the protocol."""
        return self._protocol.call(method, parameters, self._session)

    def go(self, url: str) -> None:
        """Open another address, or the same one anew."""
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def reload(self) -> None:
        """As F5 does."""
        self.run("window.__before = true")
        self.call("Page.reload")
        self.wait("!window.__before && document.readyState === 'complete'")

    def close(self) -> None:
        """Close the tab."""
        self._protocol.call("Target.closeTarget", {"targetId": self._target})

    def run(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise.

        Raises:
            PageFailed: it threw.
        """
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            details = answer["exceptionDetails"]
            raise PageFailed(details.get("exception", {}).get("description") or details["text"])
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 30.0) -> Any:
        """The value of an expression, once it is true."""
        end = time.monotonic() + seconds
        # An element has no value on this side, but it is there.
        asked = f"(async () => {{ const found = await ({script}); return found instanceof Element || found }})()"
        while True:
            try:
                value = self.run(asked)
            except (PageFailed, ProtocolFailed):
                # Between two documents there is nothing to run in.
                value = None
            if value:
                return value
            if time.monotonic() > end:
                raise AssertionError(f"Not true within {seconds} s: {script}\n{self.errors}\n{self._state()}")
            threading.Event().wait(0.05)

    def _state(self) -> str:
        try:
            return str(self.run("document.body.innerText.slice(0, 1500)"))
        except (PageFailed, ProtocolFailed) as error:
            return repr(error)

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        """Another size of the window, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def emulate(self, scheme: str, motion: str = "no-preference") -> None:
        """The colours and the motion that the system prefers."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def press(self, key: str, code: str | None = None, *, shift: bool = False) -> None:
        """A key, down and up."""
        codes = {"ArrowLeft": 37, "ArrowRight": 39, " ": 32, "Enter": 13, "Escape": 27, "Tab": 9, "Home": 36, "End": 35}
        number = codes.get(key, ord(key.upper()[0]))
        about: Json = {
            "key": key,
            "code": code or (f"Key{key.upper()}" if len(key) == 1 and key.isalpha() else key),
            "windowsVirtualKeyCode": number,
            "modifiers": 8 if shift else 0,
        }
        text = {"text": "\r"} if key == "Enter" else {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def click(self, x: float, y: float) -> None:
        """The mouse at a point of the window."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def move(self, x: float, y: float) -> None:
        """The mouse over a point."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def choose_files(self, selector: str, *paths: Path) -> None:
        """Files for an input."""
        document = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=document, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path.resolve()) for path in paths])

    def drop_files(self, x: float, y: float, *paths: Path) -> None:
        """Files from the desktop, dragged over a point and let go there."""
        dragged = {"items": [], "files": [str(path.resolve()) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.call("Input.dispatchDragEvent", type=kind, x=x, y=y, data=dragged)

    def screenshot(self, path: Path) -> None:
        """What the window shows, as PNG."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))

    def hear(self, method: str, listen: Callable[[Json], None]) -> None:
        """Be called with the parameters of each event of a name, on another thread."""
        self._listeners[method] = listen

    def _hear(self, message: Json) -> None:
        listen = self._listeners.get(message["method"])
        if listen is not None:
            listen(message["params"])

    def _take_exception(self, parameters: Json) -> None:
        details = parameters["exceptionDetails"]
        self.errors.append(details.get("exception", {}).get("description") or details["text"])

    def _take_message(self, parameters: Json) -> None:
        if parameters["type"] == "error":
            self.errors.append(" ".join(str(part.get("value", part.get("description"))) for part in parameters["args"]))

    def _take_entry(self, parameters: Json) -> None:
        if parameters["entry"]["level"] == "error":
            self.errors.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")


class ProtocolFailed(AssertionError):
    """Chromium refused a command, or did not answer."""


class _Protocol:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.Queue[Json]] = {}
        self._listeners: dict[str, Callable[[Json], None]] = {}
        threading.Thread(target=self._read, daemon=True).start()

    def listen(self, session: str, hear: Callable[[Json], None]) -> None:
        self._listeners[session] = hear

    def call(self, method: str, parameters: Json, session: str | None = None) -> Json:
        number = next(self._numbers)
        answers: queue.Queue[Json] = queue.Queue()
        self._answers[number] = answers
        about = {"sessionId": session} if session else {}
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters, **about}))
        try:
            answer = answers.get(timeout=CALL_SECONDS)
        except queue.Empty:
            raise ProtocolFailed(f"Chromium did not answer {method} within {CALL_SECONDS} s") from None
        finally:
            del self._answers[number]
        if "error" in answer:
            raise ProtocolFailed(f"{method}: {answer['error']['message']}")
        result: Json = answer["result"]
        return result

    def _read(self) -> None:
        for text in self._socket:
            message = json.loads(text)
            if "id" in message:
                answers = self._answers.get(message["id"])
                if answers is not None:
                    answers.put(message)
            elif hear := self._listeners.get(message.get("sessionId", "")):
                hear(message)
