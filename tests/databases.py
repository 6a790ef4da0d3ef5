"""Where a catalog of a test lies: beside the library's files, or on a PostgreSQL server that the tests start."""

import itertools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
from PIL import Image

from indexer import BuildOptions, Config, Library

__all__ = ["Databases", "InFolders", "Server", "on"]

SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "64MB",
}
USER = "postgres"
"""As whom the server runs where the tests are run by root, whom it refuses."""


class Databases(Protocol):
    """Makes the catalogs of tests; each is named by its URL, which is empty for SQLite."""

    def empty(self) -> str:
        """A database without a catalog."""

    def copy(self, url: str) -> str:
        """A copy of a database that nobody has open."""

    def library(self, template: Path, folder: Path) -> str:
        """Make `folder` a library that is as the template, which SQLite keeps, and has no photos."""


class InFolders:
    """SQLite."""

    def empty(self) -> str:
        return ""

    def copy(self, url: str) -> str:
        return ""

    def library(self, template: Path, folder: Path) -> str:
        shutil.copytree(template, folder)
        return ""


class Server:
    """A PostgreSQL server on a socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count()
        self._made = dict[Path, tuple[Path, str]]()

    @classmethod
    @contextmanager
    def running(cls, settings: Mapping[str, str] = SETTINGS) -> Iterator["Server"]:
        """A server for as long as it is needed; skips where there is no PostgreSQL."""
        if _program("initdb") is None or (os.getuid() == 0 and shutil.which("setpriv") is None):
            pytest.skip("needs PostgreSQL: apt install postgresql")
        # Not below pytest's folder: the path of a socket may have 107 bytes, and others must reach it.
        folder = Path(tempfile.mkdtemp(prefix="glimpse-postgres-"))
        if os.getuid() == 0:
            shutil.chown(folder, USER, USER)
        data = str(folder / "data")
        options = [f"-c {name}={value}" for name, value in settings.items()]
        options += ["-c listen_addresses=''", f"-k {folder}"]
        try:
            locale = ["--encoding=UTF8", "--locale=C.UTF-8"]
            _run("initdb", "-D", data, "--auth=trust", f"--username={USER}", "--no-sync", *locale)
            access = folder / "data" / "pg_hba.conf"
            access.write_text(f"local all guarded scram-sha-256\n{access.read_text()}")
            log = str(folder / "log")
            _run("pg_ctl", "-D", data, "-o", " ".join(options), "-l", log, "--wait", "start")
            try:
                yield cls(folder)
            finally:
                _run("pg_ctl", "-D", data, "--mode=immediate", "--wait", "stop")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def empty(self) -> str:
        return self._create("")

    def copy(self, url: str) -> str:
        return self._create(f"TEMPLATE {url.partition('?')[0].rpartition('/')[2]}")

    def library(self, template: Path, folder: Path) -> str:
        """Which has the template's models, so that they need not be prepared again."""
        made, url = self._made_like(template)
        shutil.copytree(made, folder)
        return self.copy(url)

    def url(self, database: str, user: str = USER) -> str:
        """The URL of a database."""
        return f"postgresql+psycopg://{user}@/{database}?host={self.folder}"

    def execute(self, *statements: str, database: str = USER) -> list[tuple[object, ...]]:
        """Run statements; the rows of the last."""
        with self.connection(database) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def connection(self, database: str) -> "psycopg.Connection[tuple[object, ...]]":
        """A connection past Glimpse."""
        address = f"host={self.folder} user={USER} dbname={database}"
        return psycopg.connect(address, autocommit=True)

    def _create(self, how: str) -> str:
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} {how}")
        return self.url(name)

    def _made_like(self, template: Path) -> tuple[Path, str]:
        """The template's like on this server, made once: its folder, and its database."""
        if template not in self._made:
            url, folder = self.empty(), self.folder / f"made{len(self._made)}"
            folder.mkdir()
            Image.new("RGB", (8, 8), (220, 20, 20)).save(folder / "red.png")
            shutil.copytree(template / "models", folder / "library" / "models")
            with Library.open(folder / "library", create=True, config=on(url)) as library:
                library.build([folder], BuildOptions(model="tiny"))
                library.remove(folder)
            self._made[template] = folder / "library", url
        return self._made[template]


def on(url: str) -> Config:
    """The configuration of a library whose catalog is there."""
    return Config.from_mapping({"library": {"catalog": url}}, "a test")


def _program(name: str) -> str | None:
    """Debian keeps those of a server apart, by its version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=_version)
    return shutil.which(name) or (str(found[-1]) if found else None)


def _version(path: Path) -> float:
    return float(path.parts[-3])


def _run(program: str, *arguments: str) -> None:
    command = [_program(program) or program, *arguments]
    if os.getuid() == 0:
        command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *command]
    done = subprocess.run(command, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode(errors="replace")
