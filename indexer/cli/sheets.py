"""Results on a contact sheet, in the browser."""

import tempfile
import webbrowser
from pathlib import Path

from indexer import Answer, Library
from indexer.cli import console
from indexer.cli.bar import Bar
from indexer.contact_sheet import write_sheet

__all__ = ["show_sheet"]


def show_sheet(library: Library, answer: Answer, file: Path | None, *, opens: bool) -> None:
    """Write a sheet to `file`, or to a folder that is the user's alone, and open it if it is to be opened."""
    path = file or Path(tempfile.mkdtemp(prefix="glimpse-")) / "results.html"
    with Bar("drawing the sheet").shown() as bar:
        write_sheet(path, answer, library.thumbnail, bar.update)
    if opens and not webbrowser.open(path.absolute().as_uri()):
        console.note(f"no browser could be opened; the sheet is {path}")
