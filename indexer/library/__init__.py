"""The façade: everything that the command, the page and a user's own program do with a library.

One class, whose parts lie in one file each: `finding`, `keeping`, `tagging`, `organizing`, `charting`,
`learning`, `exchanging`, over `opened`.
"""

from indexer.library.charting import Charting
from indexer.library.exchanging import Exchanging
from indexer.library.finding import Finding
from indexer.library.keeping import Keeping
from indexer.library.learning import Learning
from indexer.library.organizing import Organizing
from indexer.library.tagging import Tagging

__all__ = ["Library"]


class Library(Finding, Keeping, Organizing, Tagging, Charting, Learning, Exchanging):
    """A folder of photos' names, vectors and models, which can be built and asked.

    Any number of threads and processes may read; one at a time may build. Use it as a context manager, or
    close it.
    """
