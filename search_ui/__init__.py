"""The page: draws what a library answers, on this machine alone."""

__all__ = ["HOST"]

HOST = "127.0.0.1"
"""Where the page is served, and nowhere else."""
