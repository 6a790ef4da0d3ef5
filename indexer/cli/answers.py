"""Answers as JSON; scripts rely on the keys."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from indexer import Answer, BuildReport, Hit, Photo, Status, Tag

if TYPE_CHECKING:  # a search needs none of it
    from indexer import DuplicateGroup, PhotoMap

__all__ = [
    "build_answer",
    "duplicate_groups",
    "failures",
    "map_answer",
    "search_answer",
    "status_answer",
]


def search_answer(answer: Answer, tags: Mapping[int, Sequence[Tag]]) -> dict[str, Any]:
    """What `search --json` prints; `tags` are those of its photos, by id."""
    return {
        "query": answer.query,
        "space": answer.space,
        "total": answer.total,
        "likely": answer.likely,
        "relevant": answer.relevant,
        "may_go_on": answer.may_go_on,
        "results": [_hit(hit, tags.get(hit.photo_id, ())) for hit in answer],
    }


def status_answer(status: Status, sizes: dict[str, int]) -> dict[str, Any]:
    """What `status --json` prints."""
    return asdict(status) | {"sizes": sizes}


def build_answer(report: BuildReport) -> dict[str, Any]:
    """What `build --json` prints."""
    out_of_reach = {
        name: {os.fsdecode(path): why for path, why in getattr(report, name).items()}
        for name in ("offline_roots", "unreadable")
    }
    return asdict(report) | out_of_reach


def failures(photos: list[Photo]) -> list[dict[str, str | None]]:
    """What `errors --json` prints."""
    return [{"path": str(photo.path), "reason": photo.reason} for photo in photos]


def duplicate_groups(groups: list["DuplicateGroup"]) -> dict[str, Any]:
    """What `dedupe --json` prints."""
    return {
        "spare_bytes": sum(group.spare_bytes for group in groups),
        "groups": [_group(group) for group in groups],
    }


def _group(group: "DuplicateGroup") -> dict[str, Any]:
    photos = [
        {
            "path": str(photo.path),
            "photo_id": photo.id,
            "reason": reason,
            "size": photo.size,
            "width": photo.width,
            "height": photo.height,
        }
        for photo, reason in zip(group.photos, group.reasons, strict=True)
    ]
    return {"kind": group.kind, "spare_bytes": group.spare_bytes, "photos": photos}


def map_answer(found: "PhotoMap", photos: list[Photo]) -> dict[str, Any]:
    """What `map --json` prints; a photo in no cluster has the cluster -1."""
    paths = {photo.id: str(photo.path) for photo in photos}
    rows = zip(found.ids.tolist(), found.points.tolist(), found.cluster.tolist(), strict=True)
    return {
        "space": found.space,
        "total": len(found.ids),
        "clusters": [asdict(cluster) for cluster in found.clusters],
        "photos": [
            {"photo_id": id, "path": paths[id], "x": x, "y": y, "cluster": cluster}
            for id, (x, y), cluster in rows
            if id in paths  # not where a build took the photo away meanwhile
        ],
    }


def _hit(hit: Hit, tags: Sequence[Tag]) -> dict[str, Any]:
    photo = asdict(hit.photo)
    photo_id, path = photo.pop("id"), str(photo.pop("path"))
    known = {key: value for key, value in photo.items() if value is not None}
    found = {"rank": hit.rank, "score": hit.score, "relevance": hit.relevance}
    return {**found, "path": path, "photo_id": photo_id, **known, "tags": [*map(asdict, tags)]}
