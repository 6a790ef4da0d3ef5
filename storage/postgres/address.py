"""The URL of a database, and how it is named to people: without a password."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.errors import UsageError

__all__ = ["named", "parse"]

DRIVER = "postgresql+psycopg"
EXAMPLE = f"{DRIVER}://user@host/database"


def parse(url: str) -> URL:
    """The URL of a PostgreSQL database. Raises UsageError, which does not repeat it: a password may be in it."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        raise UsageError(f"`catalog` under [library] is no URL such as {EXAMPLE}") from None
    if parsed.drivername not in ("postgresql", DRIVER):
        raise UsageError(
            f"`catalog` under [library] names a database by {parsed.drivername}; a catalog can be on PostgreSQL "
            f"({EXAMPLE}), or in the library's folder, for which it is left empty"
        )
    return parsed.set(drivername=DRIVER)


def named(url: URL) -> str:
    """Which database that is; what follows a question mark may hold a password as well, and is left out."""
    plain = URL.create("postgresql", url.username, None, url.host, url.port, url.database)
    return plain.render_as_string()
