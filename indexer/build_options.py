"""What a user may say about a build: each option once, for the command and for Python alike."""

from dataclasses import dataclass
from typing import Literal, get_args

from indexer.errors import UsageError
from indexer.options import option

__all__ = ["BuildOptions", "Engine", "WatchOptions"]

Engine = Literal["local", "ray"]


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What to build, whenever that is."""

    model: str | None = option(None, "The model; see `glimpse models`. Else that of the space.")
    space: str | None = None
    """The name of the space to build; None stays with the library's default."""
    exclude: tuple[str, ...] = option((), "Leave out, in gitignore's syntax; repeatable.")
    include_hidden: bool = option(False, "Also .names.")


@dataclass(frozen=True, slots=True)
class BuildOptions(WatchOptions):
    """What to build, how thoroughly, and by whom. Raises UsageError for what makes no sense."""

    verify: bool = option(False, "Read every file again, those that failed too.")
    rebuild: bool = option(False, "Embed everything again.")
    dry_run: bool = option(False, "Only count what would be read.")
    adopt: bool = option(False, "Make the space the library's default.")
    engine: Engine = option("local", "What embeds: this machine, or a cluster of Ray's.")
    ray_address: str | None = option(
        None, "The cluster, HOST:PORT or auto; else one is started on this machine."
    )
    shards: str | None = option(
        None, "A folder or URL that keeps what the cluster embeds, as Parquet with a manifest."
    )

    def __post_init__(self) -> None:
        if self.engine not in get_args(Engine):
            raise UsageError(f"engine {self.engine!r}: it is {', '.join(get_args(Engine))}")
        for name, value in (("ray-address", self.ray_address), ("shards", self.shards)):
            if value is not None and self.engine != "ray":
                raise UsageError(
                    f"--{name} says something to the engine ray alone; add --engine ray"
                )
