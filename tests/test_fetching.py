"""Pictures by URL: what is fetched, from a real server on this machine, and what is refused."""

import contextlib
import io
import json
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image

from indexer import Config, Library, Query
from indexer.errors import GlimpseError, PictureError, QueryError
from indexer.pictures.addresses import is_public
from indexer.pictures.fetched import KEPT, Fetched
from indexer.pictures.fetching import fetch
from indexer.pictures.limits import UrlRules
from tests.conftest import RGB, MakePicture, Run


def png(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), RGB[colour]).save(out, "PNG")
    return out.getvalue()


class Answers(BaseHTTPRequestHandler):
    """What one finds on the web."""

    asked: ClassVar[list[dict[str, str]]]

    def do_GET(self) -> None:
        self.asked.append({"path": self.path, **self.headers})
        name, _, rest = self.path.lstrip("/").partition("?")
        with contextlib.suppress(OSError):  # whoever asked has heard enough
            getattr(self, f"_{name}", self._missing)(rest)

    def _start(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _green(self, rest: str) -> None:
        self._start(200, Content_Type="text/html")
        self.wfile.write(png("green"))

    def _words(self, rest: str) -> None:
        self._start(200, Content_Type="image/png")
        self.wfile.write(b"no picture at all")

    def _to(self, rest: str) -> None:
        self._start(302, Location=rest)

    def _huge(self, rest: str) -> None:
        self._start(200)
        for _ in range(1000):
            self.wfile.write(bytes(10_000))

    def _promising(self, rest: str) -> None:
        self._start(200, Content_Length="99999999")

    def _short(self, rest: str) -> None:
        self._start(200, Content_Length="100")
        self.wfile.write(b"only this")

    def _slow(self, rest: str) -> None:
        self._start(200)
        self._drip()

    def _hesitant(self, rest: str) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
        self._drip()

    def _drip(self) -> None:
        for _ in range(600):
            self.wfile.write(b".")
            time.sleep(0.1)

    def _missing(self, rest: str) -> None:
        self._start(404)

    def log_message(self, format: str, *args: object) -> None:
        pass


Serve = Callable[..., tuple[str, list[dict[str, str]]]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server; returns its address and what it is asked."""
    servers: list[ThreadingHTTPServer] = []

    def start(tls: ssl.SSLContext | None = None) -> tuple[str, list[dict[str, str]]]:
        class Handler(Answers):
            asked: ClassVar = []

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,)).start()
        return f"http{'s' * bool(tls)}://localhost:{server.server_port}", Handler.asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def web(serve: Serve) -> str:
    return serve()[0]


def test_bytes_come_as_they_are_whatever_their_type_says(web: str) -> None:
    assert fetch(f"{web}/green", allow_private=True) == png("green")


def test_the_server_hears_its_own_name_and_ours_and_no_more_than_that(serve: Serve) -> None:
    web, asked = serve()
    fetch(f"{web}/green?a=b%20c&d=é#part", allow_private=True)
    assert asked[0]["path"] == "/green?a=b%20c&d=%C3%A9"
    assert asked[0]["Host"] == web.removeprefix("http://")
    assert asked[0]["User-Agent"] == "glimpse"
    assert not asked[0].keys() & {"Cookie", "Authorization", "Referer"}


def test_three_redirects_are_followed_and_a_fourth_is_not(web: str) -> None:
    def leading(times: int) -> str:
        return f"{web}{'/to?' * times}/green"

    assert fetch(leading(3), allow_private=True) == png("green")
    with pytest.raises(PictureError, match="leads on more than 3 times"):
        fetch(leading(4), allow_private=True)
    with pytest.raises(PictureError, match="leads on more than 3 times"):
        fetch(f"{web}/to?/to?/to?/to?/to?", allow_private=True)


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("file:///etc/passwd", "a URL begins with http"),
        ("ftp://example.org/a.jpg", "a URL begins with http"),
        ("http://user:secret@localhost/", "holds a user's name"),
    ],
)
def test_a_redirect_is_checked_as_the_first_url(web: str, target: str, complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint):
        fetch(f"{web}/to?{target}", allow_private=True)


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("huge", "is larger than 1 MB"),
        ("promising", "is larger than 1 MB"),
        ("short", "broke off after 9 of 100 bytes"),
        ("slow", "took longer than 1 s"),
        ("hesitant", "took longer than 1 s"),
        ("nothing", "answers 404 Not Found"),
    ],
)
def test_what_is_not_right_is_one_line_soon(web: str, what: str, complaint: str) -> None:
    began = time.monotonic()
    timeout_s = 1 if "took" in complaint else 60
    with pytest.raises(PictureError, match=complaint):
        fetch(f"{web}/{what}", max_bytes=1_000_000, timeout_s=timeout_s, allow_private=True)
    assert time.monotonic() - began < 30  # the server goes on for a minute


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "0"])
def test_this_machine_is_not_asked_and_hears_nothing(serve: Serve, host: str) -> None:
    web, asked = serve()
    with pytest.raises(GlimpseError, match="no public address|is not known"):
        fetch(web.replace("localhost", host) + "/green")
    assert asked == []


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_of_the_public_internet(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "8.8.8.8", "2606:4700:4700::1111", "64:ff9b::808:808"]
)
def test_addresses_of_the_public_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "/etc/passwd",
        "http://",
        "http:///a.jpg",
        "http://user@example.org/",
        "http://example.org:99999/",
        "http://example.org/\r\nHost: other",
        "http://a b/",
        "http://[::1/",
        "https://" + "a" * 70 + ".org/",
        "http://example.org/" + "a" * 3000,
    ],
)
def test_what_is_no_url_to_ask_is_refused_at_once(url: str) -> None:
    with pytest.raises(QueryError) as caught:
        fetch(url, allow_private=True)
    assert "\n" not in str(caught.value)
    assert "passwd" not in str(caught.value) or "http" in str(caught.value)


def test_a_server_that_is_not_there_is_one_line() -> None:
    with pytest.raises(PictureError, match="cannot be fetched: "):
        fetch("http://127.0.0.1:9/a.jpg", allow_private=True)


def test_https_is_verified_by_the_name_that_was_asked_for(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from indexer.pictures import fetching

    tls = certificate(tmp_path)
    web, asked = serve(tls)
    fetching._tls.cache_clear()
    with pytest.raises(PictureError, match="its certificate is not valid"):
        fetch(f"{web}/green", allow_private=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    fetching._tls.cache_clear()
    assert fetch(f"{web}/green", allow_private=True) == png("green")
    assert asked[0]["Host"] == web.removeprefix("https://")
    with pytest.raises(PictureError, match="its certificate is not valid"):
        fetch(f"{web.replace('localhost', '127.0.0.1')}/green", allow_private=True)
    with pytest.raises(QueryError, match="leads from https to http"):
        fetch(f"{web}/to?http://localhost/", allow_private=True)
    fetching._tls.cache_clear()


def certificate(folder: Path) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate for localhost, kept as cert.pem."""
    if shutil.which("openssl") is None:
        pytest.skip("makes a certificate with openssl, which is not here")
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    command += " -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return tls


def open_with(folder: Path, **search: bool) -> Library:
    return Library.open(folder, config=Config.from_mapping({"search": search}, "a test"))


def test_a_url_in_a_query_is_a_picture(
    web: str, library: Library, library_folder: Path, photos: Path, picture: MakePicture
) -> None:
    for mark, colour in enumerate(RGB):
        picture(f"{colour}.png", colour, mark=mark)
    library.build([photos])
    with open_with(library_folder, private_urls=True) as asked:
        answer = asked.search(f"{web}/green", 1)
        assert (answer.query, answer[0].path.name) == (f"{web}/green", "green.png")
        assert asked.search(Query.image(f"{web}/green"), 1)[0].path.name == "green.png"
        with pytest.raises(PictureError):
            asked.search(f"{web}/words")


def test_the_configuration_says_whether_urls_are_fetched(
    serve: Serve, library_folder: Path
) -> None:
    web, asked = serve()
    with open_with(library_folder) as library, pytest.raises(QueryError, match="no public address"):
        library.search(f"{web}/green")
    with (
        open_with(library_folder, urls=False, private_urls=True) as library,
        pytest.raises(QueryError, match=r"urls = true in \[search\]"),
    ):
        library.search(f"{web}/green")
    assert asked == []


def test_whoever_turns_the_page_asks_the_web_once(serve: Serve) -> None:
    web, asked = serve()
    fetched, rules = Fetched(), UrlRules(may_be_private=True)
    for _ in range(3):
        assert fetched.all([f"{web}/green"], rules) == {f"{web}/green": png("green")}
    assert len(asked) == 1
    for number in range(KEPT):
        fetched.all([f"{web}/green?{number}"], rules)
    fetched.all([f"{web}/green"], rules)
    assert len(asked) == 2 + KEPT


def test_what_was_fetched_long_ago_is_fetched_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    web, asked = serve()
    fetched, rules = Fetched(), UrlRules(may_be_private=True)
    fetched.all([f"{web}/green"], rules)
    monkeypatch.setattr("indexer.pictures.fetched.KEPT_S", 0.0)
    fetched.all([f"{web}/green"], rules)
    assert len(asked) == 2


def test_a_url_stands_alone_among_words_and_weights() -> None:
    query = Query.parse(["red", "https://example.org/a+b.jpg?x=1", "-", "2:http://example.org/c"])
    assert query.urls == ["https://example.org/a+b.jpg?x=1", "http://example.org/c"]
    assert str(query) == "red + https://example.org/a+b.jpg?x=1 - 2:http://example.org/c"
    assert Query.parse(str(query)) == query
    assert Query.parse('"http://example.org/"').urls == []
    assert str(Query.text("http://example.org/")) == '"http://example.org/"'


def test_the_command_takes_a_url_and_says_in_one_line_what_is_wrong(
    web: str, glimpse: Run, photos: Path, picture: MakePicture, tmp_path: Path
) -> None:
    picture("green.png", "green", mark=1)
    glimpse("build", photos)
    refused = glimpse("search", f"{web}/green")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr.count(b"\n") == 1
    (tmp_path / "config.toml").write_text("[search]\nprivate_urls = true\n")
    found = json.loads(glimpse("search", f"{web}/green", "--json").stdout)
    assert found["results"][0]["path"] == str(photos / "green.png")
