"""How quickly the page shows a large library, and how smoothly it scrolls.

    python -m benchmarks.page FOLDER [--photos 10000 100000] [--pictures examples/photos]

Makes a library of each size by `benchmarks.large` in FOLDER, serves it by the command that users type, and visits it
with Chromium: the first page, from navigation to 24 pictures drawn; new queries, from Enter to the answer's arrival
and from there to its first pictures drawn; and the wheel, through 10,000 results. Frames are those of the browser,
which shares the processor with the server. Prints one JSON object, and writes it to --out.
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.commands import glimpse
from benchmarks.large import make_library
from benchmarks.report import publish
from benchmarks.served import serving
from indexer import Library

PROBE = Path(__file__).with_name("page_probe.js").read_text(encoding="utf-8")
FLAGS = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
WINDOW = {"width": 1280, "height": 800}
FIRST = 24
SHOWN = 15
"""Pictures that fill the window, beside the filters; more of a query are there only when they are scrolled to."""
RUNS = 5
ON_ENTER = "addEventListener('keydown', () => (probe.asked = performance.now()), { once: true, capture: true })"
QUERIES = ("a dog", "mountains", "an old car", "flowers", "a boat on a lake")
RESULTS = 10_000
WHEEL, PAUSE_MS = 800, 50


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no server is left behind
    found = {}
    for count in arguments.photos:
        folder = arguments.folder / str(count)
        library = make_library(folder, count, arguments.pictures)
        found[f"{count} photos"] = measure(library, arguments.scroll)
        found[f"{count} photos"]["originals_opened"] = originals_opened(library, folder / "photos")
    publish(found, arguments.out)


def measure(library: Path, results: int) -> dict[str, Any]:
    """First pages, queries and scrolling."""
    with serving(glimpse("ui", "--library", library)) as page, browser() as chromium:
        url = page.url
        found: dict[str, Any] = {}
        for name, measured in (
            ("first_page_ms_after_start", lambda: first_page(chromium, url)),
            ("first_page_ms", lambda: median(first_page(chromium, url) for _ in range(RUNS))),
            ("queries", lambda: queries(chromium, url, library)),
            ("scrolling_by_date", lambda: scroll(chromium, url, results)),
            ("scrolling_a_query", lambda: scroll(chromium, f"{url}/?q=a+dog", results)),
        ):
            found[name] = measured()
            print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
        return found


def first_page(chromium: Browser, url: str, pictures: int = FIRST) -> int:
    """Milliseconds from navigation to so many pictures, in a browser that knows nothing of the page."""
    with visited(chromium, url) as page:
        return round(float(page.evaluate(f"probe.drawn({pictures})")))


def queries(chromium: Browser, url: str, library: Path) -> dict[str, float]:
    """Medians over some queries, in milliseconds."""
    answers, grids = [], []
    with Library.open(library) as opened:
        firsts = {words: opened.search(words, 1)[0].path.name for words in QUERIES}
    with visited(chromium, url) as page:
        page.evaluate(f"probe.drawn({FIRST})")
        for words, name in firsts.items():
            box = page.get_by_role("searchbox", name="Search")
            box.evaluate("(box, words) => { box.value = words; box.focus(); }", words)
            page.evaluate("name => Object.assign(probe, { wanted: name, answered: null })", name)
            page.evaluate(ON_ENTER)
            page.keyboard.press("Enter")
            drawn = page.evaluate(f"name => probe.drawn({SHOWN}, name)", name)
            asked, answered = page.evaluate("[probe.asked, probe.answered]")
            answers.append(answered - asked)
            grids.append(drawn - answered)
    return {
        "from_enter_to_answer_ms": round(median(answers)),
        "from_answer_to_pictures_ms": round(median(grids)),
        "most_from_answer_to_pictures_ms": round(max(grids)),
    }


def scroll(chromium: Browser, url: str, results: int) -> dict[str, float]:
    """Frames, tiles and shifts while the wheel turns until so many results have come by, or all."""
    with visited(chromium, url) as page:
        page.evaluate(f"probe.drawn({SHOWN})")
        page.mouse.move(WINDOW["width"] * 0.6, WINDOW["height"] / 2)
        page.evaluate("probe.record()")
        began = time.monotonic()
        seen = 0
        while seen < results and time.monotonic() - began < 300:
            for _ in range(10):
                page.mouse.wheel(0, WHEEL)
                page.wait_for_timeout(PAUSE_MS)
            last = "probe.list().querySelector('li:last-of-type:not(.line)')"
            seen = int(page.evaluate(f"{last}?.getAttribute('aria-posinset') ?? 0"))
            if seen == int(page.evaluate(f"{last}?.getAttribute('aria-setsize') ?? -1")):
                break
        took = time.monotonic() - began
        frames, most, shifts = page.evaluate("[probe.frames, probe.most, probe.shifts]")
    return {
        "results": seen,
        "seconds": round(took, 1),
        "frames": len(frames),
        "share_over_50_ms": round(sum(ms > 50 for ms in frames) / len(frames), 4),
        "share_over_100_ms": round(sum(ms > 100 for ms in frames) / len(frames), 4),
        "longest_ms": round(max(frames)),
        "most_tiles": most,
        "layout_shift": round(shifts, 4),
    }


def originals_opened(library: Path, photos: Path) -> int | None:
    """How many of the photos' own files the server opens while its first pages are looked at; needs strace."""
    if shutil.which("strace") is None:
        return None
    with tempfile.NamedTemporaryFile("r", errors="replace") as trace:
        tracer = ["strace", "-f", "--seccomp-bpf", "-qq", "-s", "4096", "-e", "trace=open,openat"]
        server = [*tracer, "-o", trace.name, *glimpse("ui", "--library", library)]
        with serving(server) as page, browser() as chromium:
            for address in (page.url, f"{page.url}/?q=a+dog"):
                first_page(chromium, address, SHOWN)
        inside = re.compile(re.escape(os.fspath(photos.resolve())) + r'/[^"]*\.jpg"')
        return sum(1 for line in trace if inside.search(line))


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium as the system has it."""
    program = shutil.which("chromium")
    assert program, "needs Chromium: apt install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield chromium
        chromium.close()


@contextmanager
def visited(chromium: Browser, url: str) -> Iterator[Page]:
    """A page in a context of its own, with the probe in it."""
    context = chromium.new_context(viewport=WINDOW)  # type: ignore[arg-type]
    context.set_default_timeout(120_000)
    context.add_init_script(PROBE)
    page = context.new_page()
    page.goto(url, wait_until="commit")
    yield page
    context.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--pictures", type=Path, default=Path("examples/photos"))
    parser.add_argument("--scroll", type=int, default=RESULTS, help="results to scroll through")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
