"""Make inputs up for one target, guided by what of the code they reach, for so many seconds (`make fuzz`).

    python -m tests.fuzzing TARGET SECONDS [CORPUS]

What is not foreseen ends it, with the input kept beside the corpus as `crash-…`; such a find becomes a test.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["indexer", "storage"]):
    from tests.fuzzing.targets import TARGETS, seeds


def main() -> None:
    """Run libFuzzer over one target."""
    name, seconds, *folder = sys.argv[1:]
    corpus = Path(folder[0] if folder else tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        "-timeout=20",
        "-rss_limit_mb=3000",
        "-print_final_stats=1",
    ]
    atheris.Setup(
        [sys.argv[0], *options, f"-artifact_prefix={corpus.parent}/", str(corpus)], TARGETS[name]
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
