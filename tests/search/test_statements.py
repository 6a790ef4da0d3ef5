"""How often a search asks the catalog: most of what it does besides the model is done in between."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import event
from sqlalchemy.engine import Engine

from indexer import Library


@contextmanager
def told() -> Iterator[list[str]]:
    """The statements that are executed meanwhile, with what they ask for."""
    statements = list[str]()

    def tell(
        connection: object, cursor: object, statement: str, parameters: object, *_: object
    ) -> None:
        statements.append(f"{statement} {parameters}")

    event.listen(Engine, "before_cursor_execute", tell)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", tell)


def test_a_search_asks_for_nothing_twice(examples: Library) -> None:
    examples.search("a cat")  # what is counted once for each commit
    with told() as statements:
        examples.search("a bridge")
    # The number of the newest batch, the photos, how many are likely, how many may be.
    assert len(statements) <= 4
    assert len(set(statements)) == len(statements)
