"""A page with a password: who comes in, and what stays shut."""

import json
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from indexer.errors import StorageError, UsageError
from search_ui.access.door import TRIES
from search_ui.access.password import VALID_S, read_lock, set_password
from tests.browser.conftest import Gallery, serving
from tests.conftest import environment

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

PASSWORD = "an owl by night"


@pytest.fixture(scope="module")
def locked(gallery: Gallery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locked") / "library"
    shutil.copytree(gallery.library, folder)
    ended = ui("--set-password", "--library", folder, typed=f"{PASSWORD}\n")
    assert (ended.returncode, ended.stderr.count("\n")) == (0, 1)
    return folder


@pytest.fixture(scope="module")
def url(locked: Path) -> Iterator[str]:
    with serving(locked, locked.parent / "log") as url:
        yield url


def ui(*arguments: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    """The command, where it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "indexer", "ui", "--no-browser", *arguments],
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
    )


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def answer(url: str, data: bytes | None = None, **headers: str) -> tuple[int, Message, bytes]:
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=20) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def enter(url: str, password: str, **headers: str) -> tuple[int, Message]:
    data = urllib.parse.urlencode({"password": password}).encode()
    code, told, _ = answer(f"{url}/enter", data, **headers)
    return code, told


def open_socket(url: str, *headers: str) -> bytes:
    """The first line of what a WebSocket is answered."""
    place = urllib.parse.urlsplit(url)
    lines = [
        "GET /_stcore/stream HTTP/1.1",
        f"Host: {place.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *headers,
    ]
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as channel:
        channel.sendall("\r\n".join([*lines, "", ""]).encode())
        return channel.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "library",
        "photos/1/320",
        "results/x",
        "export/paths.txt?ids=1",
        "_stcore/health",
        "world.svg",
    ],
)
def test_without_the_password_there_is_only_the_door(url: str, path: str) -> None:
    code, headers, data = answer(f"{url}/{path}")
    assert code == 401
    assert b'type="password"' in data
    assert headers["Cache-Control"] == "no-store"


def test_without_the_password_no_socket_opens(url: str) -> None:
    assert b"403" in open_socket(url)
    known = enter(url, PASSWORD)[1]["Set-Cookie"].partition(";")[0]
    assert b"101" in open_socket(url, f"Cookie: {known}")
    assert b"403" in open_socket(url, f"Cookie: {known[:-1]}{'0' if known[-1] != '0' else '1'}")


def test_another_page_in_the_browser_opens_no_socket_and_sends_no_password(url: str) -> None:
    known = enter(url, PASSWORD)[1]["Set-Cookie"].partition(";")[0]
    assert b"403" in open_socket(url, f"Cookie: {known}", "Origin: http://example.com")
    assert answer(f"{url}/photos/1/320", Origin="http://example.com")[0] == 403
    assert enter(url, PASSWORD, **{"Sec-Fetch-Site": "cross-site"})[0] == 403


def test_the_cookie_is_out_of_reach_for_scripts_and_other_pages(url: str) -> None:
    code, headers = enter(url, PASSWORD)
    assert code == 303
    parts = headers["Set-Cookie"].lower().split("; ")
    assert {"httponly", "samesite=strict", f"max-age={VALID_S}"} <= set(parts)


def test_after_a_few_wrong_passwords_even_the_right_one_waits(locked: Path, tmp_path: Path) -> None:
    with serving(locked, tmp_path / "log") as url:
        assert [enter(url, "wrong guess")[0] for _ in range(TRIES)] == [401] * TRIES
        code, headers = enter(url, PASSWORD)
        assert (code, headers["Retry-After"]) == (429, "60")


def test_more_than_a_password_is_not_read(url: str) -> None:
    assert enter(url, "x" * 10_000)[0] == 413


def test_the_password_is_kept_hashed_and_its_owners_alone(locked: Path) -> None:
    kept = locked / "access.json"
    assert PASSWORD not in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    lock = read_lock(locked)
    assert lock is not None
    assert lock.fits(PASSWORD)
    assert not lock.fits(PASSWORD + " ")


def test_a_pass_ends_and_ends_with_the_password(tmp_path: Path) -> None:
    set_password(tmp_path, PASSWORD)
    lock = read_lock(tmp_path)
    assert lock is not None
    assert lock.knows(lock.pass_for())
    assert not lock.knows(lock.pass_for(now=0))
    late = f"{9 * 10**9}.{lock.pass_for().partition('.')[2]}"
    assert not any(map(lock.knows, ("", ".", "x", late, "é.ü")))
    set_password(tmp_path, PASSWORD)
    renewed = read_lock(tmp_path)
    assert renewed is not None
    assert not renewed.knows(lock.pass_for())


def test_a_short_password_and_a_damaged_lock_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="5 characters; take at least 8"):
        set_password(tmp_path, "short")
    (tmp_path / "access.json").write_text(json.dumps({"salt": "00"}))
    with pytest.raises(StorageError, match="--set-password"):
        read_lock(tmp_path)


def test_other_machines_are_not_listened_to_without_a_password(gallery: Gallery) -> None:
    ended = ui("--host", "0.0.0.0", "--library", gallery.library)
    assert ended.returncode == 2
    assert "glimpse ui --set-password" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_with_a_password_the_page_listens_to_others_and_says_what_that_means(
    locked: Path, tmp_path: Path
) -> None:
    with serving(locked, tmp_path / "log", "--host", "0.0.0.0") as url:
        assert answer(url, Host="photos.example")[0] == 401
        assert "not encrypted" in (tmp_path / "log").read_text()


def test_an_empty_password_takes_it_away(locked: Path, tmp_path: Path) -> None:
    folder = tmp_path / "library"
    shutil.copytree(locked, folder)
    nothing = ui("--set-password", "--library", folder, typed="")
    assert (nothing.returncode, "nothing was changed" in nothing.stderr) == (2, True)
    assert ui("--set-password", "--library", folder, typed="\n").returncode == 0
    assert read_lock(folder) is None


@pytest.mark.parametrize("path", ["?q=bird%20%26%20x&photo=131", "library?q=%22%3E%3Cb%3E"])
def test_whoever_comes_in_finds_what_was_asked_for(url: str, path: str) -> None:
    form = re.search(rb'action="([^"]*)"', answer(f"{url}/{path}")[2])
    assert form is not None
    for password, code in (("wrong guess", 401), (PASSWORD, 303)):
        data = urllib.parse.urlencode({"password": password}).encode()
        status, told, page = answer(f"{url}{form[1].decode()}", data)
        assert status == code
        assert status == 303 or form[0] in page
    assert told["Location"] == f"/{path}"


@pytest.mark.parametrize(
    "back", ["//example.com", "/\\example.com", "/\t/example.com", "http://example.com", "", "x"]
)
def test_nobody_is_led_elsewhere_from_the_door(url: str, back: str) -> None:
    data = urllib.parse.urlencode({"password": PASSWORD}).encode()
    told = answer(f"{url}/enter?{urllib.parse.urlencode({'back': back})}", data)[1]
    assert told["Location"] == "/"


@pytest.mark.browser
def test_a_visitor_comes_in_from_another_machine(
    locked: Path, tmp_path: Path, context: "BrowserContext"
) -> None:
    from playwright.sync_api import expect

    with serving(locked, tmp_path / "log", "--host", "0.0.0.0") as url:
        page = context.new_page()
        page.goto(url.replace("127.0.0.1", own_address()))
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Enter").click()
        expect(page.get_by_role("searchbox", name="Search")).to_be_visible(timeout=20_000)
        page.close()


def own_address() -> str:
    """By which other machines know this one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing, and chooses a way out
        except OSError:
            pytest.skip("needs an address other than the loopback's")
        address: str = probe.getsockname()[0]
        return address


@pytest.mark.browser
def test_a_visitor_gives_the_password_and_stays_known_until_he_leaves(
    url: str, context: "BrowserContext"
) -> None:
    from playwright.sync_api import expect

    page = context.new_page()
    page.goto(f"{url}/?q=owl")
    page.get_by_label("Password").fill("wrong guess")
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("alert")).to_have_text("This is not the password.")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Enter").click()
    expect(page.get_by_role("searchbox", name="Search")).to_be_visible(timeout=20_000)
    expect(page).to_have_url(f"{url}/?q=owl")
    expect(page.locator(".gallery li .name").first).to_have_text("owl.jpg", timeout=20_000)
    other = context.new_page()
    other.goto(f"{url}/library")
    other.get_by_role("link", name="Sign out").click()
    expect(other.get_by_label("Password")).to_be_visible()
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, main.scrollHeight)")
    expect(page.get_by_label("Password")).to_be_visible()
    for each in (page, other):
        each.close()
