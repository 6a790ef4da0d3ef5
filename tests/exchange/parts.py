"""Layouts as other programs write them, made here with NumPy, Parquet and JSON alone."""

import base64
import io
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

DIM = 48
"""Of the model `tiny`."""


def unit_rows(count: int, seed: int = 0, dim: int = DIM) -> NDArray[np.float32]:
    """Rows that no model made."""
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def clip_shard(
    folder: Path, number: int | str, vectors: NDArray[Any], columns: Mapping[str, Iterable[Any]]
) -> None:
    """A pair of files as clip-retrieval's `inference` writes it, by `np.save` and `DataFrame.to_parquet`."""
    for below in ("img_emb", "metadata"):
        (folder / below).mkdir(parents=True, exist_ok=True)
    np.save(folder / "img_emb" / f"img_emb_{number}.npy", vectors)
    table = pa.table({name: list(values) for name, values in columns.items()})
    pq.write_table(table, folder / "metadata" / f"metadata_{number}.parquet")


def fiftyone_dataset(
    folder: Path, samples: Sequence[dict[str, Any]], fields: Sequence[str] = ("embedding",)
) -> None:
    """A dataset as FiftyOne exports it; `fields` are those that are said to hold vectors."""
    folder.mkdir(exist_ok=True)
    described = [
        {"name": "filepath", "ftype": "fiftyone.core.fields.StringField"},
        *({"name": name, "ftype": "fiftyone.core.fields.VectorField"} for name in fields),
    ]
    metadata = {"name": "theirs", "version": "1.4.0", "sample_fields": described}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    (folder / "samples.json").write_text(json.dumps({"samples": list(samples)}))


def packed(vector: NDArray[Any]) -> dict[str, Any]:
    """An array as `fiftyone.core.utils.serialize_numpy_array` and MongoDB's JSON have it."""
    with io.BytesIO() as file:
        np.save(file, vector, allow_pickle=False)
        data = zlib.compress(file.getvalue())
    return {"$binary": {"base64": base64.b64encode(data).decode(), "subType": "00"}}
