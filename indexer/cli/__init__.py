"""The command: reads arguments, asks a `Library`, prints.

Results go to standard output, progress and warnings to standard error; an error is one line.
"""

from indexer.cli.verbs import main, program

__all__ = ["main", "program"]
