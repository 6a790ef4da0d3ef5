"""ONNX Runtime, set up once for every graph of ours."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from indexer.errors import ModelError

__all__ = ["OUTPUT", "Session"]

OUTPUT = "unit_rows"
"""Name of the one output of every graph: float32 (n, dim), L2-normalised."""

# Only Windows builds send any; nothing leaves the machine there either.
ort.disable_telemetry_events()


class Session:
    """One graph with one input and one output, on the CPU. Safe to run from several threads."""

    def __init__(self, graph: Path, threads: int = 0, at_once: int | None = None) -> None:
        """`threads` is how many cores one run may use; 0 takes all. A batch is run `at_once` rows at a time.

        Raises ModelError.
        """
        try:
            self._session = ort.InferenceSession(
                str(graph), _options(threads), providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # what the runtime raises has no common root
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"{graph}: damaged, or not for this runtime ({reason})") from error
        self._input = self._session.get_inputs()[0].name
        self._at_once = at_once

    def run(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Rows (n, dim) for a batch, which is not empty. Raises RuntimeError where the runtime gives up."""
        step = self._at_once or len(values)
        parts = (values[start : start + step] for start in range(0, len(values), step))
        try:
            rows = [self._session.run([OUTPUT], {self._input: part})[0] for part in parts]
        except Exception as error:  # the same, and callers split a batch on RuntimeError
            raise RuntimeError(f"ONNX Runtime: {str(error).strip().splitlines()[0]}") from error
        return np.concatenate(rows)


def _options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors; its warnings are about graphs, not about pictures
    # Threads that spin between two runs would keep a page that waits for its user at full load.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
