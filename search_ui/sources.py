"""Where pictures in a query may come from, when it was written on the page."""

from indexer import Query
from indexer.errors import QueryError

__all__ = ["check_sources"]


def check_sources(query: Query, takes_urls: bool) -> None:
    """Raise QueryError for files of this machine, which only the command opens, and for URLs unless they are taken.

    Who can open the page need not be who sits at the machine.
    """
    sources = sum(hasattr(term.what, "source") for term in query.terms)
    if sources > len(query.urls):
        raise QueryError("the page opens no files by their path; drop the picture beside the words")
    if query.urls and not takes_urls:
        raise QueryError(
            "the page fetches no pictures from the web; drop the picture here, or set urls = true in [ui]"
        )
