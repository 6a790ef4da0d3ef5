"""Glimpse from Python: build a library of the free pictures beside this file, and ask it.

Run it with: python examples/api.py
"""

import tempfile
from pathlib import Path

from indexer import BuildOptions, Filter, Library, Query

PHOTOS = Path(__file__).parent / "photos"


def main() -> None:
    """Build, search by words, by a picture, by both; walk to neighbours; take the vectors."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Library.open(folder, create=True) as library,
    ):
        library.build([PHOTOS], BuildOptions(model="starter"), on_progress=print)

        for hit in library.search("a bird", k=3):
            print(f"{hit.score:.3f}  {hit.path.name}  photo {hit.photo_id}")

        cat = Query.image(PHOTOS / "animals" / "grey-cat.jpg")
        query = cat + 2 * Query.text("orange fur") - Query.text("wool")
        best = library.search(query, k=1)[0]
        print(f"{query}: {best.path.name}, {best.photo.width} x {best.photo.height} pixels")

        for hit in library.neighbors(best.photo_id, k=2):
            print(f"near it: {hit.path.name}")

        dated = library.photos(Filter(after="2000"))
        print(f"{len(dated)} photos say when they were taken, the first on {dated[0].taken_at}")

        ids, vectors = library.vectors()
        print(f"{len(ids)} vectors of {vectors.shape[1]} dimensions, {vectors.dtype}")


if __name__ == "__main__":
    main()
