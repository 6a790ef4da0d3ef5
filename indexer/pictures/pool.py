"""Decodes files in worker processes: whatever a file does to its decoder, the others go on."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self

from indexer.embedders.base import Preprocessing
from indexer.errors import GlimpseError, PictureError
from indexer.pictures.decoding import Decoded
from indexer.pictures.limits import Limits
from indexer.pictures.process import CrashedError, DecodeProcess, too_late

__all__ = ["DecodePool"]

_HELD = 2
"""Files that a worker has before it: while one answer is on its way, the next is being decoded."""
_PIPE_ROOM = 8192
"""Bytes of a path that fit into a pipe for sure, beside those of another."""
_START_S = 60.0
_CHECK_S = 0.5


_Answers = SimpleQueue[tuple[bytes, Decoded | Exception]]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    path: bytes
    answers: _Answers

    def answer(self, answer: Decoded | Exception) -> None:
        self.answers.put((self.path, answer))


class DecodePool:
    """Up to `workers` processes, each started when there is work for it.

    Several threads may decode at once. After `close`, which leaving the `with` block calls, no
    process is left; decoding again starts them anew.
    """

    def __init__(
        self,
        preprocessing: Preprocessing | None,
        limits: Limits,
        workers: int,
        timeout_s: float,
        *,
        ahead: int = 4,
        thumbnails: Path | None = None,
    ) -> None:
        """`ahead` files for each worker are taken before the consumer has asked for them.

        Without `preprocessing` files are only hashed and described: their answers have no pixels.
        With the folder of the `thumbnails`, answers bring those that are missing there.
        """
        if workers < 1 or ahead < 1:
            raise ValueError(f"workers={workers}, ahead={ahead}: neither can be below 1")
        self._start = partial(DecodeProcess, preprocessing, limits, timeout_s, thumbnails)
        self._timeout_s = timeout_s
        self._count = workers
        self._most_pending = workers * ahead
        self._lock = threading.Lock()
        self._crew: _Crew | None = None
        self._streams = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def decode(self, paths: Iterable[bytes]) -> Iterator[tuple[bytes, Decoded | PictureError]]:
        """Decode files; each path comes back with its picture or the reason, as they get done.

        Paths are taken as there is room for them, by the thread that asks for the answers.
        Raises GlimpseError when no process can be started, or the pool is closed meanwhile.
        """
        answers: _Answers = SimpleQueue()
        source = iter(paths)
        pending = 0
        crew = self._enlist()
        try:
            while True:
                for path in islice(source, self._most_pending - pending):
                    crew.tasks.put(_Task(path, answers))
                    pending += 1
                if not pending:
                    return
                answer = self._wait(crew, answers)
                pending -= 1
                yield answer
        finally:
            self._dismiss(abandoned=pending > 0)

    def close(self) -> None:
        """Kill the processes and wait until they are gone."""
        with self._lock:
            crew, self._crew = self._crew, None
        if crew:
            crew.close()

    def _enlist(self) -> "_Crew":
        with self._lock:
            self._streams += 1
            if self._crew is None:
                self._crew = _Crew(self._start, self._count, self._timeout_s)
            return self._crew

    def _dismiss(self, *, abandoned: bool) -> None:
        """Leave a stream; work that nobody waits for is not finished."""
        with self._lock:
            self._streams -= 1
            last = self._streams == 0
        if abandoned and last:
            self.close()

    def _wait(self, crew: "_Crew", answers: _Answers) -> tuple[bytes, Decoded | PictureError]:
        while True:
            crew.kill_late()
            try:
                path, answer = answers.get(timeout=min(_CHECK_S, self._timeout_s / 4))
            except Empty:
                if crew.closed:
                    raise GlimpseError("the pool of decoders was closed while decoding") from None
                continue
            if isinstance(answer, (Decoded, PictureError)):
                return path, answer
            raise answer


class _Crew:
    """The workers of a pool between two closings, and the queue that they share."""

    def __init__(self, start: Callable[[], DecodeProcess], count: int, timeout_s: float) -> None:
        self.tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self.closed = False
        self._workers = [_Worker(self.tasks, start, timeout_s) for _ in range(count)]
        for worker in self._workers:
            worker.start()

    def kill_late(self) -> None:
        for worker in self._workers:
            worker.kill_if_late()

    def close(self) -> None:
        self.closed = True
        for worker in self._workers:
            worker.close()
            self.tasks.put(None)
        for worker in self._workers:
            worker.join()


class _Worker(threading.Thread):
    """Feeds one process, and replaces it when it dies.

    A thread for each, since a pipe can be waited for with a limit of time only on some systems.
    """

    def __init__(
        self,
        tasks: SimpleQueue[_Task | None],
        start: Callable[[], DecodeProcess],
        timeout_s: float,
    ) -> None:
        super().__init__(name="decode", daemon=True)
        self._tasks, self._start_process, self._timeout_s = tasks, start, timeout_s
        self._held: deque[_Task] = deque()
        self._sent = 0
        self._process: DecodeProcess | None = None
        self._due: tuple[_Task, float] | None = None
        """The file that is being decoded, and when it has to be done."""
        self._late: _Task | None = None
        self._closed = False
        self._lock = threading.Lock()  # over `_closed` and `_process`: none starts after closing

    def run(self) -> None:
        """Answer one file after another until closed."""
        try:
            while self._fill():
                self._answer_next()
        except Exception as error:
            # Whoever waits for these files has to hear of it.
            for task in self._held:
                task.answer(error)
            if not isinstance(error, GlimpseError):
                raise
        finally:
            self._drop_process()

    def kill_if_late(self) -> None:
        """Called by those who wait for answers."""
        due = self._due
        if due and time.monotonic() > due[1]:
            self._late = due[0]
            self._kill()

    def close(self) -> None:
        """Have the thread end; it must also be woken by a None in the queue."""
        with self._lock:
            self._closed = True
        self._kill()

    def _fill(self) -> bool:
        """Take up to `_HELD` tasks, waiting for the first; False when it is time to end."""
        while len(self._held) < _HELD and not self._closed:
            try:
                task = self._tasks.get(block=not self._held)
            except Empty:
                break
            if task is None:
                return False
            self._held.append(task)
        return not self._closed

    def _answer_next(self) -> None:
        """Answer the first task held, unless the process died of no fault of that one."""
        first = self._held[0]
        try:
            answer = self._decode(first)
        except CrashedError as error:
            self._drop_process()
            late, self._late = self._late, None
            if late is not None and late is not first:
                return  # killed for a task that was answered at the last moment
            answer = PictureError(too_late(self._timeout_s) if late else str(error))
        finally:
            self._due = None
        if not self._closed:
            self._held.popleft().answer(answer)

    def _decode(self, first: _Task) -> Decoded | PictureError:
        if self._process and not self._sent and not self._process.is_alive():
            self._drop_process()  # it was ended while it had nothing to do; no file is to blame
        process = self._process
        if process is None:
            self._due = first, time.monotonic() + _START_S
            process = self._begin_process()
        for task in islice(self._held, self._sent, None):
            if self._sent and len(task.path) > _PIPE_ROOM:
                break  # it would wait for a worker that may be waiting for us to take an answer
            process.send(os.path.abspath(task.path))
            self._sent += 1
        self._due = first, time.monotonic() + self._timeout_s
        answer = process.receive()
        self._sent -= 1
        return answer

    def _begin_process(self) -> DecodeProcess:
        with self._lock:
            if self._closed:
                raise CrashedError("closed")
            self._process = process = self._start_process()
        process.begin()
        return process

    def _drop_process(self) -> None:
        self._sent = 0
        with self._lock:
            process, self._process = self._process, None
        if process:
            process.close()

    def _kill(self) -> None:
        with self._lock:
            if self._process:
                self._process.kill()
