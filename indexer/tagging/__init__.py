"""Zero-shot tags: words compared with every photo's vector (CLIP, arXiv 2103.00020, 3.1)."""

from indexer.tagging.run import TagReport

__all__ = ["TagReport"]
