"""Every value that a user may set, once: its default, its unit, and the limits that it must keep.

`config.toml` at the top of the project shows them all. A key that is not known is an error that names
the nearest one.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from indexer.errors import ConfigError
from indexer.pictures.limits import Limits, UrlRules
from storage.milvus.address import Address, IndexName

__all__ = [
    "BuildConfig",
    "Config",
    "LibraryConfig",
    "MilvusConfig",
    "RuntimeConfig",
    "SearchConfig",
    "UiConfig",
]

TOKEN = "GLIMPSE_MILVUS_TOKEN"
OWN = "milvus.db"
"""In a library's folder."""
SECRET = ("milvus.token", "milvus.uri")
"""Values that may hold a password, and are not repeated."""

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """A table of the file; values are checked, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LibraryConfig(Section):
    """`[library]`."""

    path: str = ""
    """The library's folder; empty stands for `glimpse` among the user's data files."""
    catalog: str = Field(default="", repr=False)
    """The URL of a PostgreSQL database for the catalog; empty for SQLite in the library's folder."""
    busy_timeout_s: Annotated[float, Field(ge=0)] = 5.0
    """How long to wait while another process holds the catalog."""
    keep_removed_days: NotNegative = 30
    """How long vectors of vanished files are kept, in case the files turn up elsewhere."""
    backup_days: NotNegative = 7
    """A build keeps a copy of the catalog when the newest is older than that; 0 makes none."""
    backups: Positive = 2
    """Copies that are kept."""
    vectors: Literal["faiss", "ondisk", "milvus"] = "faiss"
    """What searches the vectors, and where its index lies; the catalog has them all the same."""

    def folder(self) -> Path:
        """The library's folder."""
        return Path(os.path.expanduser(self.path)) if self.path else user_data_path("glimpse")


class MilvusConfig(Section):
    """`[milvus]`."""

    uri: Annotated[str, Field(pattern=r"^($|https?://[^@]+$|[^:]*\.db$)")] = ""
    """A server's http://… or https://…, or the path of a file that ends in .db, which Milvus Lite serves.

    Empty stands for `milvus.db` in the library's folder.
    """
    token: SecretStr = SecretStr("")
    """What the server asks for: a token, or user:password; empty stands for `$GLIMPSE_MILVUS_TOKEN`."""
    index: IndexName = "auto"
    """`auto` looks at every vector in Milvus Lite, and below 50,000; else it takes HNSW."""
    timeout_s: Annotated[float, Field(gt=0)] = 4.0
    """How long an answer may take, before the server counts as unreachable."""

    def address(self, library: Path) -> Address:
        """Where Milvus is, for the library in this folder."""
        token = self.token.get_secret_value() or os.environ.get(TOKEN, "")
        uri = self.uri
        if "://" not in uri:
            uri = os.path.abspath(os.path.expanduser(uri) if uri else library / OWN)
        return Address(uri, token, self.index, self.timeout_s, is_own=not self.uri)


class BuildConfig(Section):
    """`[build]`."""

    model: str = "auto"
    """The model of a new library."""
    batch_size: Positive = 32
    """Pictures embedded and committed together; an interruption loses at most twice as many."""
    decode_workers: NotNegative = 0
    """Processes that decode pictures; 0 chooses by the number of cores."""
    decode_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    max_megapixels: Positive = 300
    max_file_mb: Positive = 1000
    worker_memory_mb: NotNegative = 3000
    """Memory that one decoding process may take; 0 sets no limit."""
    nice: Annotated[int, Field(ge=0, le=19)] = 5
    """How far the command's builds stand back behind what else the machine does, in steps of `nice`."""
    thumbnails: bool = True
    """Make them while a picture is decoded anyway; else each is made when it is first looked at."""
    ray_workers: NotNegative = 0
    """Workers of a cluster at most; 0 takes as many as it has processors now, or graphics cards."""
    shard_size: Positive = 256
    """Pictures that one worker of a cluster takes together; those of one that is killed are embedded again."""
    exclude: tuple[str, ...] = ()
    """Patterns in gitignore's syntax, for every root."""
    include_hidden: bool = False

    def limits(self) -> Limits:
        """What one picture may ask of the machine."""
        return Limits(self.max_megapixels, self.max_file_mb, self.worker_memory_mb)


class SearchConfig(Section):
    """`[search]`."""

    top: Positive = 20
    fusion: Literal["rrf", "scores"] = "rrf"
    """How the answers of several spaces become one."""
    urls: bool = True
    """Whether a picture is fetched from the web when a query holds its URL."""
    private_urls: bool = False
    """Whether such a URL may lead to this machine or the network that it is in."""

    def url_rules(self) -> UrlRules:
        """What a query may have fetched."""
        return UrlRules(self.urls, self.private_urls)


class RuntimeConfig(Section):
    """`[runtime]`."""

    threads: NotNegative = 0
    """Threads that a model may use; 0 takes every core."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "full"] = "auto"
    """Whether pictures are embedded in half precision, by devices that are faster in it, or all in single."""


class UiConfig(Section):
    """`[ui]`."""

    host: str = "127.0.0.1"
    """The address to listen at; others than this machine's own need a password."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8501
    urls: bool = False
    """Whether the page, too, takes URLs of pictures: whoever can open it can then have them fetched."""
    places: bool = True
    """Whether the page tells where photos were taken; what is taken away from it then has no metadata."""


class Config(Section):
    """All of it."""

    library: LibraryConfig = LibraryConfig()
    milvus: MilvusConfig = MilvusConfig()
    build: BuildConfig = BuildConfig()
    search: SearchConfig = SearchConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    ui: UiConfig = UiConfig()

    @classmethod
    def load(cls, path: Path | None = None) -> "Config":
        """Read `path`, else `$GLIMPSE_CONFIG`, else `./config.toml` where there is one, else the defaults.

        Raises ConfigError with the file, the key and the remedy.
        """
        named = path or (Path(env) if (env := os.environ.get("GLIMPSE_CONFIG")) else None)
        file = named or Path("config.toml")
        if named is None and not file.exists():
            return cls()
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} cannot be read: {error}") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{file} is not valid TOML: {error}") from error
        return cls.from_mapping(values, str(file))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], source: str) -> "Config":
        """Check values as a file would hold them; lists stand for tuples."""
        for section, keys in values.items():
            _known(section, cls.model_fields, f"{source}: [{section}]")
            if not isinstance(keys, Mapping):
                raise ConfigError(
                    f"{source}: {section} = {keys!r}; it is a table, written [{section}]"
                )
            known = type(getattr(cls(), section)).model_fields
            for key in keys:
                _known(key, known, f"{source}: {key} in [{section}]")
        try:
            return cls.model_validate_json(_as_json(values))
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"][:2])
            shown = "…" if key in SECRET else repr(first["input"])
            # Without its cause, which would show the value to `--debug`.
            raise ConfigError(f"{source}: {key} = {shown}: {first['msg'].lower()}") from None


def _known(name: str, known: Mapping[str, object], what: str) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
    raise ConfigError(f"{what} is not known; {remedy}")


def _as_json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, default=str)
