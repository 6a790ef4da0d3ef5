"""Finding duplicates: the same bytes by their hash, copies by candidates that are then compared.

    photos ─▶ contents ─▶ candidates by hash and vector ─▶ best first: compared with its candidates ─▶ groups

Each copy of a group was itself compared with the group's first photo, so no chain of resemblances leads from a photo
to another one.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from indexer.duplicates.candidates import candidates
from indexer.duplicates.comparing import EDGE, Comparing, Likeness
from indexer.duplicates.groups import DuplicateGroup, group_of, worth
from indexer.duplicates.pictures import Pictures
from indexer.pictures.thumbnails import MakeThumbnail
from indexer.progress import OnStep, Watch
from storage.records import PhotoRecord

__all__ = ["by_content", "exact_groups", "near_groups"]


def by_content(photos: Iterable[PhotoRecord]) -> dict[int, list[PhotoRecord]]:
    """Photos that could be read, by what they hold."""
    found: dict[int, list[PhotoRecord]] = defaultdict(list)
    for photo in photos:
        if photo.content_id is not None:
            found[photo.content_id].append(photo)
    return found


def exact_groups(photos: Mapping[int, Sequence[PhotoRecord]]) -> list[DuplicateGroup]:
    """Groups of the photos, by content, that have the same bytes; those that take most room first."""
    return _ordered(group_of(same) for same in photos.values() if len(same) > 1)


def near_groups(
    photos: Mapping[int, Sequence[PhotoRecord]],
    pictures: Pictures,
    thumbnail: MakeThumbnail,
    on_step: OnStep,
) -> list[DuplicateGroup]:
    """Groups of photos, by content, that show the same; photos of the same bytes stand together in one."""
    best = {content: min(same, key=worth) for content, same in photos.items()}
    comparing = Comparing(lambda content: thumbnail(best[content], EDGE))
    grouped: set[int] = set()
    groups = []
    for content, copies in _stars(best, pictures, comparing, on_step):
        members = [photo for each in (content, *copies) for photo in photos[each]]
        groups.append(group_of(members, copies))
        grouped |= {content, *copies}
    rest = {content: same for content, same in photos.items() if content not in grouped}
    return _ordered([*groups, *exact_groups(rest)])


def _stars(
    best: Mapping[int, PhotoRecord], pictures: Pictures, comparing: Comparing, on_step: OnStep
) -> Iterator[tuple[int, dict[int, Likeness]]]:
    """Contents with their copies, the content most worth keeping in the middle; each content once."""
    ids, hashes = pictures.ids, pictures.hashes
    neighbours = candidates(hashes, pictures.vectors, on_step)
    order = sorted(neighbours, key=lambda row: worth(best[int(ids[row])]))
    taken: set[int] = set()
    for row in Watch(on_step).over(order, len(order), "comparing"):
        if row in taken:
            continue
        copies: dict[int, Likeness] = {}
        for other in neighbours[row]:
            if other in taken:
                continue
            pair = int(ids[row]), int(ids[other])
            likeness = comparing.compare(*pair, (hashes[row], hashes[other]))
            if likeness:
                copies[pair[1]] = likeness
                taken.add(other)
        taken.add(row)
        if copies:
            yield int(ids[row]), copies


def _ordered(groups: Iterable[DuplicateGroup]) -> list[DuplicateGroup]:
    return sorted(groups, key=lambda group: (-group.spare_bytes, group.photos[0].path))
