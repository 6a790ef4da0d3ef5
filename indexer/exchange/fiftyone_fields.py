"""The fields of a sample, as FiftyOne describes them in a dataset's document."""

from collections.abc import Sequence
from typing import Any

__all__ = ["sample_fields"]

FIELDS = "fiftyone.core.fields."
LABELS = "fiftyone.core.labels."
LONG_AGO = {"$date": "1970-01-01T00:00:00Z"}
"""When a field came; FiftyOne sets it to when it reads the dataset."""

Described = dict[str, Any]


def sample_fields(*, places: bool) -> list[Described]:
    """Every field that the samples have."""
    label = [_field("id", "ObjectId", db_field="_id"), _field("tags", "List", of="String")]
    fields = [
        _field("id", "ObjectId", db_field="_id"),
        _field("filepath", "String"),
        _field("tags", "List", of="String"),
        _field("metadata", "EmbeddedDocument", "fiftyone.core.metadata.ImageMetadata", _METADATA),
        _field("created_at", "DateTime", read_only=True),
        _field("last_modified_at", "DateTime", read_only=True),
        _field("_media_type", "String"),
        _field("_rand", "Float"),
        _field("_dataset_id", "ObjectId"),
        _field("embedding", "Vector"),
        _field(
            "labels",
            "EmbeddedDocument",
            LABELS + "Classifications",
            [
                _field(
                    "classifications",
                    "List",
                    LABELS + "Classification",
                    [*label, _field("label", "String"), _field("confidence", "Float"), _LOGITS],
                    of="EmbeddedDocument",
                ),
                _LOGITS,
            ],
        ),
        _field("camera", "String"),
        _field("lens", "String"),
        _field("rating", "Int"),
        _field("taken", "DateTime"),
        _field("path_hex", "String"),
        _field("sha256", "String"),
        _field("format", "String"),
    ]
    if places:
        shapes = [_field(name, f"Geo{name.title()}") for name in ("point", "polygon")]
        where = [*label, *shapes, _field("line", "GeoLineString")]
        fields.append(_field("location", "EmbeddedDocument", LABELS + "GeoLocation", where))
    return fields


def _field(
    name: str,
    kind: str,
    document: str | None = None,
    fields: Sequence[Described] = (),
    *,
    of: str | None = None,
    db_field: str | None = None,
    read_only: bool = False,
) -> Described:
    return {
        "name": name,
        "ftype": f"{FIELDS}{kind}Field",
        "embedded_doc_type": document,
        "subfield": f"{FIELDS}{of}Field" if of else None,
        "fields": list(fields),
        "db_field": db_field or name,
        "description": None,
        "info": None,
        "read_only": read_only,
        "created_at": LONG_AGO,
    }


_LOGITS = _field("logits", "Vector")
_METADATA = [
    _field("size_bytes", "Int"),
    _field("mime_type", "String"),
    _field("width", "Int"),
    _field("height", "Int"),
    _field("num_channels", "Int"),
]
