"""A long task on the library, in a process of its own: `python -m search_ui.tasks.worker`, which `job` starts.

A build takes memory and both hands: here it slows no visitor down, and a crash of it ends nothing else. The task
comes as a line of JSON on standard input, answers to questions as further lines; what is to be told goes to standard
output, a line of JSON each. When standard input ends, nobody wants the task any more: it stops, and what it
committed stays.
"""

import argparse
import io
import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from indexer import BuildOptions, Config, Library, Progress
from indexer.build_summary import out_of_reach, summary
from indexer.errors import GlimpseError

__all__ = ["main"]

YES = "yes"


def main() -> None:
    """Do the one task that is asked for, and tell how it ended."""
    # A server that was started in the background ignores it, and so would this process.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(prog="python -m search_ui.tasks.worker", description=__doc__)
    parser.add_argument("--library", type=Path)
    parser.add_argument("--config", type=Path)
    places = parser.parse_args()
    lines = io.FileIO(0, closefd=False)  # without a buffer, whose lock a thread holds to the end
    try:
        task = json.loads(lines.readline())
        answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=_listen, args=(lines, answers), daemon=True).start()
        with Library.open(places.library, config=Config.load(places.config)) as library:
            _tell(done=_do(library, task, answers))
    except GlimpseError as error:
        _tell(failed=str(error))
    except KeyboardInterrupt:
        _tell(stopped=True)


def _listen(lines: io.FileIO, answers: "queue.Queue[str]") -> None:
    """Pass answers on until there is nobody to give any."""
    for line in lines:
        answers.put(line.decode().strip())
    os.kill(os.getpid(), signal.SIGINT)


def _do(library: Library, task: dict[str, Any], answers: "queue.Queue[str]") -> list[str]:
    """The task; the lines that sum it up."""

    def ask(question: str) -> bool:
        _tell(question=question)
        return answers.get() == YES

    match task:
        case {"build": paths, **options}:
            report = library.build(
                paths,
                BuildOptions(**options),
                on_progress=_show,
                notify=lambda line: _tell(note=line),
                confirm=ask,
            )
            return [summary(report), *out_of_reach(report)]
        case {"map": space}:
            chart = library.map(space, on_step=_step, notify=lambda line: _tell(note=line))
            _tell(found=len(chart.ids))
            return []
        case {"duplicates": _}:
            groups = library.duplicates(on_step=_step, notify=lambda line: _tell(note=line))
            _tell(
                found=[
                    [group.kind, [photo.id for photo in group.photos], group.reasons]
                    for group in groups
                ]
            )
            return []
        case {"tag": labels}:
            tagged = library.tag(labels, on_step=_step, notify=lambda line: _tell(note=line))
            return [
                f"{tagged.tags:,} tags on {tagged.photos:,} photos, of {tagged.labels:,} labels"
            ]
    raise GlimpseError(f"no such task: {task}")


def _show(progress: Progress) -> None:
    what = {"looking": "Looking for pictures", "embedding": "Embedding"}[progress.stage]
    _tell(what=what, steps=progress.done, of=progress.total, seconds=progress.seconds)


def _step(what: str, done: int, total: int) -> None:
    _tell(what=what[:1].upper() + what[1:], steps=done, of=total)


def _tell(**what: object) -> None:
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
