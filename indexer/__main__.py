"""`python -m indexer`, the same as the command `glimpse`."""

from indexer.cli import main

if __name__ == "__main__":
    main()
