"""Hear from the system what changes below some folders, or look for it where the system cannot tell.

The system tells by inotify, FSEvents or ReadDirectoryChangesW, through watchfiles.
"""

import os
import threading
from collections.abc import Generator, Sequence

from watchfiles import Change, watch

# What watchfiles raises when its own thread fails; its public names do not include it.
from watchfiles._rust_notify import WatchfilesRustInternalError
from watchfiles.main import FileChange

from indexer.embedders.base import Notify

__all__ = ["MissedError", "Noticing"]

TICK_MS = 500
"""So long at most until a caller can look at something else."""
POLL_MS = 5_000
"""Between two looks at every file, where the system cannot tell."""

Events = Generator[set[FileChange], None, None]


class MissedError(Exception):
    """Something changed, and it is not known what; listening has begun anew."""


class Noticing:
    """What changes below some folders, from the moment they are given to `begin`."""

    def __init__(self, stop: threading.Event, notify: Notify) -> None:
        self._stop = stop
        self._notify = notify
        self._polls: bool | None = None  # None leaves it to watchfiles and its environment variable
        self._is_lenient = False
        """Whether folders that are not ours to read are passed over; watchfiles then hides every other error, too."""
        self._gave_up = False
        self._folders: list[str] = []
        self._events: Events | None = None
        self._found: set[FileChange] = set()

    def begin(self, folders: Sequence[bytes]) -> None:
        """Listen below these folders instead; one that is not there, or no text, is left out."""
        self.close()
        self._folders = [os.fsdecode(each) for each in folders if is_text(each)]
        self._folders = [each for each in self._folders if os.path.isdir(each)]
        if not self._folders:
            return
        try:
            self._events = self._listen()
            self._found = next(self._events, set())
        except FileNotFoundError:  # gone within this moment; whoever looks after roots will see
            self.close()
        except (OSError, WatchfilesRustInternalError) as error:
            self.close()
            if self._can_listen_otherwise(error):
                self.begin(folders)

    @property
    def is_deaf(self) -> bool:
        """Whether neither the system tells of changes nor can every file be looked at."""
        return bool(self._folders) and self._events is None

    def _can_listen_otherwise(self, error: Exception) -> bool:
        """Take the next way of noticing, if there is one left."""
        if isinstance(error, PermissionError) and not self._is_lenient:
            self._is_lenient = True
            return True
        if self._polls:
            if not self._gave_up:
                self._notify(
                    f"changes cannot be noticed at once ({_reason(error)}): all is looked through now and then"
                )
            self._gave_up = True
            return False
        self._polls = True
        self._notify(
            f"the system tells of no more changes ({_reason(error)}): looking every {POLL_MS // 1000} s instead; "
            f"to be told, raise fs.inotify.max_user_watches and max_user_instances"
        )
        return True

    def wait(self) -> set[bytes]:
        """The paths that have changed, soon; none when nothing has. Raises MissedError."""
        if self._events is None:
            self._stop.wait(TICK_MS / 1000)
            return set()
        found, self._found = self._found, set()
        if not found:
            try:
                found = next(self._events, set())
            except WatchfilesRustInternalError as error:  # such as a name that is no text
                self.begin([os.fsencode(each) for each in self._folders])
                raise MissedError(str(error)) from error
        # A folder that is modified says only that something in it is, which is told by itself.
        return {
            os.fsencode(path)
            for kind, path in found
            if kind is not Change.modified or not os.path.isdir(path)
        }

    def close(self) -> None:
        """Listen no more."""
        if self._events is not None:
            self._events.close()
        self._events, self._found = None, set()

    def _listen(self) -> Events:
        return watch(
            *self._folders,
            watch_filter=None,
            debounce=TICK_MS,
            step=50,
            stop_event=self._stop,
            rust_timeout=TICK_MS,
            yield_on_timeout=True,
            force_polling=self._polls,
            poll_delay_ms=POLL_MS,
            ignore_permission_denied=self._is_lenient,
        )


def is_text(path: bytes) -> bool:
    """Whether a path can be handed to the system's listener, which takes UTF-8 alone."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition(" about ")[0].rstrip(".")
