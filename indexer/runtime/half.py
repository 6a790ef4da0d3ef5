"""Running a bundle in bfloat16, on processors that multiply in it (AVX-512 BF16, AMX).

bfloat16 keeps the exponent of float32 and 8 bits of its fraction: no calibration, and nothing overflows. OpenVINO
reads the same graph that ONNX Runtime runs; `python -m benchmarks.indexing` says what it gains and how near it is.
Building only: a query is one picture, and ONNX Runtime has answered it before OpenVINO has compiled.
"""

import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from indexer import sealed
from indexer.runtime.bundle import AGREEMENT, IMAGE, Bundle, OnnxEmbedder
from indexer.runtime.memory import return_large_blocks

__all__ = ["HalfEmbedder", "HalfSession", "works_here"]

log = logging.getLogger(__name__)

CHUNK = 4
"""Pictures that one stream runs at once. Of 1 to 16, 2 and 4 were fastest; fixed, since a graph with a free batch
is a tenth slower."""
MOST_STREAMS = 8
"""Streams that the usual batch of 32 can fill."""
SAMPLE = 8
"""Pictures on which the two precisions are compared; smaller batches are not worth the compiling."""
CLOSE = 0.999
"""Mean cosine from which rows count as the same."""


def works_here() -> bool:
    """Whether OpenVINO is installed and this processor has instructions for bfloat16."""
    try:
        openvino, core = _openvino(), _core()
    except ImportError:  # not every machine has it
        return False
    # By default OpenVINO chooses bfloat16 exactly where it is not emulated.
    return bool(core.get_property("CPU", "INFERENCE_PRECISION_HINT") == openvino.Type.bf16)


def _openvino() -> Any:
    """OpenVINO, without the package by which its other tools send statistics: it has a stand-in that sends none."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino  # deferred: building alone needs it

    return openvino


@cache
def _core() -> Any:
    """OpenVINO's core with its CPU plugin loaded, once a process and for good. Raises ImportError.

    The plugin gives the thread that loads it another stack for signals, and frees that with itself, on whichever
    thread that is: the next signal whose handler asks for that stack, as faulthandler's do, would end the process.
    """

    def load() -> Any:
        core = _openvino().Core()
        core.get_property("CPU", "INFERENCE_PRECISION_HINT")
        return core

    with ThreadPoolExecutor(1) as passing:
        return passing.submit(load).result()


class HalfSession:
    """The graph of an image tower in bfloat16, in one stream a core. Not safe to run from several threads."""

    def __init__(self, graph: Path, size: int, threads: int = 0) -> None:
        """For pictures of `size` pixels; `threads` is how many cores to use, 0 takes all.

        Raises RuntimeError for a graph that OpenVINO cannot run.
        """
        openvino, core = _openvino(), _core()
        model = core.read_model(graph)
        model.reshape([CHUNK, size, size, 3])
        threads = threads or core.get_property("CPU", "RANGE_FOR_STREAMS")[1]
        streams = min(threads, MOST_STREAMS)
        options = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": streams,
            "ENABLE_CPU_PINNING": False,  # decoders share the cores
        }
        self._compiled = core.compile_model(model, "CPU", options)
        self._queue = openvino.AsyncInferQueue(self._compiled, streams)
        self._queue.set_callback(_keep)

    def run(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Rows (n, dim), L2-normalised, for pictures (n, size, size, 3). Raises RuntimeError."""
        chunks = -(-len(pixels) // CHUNK)
        full = np.zeros((chunks * CHUNK, *pixels.shape[1:]), np.uint8)
        full[: len(pixels)] = pixels
        rows = np.empty((len(full), self._compiled.output(0).shape[1]), np.float32)
        for start in range(0, len(full), CHUNK):
            self._queue.start_async({0: full[start : start + CHUNK]}, rows[start : start + CHUNK])
        self._queue.wait_all()
        # Normalised in bfloat16, the lengths are off by some thousandths.
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        unit: NDArray[np.float32] = rows / np.maximum(lengths, 1e-12)
        return unit[: len(pixels)]


class HalfEmbedder(OnnxEmbedder):
    """A bundle whose image tower runs in bfloat16, if it gave the same rows for the first pictures that came.

    They are rows of the same space. Where they differ, or the graph cannot run, all stays in single precision. The
    comparison costs seconds; it is made once, and kept in the bundle.
    """

    def __init__(self, bundle: Bundle, threads: int = 0) -> None:
        super().__init__(bundle, threads)
        self._decided = False

    def embed_images(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Embed RGB pictures (n, size, size, 3) as rows (n, dim), L2-normalised."""
        if not self._decided and len(pixels) >= SAMPLE:
            self._decided = True
            self._decide(pixels[:SAMPLE])
        return super().embed_images(pixels)

    def _decide(self, pixels: NDArray[np.uint8]) -> None:
        """Run the image tower in bfloat16 from here on, if that changes nothing."""
        return_large_blocks()
        name = self.bundle.name
        try:
            cosine = _kept_agreement(self.bundle.folder)
            if cosine is None:
                cosine = self._compare(pixels)
                _keep_agreement(self.bundle.folder, cosine)
            if cosine >= CLOSE:
                self._sessions[IMAGE] = self._half()
            else:
                log.warning("%s stays in single precision: cosine %.4f", name, cosine)
        except RuntimeError as error:
            log.warning("%s stays in single precision: %s", name, error)

    def _compare(self, pixels: NDArray[np.uint8]) -> float:
        """The mean cosine of rows in the two precisions, of which only one is in memory at a time."""
        expected = super().embed_images(pixels)
        del self._sessions[IMAGE]
        found = self._half().run(pixels)
        sound = np.isfinite(expected).all(axis=1)  # some pictures have no numbers in either
        return (
            float(np.einsum("nd,nd->n", expected[sound], found[sound]).mean())
            if sound.any()
            else 0.0
        )

    def _half(self) -> HalfSession:
        return HalfSession(self.bundle.folder / IMAGE, self.preprocessing.size, self._threads)


def _kept_agreement(folder: Path) -> float | None:
    """What `_keep_agreement` wrote, unless for another OpenVINO."""
    try:
        kept = json.loads(sealed.read(folder / AGREEMENT))
        return float(kept["cosine"]) if kept["openvino"] == version("openvino") else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep_agreement(folder: Path, cosine: float) -> None:
    text = json.dumps({"openvino": version("openvino"), "cosine": round(cosine, 6)}) + "\n"
    try:
        sealed.write(folder / AGREEMENT, text.encode())
    except OSError as error:  # then it is compared again
        log.warning("%s cannot be written: %s", folder / AGREEMENT, error)


def _keep(request: object, rows: NDArray[np.float32]) -> None:
    rows[:] = request.get_output_tensor(0).data  # type: ignore[attr-defined]
