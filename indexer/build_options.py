"""What a user may say about a build: each option once, for the command and for Python alike."""

from dataclasses import dataclass
from typing import Literal, get_args

from indexer.errors import UsageError

__all__ = ["BuildOptions", "Engine"]

Engine = Literal["local", "ray"]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What to build, how thoroughly, and by whom. Raises UsageError for what makes no sense."""

    model: str | None = None
    """The model to embed with; None stays with the library's default space."""
    space: str | None = None
    """The name of the space to build."""
    exclude: tuple[str, ...] = ()
    """Patterns in gitignore's syntax, besides those of the configuration."""
    include_hidden: bool = False
    verify: bool = False
    """Read every file again and compare its hash; also tries the failed ones again."""
    rebuild: bool = False
    """Embed everything again."""
    dry_run: bool = False
    """Only count what would be read."""
    adopt: bool = False
    """Make the space the library's default."""
    engine: Engine = "local"
    """What embeds: processes of this machine, or a cluster of Ray's."""
    ray_address: str | None = None
    """The cluster, as HOST:PORT or `auto`; None starts one on this machine, for as long as the build takes."""
    shards: str | None = None
    """A folder or URL for what the cluster has embedded, which all its machines reach; kept, with a manifest."""

    def __post_init__(self) -> None:
        if self.engine not in get_args(Engine):
            raise UsageError(f"engine {self.engine!r}: it is {', '.join(get_args(Engine))}")
        for name, value in (("ray-address", self.ray_address), ("shards", self.shards)):
            if value is not None and self.engine != "ray":
                raise UsageError(
                    f"--{name} says something to the engine ray alone; add --engine ray"
                )
