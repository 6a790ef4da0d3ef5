"""rclip beside us: the same network at the same random weights, run offline from its own environment.

rclip takes its networks from the folder that RCLIP_DATADIR names, and downloads them only where they are missing.
"""

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray

from benchmarks.spent import Spent, spend

__all__ = ["ARCHITECTURE", "index", "prepare", "save_random", "vectors"]

ARCHITECTURE = "ViT-B-32-256"
NETWORKS = f"{ARCHITECTURE}-datacomp_s34b_b86k"
VOCABULARY = "bpe_simple_vocab_16e6.txt.gz"


class _Tower(torch.nn.Module):
    """One side of a CLIP as a module of its own."""

    def __init__(self, clip: torch.nn.Module, side: str) -> None:
        super().__init__()
        self.clip = clip
        self.side = side

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Rows, not normalised: rclip does that."""
        rows: torch.Tensor = getattr(self.clip, f"encode_{self.side}")(values)
        return rows


def save_random(path: Path, architecture: str = ARCHITECTURE) -> None:
    """Weights as open_clip draws them for an architecture."""
    torch.manual_seed(0)
    torch.save(open_clip.create_model(architecture).state_dict(), path)


def prepare(weights: Path, folder: Path) -> None:
    """Lay these weights where rclip looks for its networks."""
    clip = open_clip.create_model(ARCHITECTURE).eval()
    clip.load_state_dict(torch.load(weights, weights_only=True))
    networks = folder / NETWORKS
    networks.mkdir(parents=True)
    _export(_Tower(clip, "image"), torch.zeros(2, 3, 256, 256), networks / "visual.onnx")
    ids = torch.zeros(2, 77, dtype=torch.int64)
    _export(_Tower(clip, "text"), ids, networks / "textual.onnx")
    (folder / "tokenizer").mkdir()
    shutil.copy(Path(open_clip.__file__).parent / VOCABULARY, folder / "tokenizer")


def index(environment: Path, folder: Path, photos: Path) -> Spent:
    """Have rclip index a folder anew and answer one query, as it always does both."""
    for old in folder.glob("db.sqlite3*"):
        old.unlink()
    command: list[str | Path] = [
        environment / "bin" / "rclip",
        "--filepath-only",
        "--top",
        "1",
        "a dog",
    ]
    return spend(command, photos, {"RCLIP_DATADIR": str(folder)})


def vectors(folder: Path) -> dict[str, NDArray[np.float32]]:
    """What rclip found, by the names of the files."""
    with sqlite3.connect(folder / "db.sqlite3") as database:
        rows = database.execute("SELECT filepath, vector FROM images").fetchall()
    database.close()
    return {Path(path).name: np.frombuffer(vector, np.float32) for path, vector in rows}


def _export(tower: torch.nn.Module, sample: torch.Tensor, path: Path) -> None:
    torch.onnx.export(
        tower.eval(),
        (sample,),
        path,
        input_names=["input"],
        output_names=["output"],
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        external_data=False,
        verbose=False,
    )
