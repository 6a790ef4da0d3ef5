"""Where a Milvus is and how it is asked, as the user's settings say."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

__all__ = ["Address", "IndexName"]

IndexName = Literal["auto", "FLAT", "HNSW", "IVF_FLAT"]


@dataclass(frozen=True, slots=True)
class Address:
    """A server, or a file of Milvus Lite."""

    uri: str
    """http://… or https://…, or the absolute path of a file that ends in .db."""
    token: str = field(default="", repr=False)
    index: IndexName = "auto"
    timeout_s: float = 4.0
    """How long an answer may take, before the server counts as unreachable."""
    is_own: bool = False
    """Whether the file lies in the library's folder and holds nothing else, so that it may be deleted."""

    @property
    def file(self) -> Path | None:
        """The file of Milvus Lite; None for a server."""
        return None if "://" in self.uri else Path(self.uri)
