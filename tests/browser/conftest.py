"""The page as a visitor meets it: a real library, the real command, and Chromium."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from indexer import BuildOptions, Config, Library
from tests.conftest import environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

EXAMPLES = Path(__file__).parents[2] / "examples" / "photos"
FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@dataclass(frozen=True, slots=True)
class Listener:
    """Another server on this machine; the page must never ask it for anything."""

    port: int
    asked: list[str]


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Listener(server.server_port, asked)
        server.shutdown()


@dataclass(frozen=True, slots=True)
class Gallery:
    """Folders of photos, and the library that was built from them."""

    photos: Path
    library: Path
    evil: list[Path]
    """Photos whose names try to be more than names."""


@pytest.fixture(scope="session")
def gallery(
    tmp_path_factory: pytest.TempPathFactory, prepared_starter: Path, listener: Listener
) -> Gallery:
    home = tmp_path_factory.mktemp("gallery")
    shutil.copytree(prepared_starter, home / "library" / "models")
    photos = home / "photos"
    for kind in ("animals", "birds"):
        shutil.copytree(EXAMPLES / kind, photos / kind)
    things = photos / "things"
    things.mkdir()
    evil = evil_names(listener.port)
    for name, thing in zip(evil, sorted((EXAMPLES / "things").iterdir()), strict=False):
        shutil.copy(thing, things / name)
    save_with_metadata(things / "noted.jpg", f"http://127.0.0.1:{listener.port}/exif.png")
    with Library.open(home / "library", create=True, config=Config()) as library:
        for model in ("starter", "tiny:blind"):
            library.build([photos], BuildOptions(model=model))
    return Gallery(photos, home / "library", [things / name for name in evil])


def evil_names(port: int) -> list[str]:
    """A name holds no slash, but a browser takes a backslash for one."""
    return [
        rf"<img src=\\127.0.0.1:{port}\html.png onerror=document.title='owned'>.jpg",
        rf"![x](\\\\127.0.0.1:{port}\\markdown.png).jpg",
        "[a](javascript:alert(1)) *b* _c_ ~~d~~.jpg",
        ":red[e] :smile: :material-home: $f^2$ -> <- `g`.jpg",
        "www.example.com somebody@example.com.jpg",
        "&lt;b&gt; &amp; \u202egpj.jpg",
    ]


def save_with_metadata(path: Path, url: str) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = f"![x]({url})", f"<img src={url}>"  # maker, model
    exif[0x4746] = 4  # stars
    details = exif.get_ifd(0x8769)
    details[0x9003], details[0x9011] = "2023:05:01 17:30:00", "+02:00"  # taken, where clocks say so
    details[0xA434] = "A lens"
    place = exif.get_ifd(0x8825)
    place[1], place[2], place[3], place[4] = "S", (33.0, 51.0, 24.0), "E", (151.0, 12.0, 36.0)
    with Image.open(EXAMPLES / "landscapes" / "boats-at-sunset.jpg") as image:
        image.save(path, exif=exif)


@contextmanager
def serving(library: Path, log: Path, *options: str) -> Iterator[str]:
    """The page of a library, by the command that users type; its URL."""
    port = free_port()
    arguments = ["ui", "--library", str(library), "--port", str(port), "--no-browser", *options]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "indexer", *arguments],
            stderr=errors,
            cwd=log.parent,
            env=environment(),
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: "Glimpse is at" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield url
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def url(gallery: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(gallery.library, tmp_path_factory.mktemp("ui") / "log") as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> "Iterator[Browser]":
    """Ends with its module, since Playwright keeps an event loop running in this thread."""
    sync_api = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs Chromium: apt install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def context(chromium: "Browser") -> "Iterator[BrowserContext]":
    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def page(context: "BrowserContext", url: str) -> "Iterator[Page]":
    """A tab of its own; whatever the test does in it, it may ask nobody but the page's own server."""
    page = context.new_page()
    asked: list[str] = []
    faults: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    page.close()
    own = (f"{url}/", "data:", f"blob:{url}/")
    assert [address for address in asked if not address.startswith(own)] == []
    assert faults == []
