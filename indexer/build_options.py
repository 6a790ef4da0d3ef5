"""What a user may say about a build: each option once, for the command and for Python alike."""

from dataclasses import dataclass

__all__ = ["BuildOptions"]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What to build, and how thoroughly."""

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
