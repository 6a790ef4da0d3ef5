"""How much one picture may ask of the machine, and from where it may come."""

from dataclasses import dataclass

from indexer.errors import PictureError

__all__ = ["Limits", "UrlRules"]


@dataclass(frozen=True, slots=True)
class Limits:
    """Held before anything is decoded, from what the file's header says."""

    max_megapixels: float = 300
    max_file_mb: float = 1000
    worker_memory_mb: int = 3000
    """What a decoding process may allocate beyond what it starts with; 0 sets no limit."""

    def check_bytes(self, count: int) -> None:
        """Raise PictureError for a file of so many bytes."""
        if count > self.max_file_mb * 1e6:
            raise PictureError(
                f"{count / 1e6:,.0f} MB; the limit is {self.max_file_mb:g} (max_file_mb)"
            )

    def check_pixels(self, width: int, height: int) -> None:
        """Raise PictureError for a picture of that size."""
        megapixels = width * height / 1e6
        if megapixels > self.max_megapixels:
            raise PictureError(
                f"{megapixels:,.0f} megapixels;"
                f" the limit is {self.max_megapixels:g} (max_megapixels)"
            )


@dataclass(frozen=True, slots=True)
class UrlRules:
    """What the configuration says of URLs in queries."""

    are_allowed: bool = True
    may_be_private: bool = False
