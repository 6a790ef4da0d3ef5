"""Whether a part of Glimpse has become slower: its time against a fixed reference's, under a minute on two cores.

    python -m benchmarks.quick [--only PART …] [--times 2] [--out FILE]

Each part and its reference take turns over the same data, and the ratio decides, never the seconds. Prints a line for
each part, and ends with 1 where one is over its limit. `--times 2` does our side twice over, which every limit must
catch: so the limits are tried themselves. With --out also writes the figures.
"""

import argparse
import sys
import tempfile
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from benchmarks.quick_parts import PARTS, Setting
from benchmarks.ratios import failures, measure
from benchmarks.report import publish


def main() -> None:
    """Measure, tell, judge."""
    arguments = _arguments()
    chosen = [part for part in PARTS if part.__name__ in arguments.only]
    ratios = []
    with tempfile.TemporaryDirectory() as scratch, closing(Setting(Path(scratch))) as on:
        for part in chosen:
            ratios.append(measure(part(on), arguments.times))
            print(ratios[-1], flush=True)
    if arguments.out:
        publish({ratio.name: asdict(ratio) for ratio in ratios}, arguments.out)
    if slower := failures(ratios):
        sys.exit("\n".join(["slower than it may be:", *slower]))


def _arguments() -> argparse.Namespace:
    names = [part.__name__ for part in PARTS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
