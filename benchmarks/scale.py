"""What a library takes at sizes that no machine here can hold: machines, hours, bytes and euros, as Markdown.

    python -m benchmarks.scale [--sizes 10000000 100000000 1000000000 5000000000] [--workers 1000]
        [--core-hour-eur 0.03] [--tb-month-eur 20] [--million-reads-eur 0.4] [--ram-gb-month-eur 2.5]

Rates and bytes are those of `benchmarks/results`: indexing.json, growth.json, probes.json and fleet.json. Prices
are assumptions, of what clouds ask for machines that may be taken away; each is an option.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results")
MODEL = "ViT-B/32 at 256"
KINDS = ("photos", "12 megapixels")
HOUR_S = 3600
FLEET = "all of it: slow ones, daily deaths, a store of 1.2, the last done twice"


@dataclass(frozen=True)
class Prices:
    """Euros."""

    core_hour_eur: float = 0.03
    tb_month_eur: float = 20.0
    million_reads_eur: float = 0.4
    ram_gb_month_eur: float = 2.5


@dataclass(frozen=True)
class Measured:
    """What one picture takes."""

    core_s: dict[str, float]
    """Of a core, to decode and embed it, by the kind of picture."""
    kb: dict[str, float]
    """To read."""
    catalog_kb: float
    """With its vector, but without a photo's path and metadata."""
    snapshot_kb: float
    cells_bytes: float
    """Of the snapshot, what is always in memory."""
    publishing_s: float
    """Of two cores, to sort it into cells."""
    efficiency: float
    """Of a fleet, what is left when some are slow or die."""


def measured() -> Measured:
    """From the results that stand in the repository."""
    names = ("indexing", "growth", "probes", "fleet")
    indexing, growth, probes, fleet = map(_read, names)
    largest = growth["curves"][-1]
    each = 1000 / largest["vectors"]
    return Measured(
        core_s={kind: indexing["cores"] / _rate(indexing[kind]) for kind in KINDS},
        kb={kind: indexing[kind]["mean_kb"] for kind in KINDS},
        catalog_kb=largest["catalog_mb"] * each,
        snapshot_kb=largest["snapshot_mb"] * each,
        cells_bytes=probes["curves"][-1]["cells_bytes_a_vector"],
        publishing_s=largest["build_s"] / largest["vectors"],
        efficiency=fleet["runs"][FLEET]["efficiency"],
    )


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def _rate(kind: dict[str, Any]) -> float:
    return float(kind[MODEL]["images_per_s"])


def rows(size: int, workers: int, each: Measured, prices: Prices) -> Iterator[tuple[str, str]]:
    """What a library of so many pictures takes, with what each figure is."""
    for kind in KINDS:
        core_h = size * each.core_s[kind] / each.efficiency / HOUR_S
        yield f"embedding {kind}, core hours", f"{core_h:,.0f}"
        yield f"… hours on {workers} machines of two cores", f"{core_h / 2 / workers:,.1f}"
        yield "… euros", f"{core_h * prices.core_hour_eur:,.0f}"
        yield "… read from the store, TB", f"{size * each.kb[kind] / 1e9:,.1f}"
    yield "reads of the store, euros", f"{size / 1e6 * prices.million_reads_eur:,.0f}"
    disk_tb = size * (each.catalog_kb + each.snapshot_kb) / 1e9
    yield "catalog and snapshot, TB", f"{disk_tb:,.2f}"
    yield "… euros a month", f"{disk_tb * prices.tb_month_eur:,.0f}"
    ram_gb = size * each.cells_bytes / 1e9
    yield "cells, GB in memory", f"{ram_gb:,.1f}"
    yield "… euros a month", f"{ram_gb * prices.ram_gb_month_eur:,.0f}"
    yield "sorting into cells, core hours", f"{2 * size * each.publishing_s / HOUR_S:,.0f}"


def table(sizes: list[int], workers: int, each: Measured, prices: Prices) -> str:
    """Markdown."""
    columns = [list(rows(size, workers, each, prices)) for size in sizes]
    lines = ["| pictures | " + " | ".join(f"{size:,}" for size in sizes) + " |"]
    lines.append("|---|" + "---|" * len(sizes))
    lines.extend(
        f"| {cells[0][0]} | " + " | ".join(value for _, value in cells) + " |"
        for cells in zip(*columns, strict=True)
    )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    sizes = [10**7, 10**8, 10**9, 5 * 10**9]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes)
    parser.add_argument("--workers", type=int, default=1000)
    for each in fields(Prices):
        parser.add_argument(f"--{each.name.replace('_', '-')}", type=float, default=each.default)
    given = parser.parse_args()
    prices = Prices(**{each.name: getattr(given, each.name) for each in fields(Prices)})
    print(table(given.sizes, given.workers, measured(), prices))


if __name__ == "__main__":
    main()
