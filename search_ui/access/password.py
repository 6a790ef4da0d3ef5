"""The page's password: kept in the library as what scrypt (RFC 7914) makes of it, never as it is."""

import hashlib
import hmac
import json
import os
import secrets
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from indexer.errors import StorageError, UsageError

__all__ = ["FILE", "Lock", "has_password", "read_lock", "remove_password", "set_password"]

FILE = "access.json"
SHORTEST = 8
COST, BLOCK, PARALLEL = 2**15, 8, 1
"""Of scrypt: 32 MB and a tenth of a second for each try."""
MEMORY = 64 * 2**20
VALID_S = 30 * 86_400
"""How long a browser is known."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What tells the right password, and signs what a browser is known by; in hexadecimal."""

    salt: str
    digest: str
    key: str

    def fits(self, password: str) -> bool:
        """Whether it is the password; takes a tenth of a second."""
        return hmac.compare_digest(_digest(password, self.salt), self.digest)

    def pass_for(self, now: float | None = None) -> str:
        """What a browser shows from now on instead of the password."""
        until = str(int((time.time() if now is None else now) + VALID_S))
        return f"{until}.{self._signed(until)}"

    def knows(self, shown: str) -> bool:
        """Whether a browser shows what it got here, and not too long ago."""
        until, _, signature = shown.partition(".")
        signed = hmac.compare_digest(signature.encode(), self._signed(until).encode())
        return signed and until.isdecimal() and int(until) > time.time()

    def _signed(self, until: str) -> str:
        return hmac.new(bytes.fromhex(self.key), until.encode(), hashlib.sha256).hexdigest()


def read_lock(library: Path) -> Lock | None:
    """The lock of a library's page; None where it has no password. Raises StorageError for one that is damaged."""
    path = library / FILE
    try:
        return Lock(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise StorageError(
            f"{path} cannot be read ({error}); set the password anew with: glimpse ui --set-password"
        ) from error


def has_password(library: Path) -> bool:
    """Whether the library's page is locked."""
    return (library / FILE).exists()


def set_password(library: Path, password: str) -> None:
    """Lock the page of a library; whoever was known before is asked again. Raises UsageError for a short one."""
    if len(password) < SHORTEST:
        raise UsageError(f"a password of {len(password)} characters; take at least {SHORTEST}")
    salt = secrets.token_hex(16)
    lock = Lock(salt, _digest(password, salt), secrets.token_hex(32))
    aside = library / f"{FILE}.tmp"
    aside.unlink(missing_ok=True)
    # Its owner's alone from the first byte on.
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(lock), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, library / FILE)


def remove_password(library: Path) -> None:
    """Open the page again to everybody at this machine."""
    (library / FILE).unlink(missing_ok=True)


def _digest(password: str, salt: str) -> str:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=bytes.fromhex(salt),
        n=COST,
        r=BLOCK,
        p=PARALLEL,
        maxmem=MEMORY,
    ).hex()
