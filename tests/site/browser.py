"""A browser that reaches nothing but the built book."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        BrowserType,
        ConsoleMessage,
        Page,
        Request,
        Response,
    )

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
PATIENCE = 120_000  # milliseconds, on a busy machine
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# What finds what keeps people out, and what look.py asks: a browser compiles them once.
AXE = Path(str(files("axe_playwright_python") / "axe.min.js"))
TOOLS = {"/axe.js": AXE, "/look.js": Path(__file__).with_name("look.js")}
# Nothing but this machine has an address.
FLAGS += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
# What a reader sets who lets no site keep anything: "block" is 2.
NO_STORAGE = {"profile": {"default_content_setting_values": {"cookies": 2}}}


@contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve a folder on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def translate_path(self, path: str) -> str:
            """Find what the pages are looked at with beside the book."""
            return str(TOOLS.get(path) or super().translate_path(path))

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Think nothing of a browser that hangs up."""

    handler = partial(Quiet, directory=str(root))
    with Server(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def started() -> Iterator["Browser"]:
    """Start a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def without_storage(kind: "BrowserType") -> Iterator["BrowserContext"]:
    """Start a browser in which pages may keep nothing."""
    with TemporaryDirectory() as profile:
        settings = Path(profile, "Default", "Preferences")
        settings.parent.mkdir()
        settings.write_text(json.dumps(NO_STORAGE), encoding="utf-8")
        context = kind.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=FLAGS
        )
        yield context
        context.close()


def watched(context: "BrowserContext", site: str, problems: list[str]) -> "Page":
    """Open a page, and note what goes wrong in it, and what it asks for elsewhere."""

    def on_request(request: "Request") -> None:
        if not request.url.startswith((site, "data:")):
            problems.append(f"asks for {request.url}")

    def on_console(message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            problems.append(f"console {message.type}: {message.text}")

    def on_response(response: "Response") -> None:
        if response.status >= 400:
            problems.append(f"{response.status} for {response.url}")

    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.on("request", on_request)
    page.on("console", on_console)
    page.on("response", on_response)
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    return page
