"""Everything that may touch the network: model files from the Hugging Face hub.

The local cache is asked first, and it is the one that open_clip, timm and transformers share. An
unreachable hub costs at most `PATIENCE` seconds. Nothing about the user is sent.
"""

import hashlib
import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

# Before the first import of huggingface_hub, which reads it only then.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from filelock import FileLock
from huggingface_hub import HfApi, constants, hf_hub_url, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.hf_api import ModelInfo, RepoSibling
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from indexer.embedders.base import Notify
from indexer.errors import ModelUnavailableError

__all__ = ["PATIENCE", "Request", "Snapshot", "cached", "fetch", "nothing_fetched"]

PATIENCE = 5.0
"""Seconds after which a hub that has not answered counts as unreachable; DNS included."""

logger = logging.getLogger(__name__)
_may_fetch = ContextVar("_may_fetch", default=True)


@dataclass(frozen=True, slots=True)
class Request:
    """The files of one repository that a model needs."""

    repo: str
    needs: tuple[tuple[str, ...], ...]
    """Of each group of names, the first that the repository has."""
    also: tuple[str, ...] = ()
    """Names that are taken too, where the repository has them."""
    revision: str = "main"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A folder that holds the files of one revision."""

    folder: Path

    @property
    def revision(self) -> str:
        """The commit; the cache names its folders by it."""
        return self.folder.name

    def first(self, names: Sequence[str]) -> Path:
        """The first of these files that is here; one of them must be."""
        return next(self.folder / name for name in names if (self.folder / name).exists())

    def licence(self) -> str | None:
        """What the model's card says of its licence, where the card is here."""
        card = self.folder / "README.md"
        if not card.exists():
            return None
        text = card.read_text(encoding="utf-8", errors="replace")[:10_000]
        named = re.search(r"^license_name:\s*(\S+)", text, re.MULTILINE)
        found = named or re.search(r"^license:\s*(\S+)", text, re.MULTILINE)
        return found[1] if found else None


@contextmanager
def nothing_fetched() -> Iterator[None]:
    """Have `fetch` take what is on this machine, or refuse."""
    before = _may_fetch.set(False)
    try:
        yield
    finally:
        _may_fetch.reset(before)


def cached(request: Request) -> Snapshot | None:
    """The snapshot in the local cache, where it has every file that is needed."""
    folder = None
    for names in request.needs:
        paths = (
            try_to_load_from_cache(request.repo, name, revision=request.revision) for name in names
        )
        found = next((path for path in paths if isinstance(path, str)), None)
        if found is None:
            return None
        folder = Path(found).parent
    return Snapshot(folder) if folder else None


def fetch(request: Request, notify: Notify, remedy: str) -> Snapshot:
    """The snapshot from the local cache, or else from the hub.

    `remedy` ends the message of the ModelUnavailableError that is raised where neither has it.
    """
    here = cached(request)
    if here:
        return here
    try:
        info = _ask(request)
        wanted = _choose(request, info)
        size = sum(file.size or 0 for file in wanted)
        megabytes = f"{max(size / 1e6, 1):,.0f} MB"
        notify(f"downloading {megabytes} of {request.repo} to {constants.HF_HUB_CACHE}")
        return _download(request, info, wanted)
    except Exception as error:  # which HTTP library raises depends on huggingface_hub's release
        raise ModelUnavailableError(f"{_reason(request, error)}; {remedy}") from error


def _ask(request: Request) -> ModelInfo:
    """What the hub has, within `PATIENCE` seconds whatever the network does."""
    if not _may_fetch.get():
        raise ConnectionError("nothing is fetched now")
    if constants.HF_HUB_OFFLINE:
        raise ConnectionError("HF_HUB_OFFLINE is set")
    answers: list[ModelInfo | Exception] = []

    def ask() -> None:
        try:
            api = HfApi()
            answers.append(
                api.model_info(
                    request.repo, revision=request.revision, timeout=PATIENCE, files_metadata=True
                )
            )
        except Exception as error:  # raised again below, in the caller's thread
            answers.append(error)

    # A daemon, because a name server that never answers must not hold up the exit either.
    asking = threading.Thread(target=ask, daemon=True, name="hub-probe")
    asking.start()
    asking.join(PATIENCE)
    if not answers:
        raise TimeoutError(f"no answer within {PATIENCE:.0f} s")
    if isinstance(answers[0], Exception):
        raise answers[0]
    return answers[0]


def _choose(request: Request, info: ModelInfo) -> list[RepoSibling]:
    there = {file.rfilename: file for file in info.siblings or ()}
    chosen = {name: there[name] for name in request.also if name in there}
    for names in request.needs:
        found = next((name for name in names if name in there), None)
        if found is None:
            raise FileNotFoundError(f"it has no {' or '.join(names)}")
        chosen[found] = there[found]
    return list(chosen.values())


def _download(request: Request, info: ModelInfo, wanted: list[RepoSibling]) -> Snapshot:
    for file in wanted:
        if file.lfs and info.sha:
            _download_large(request.repo, info.sha, file)
    folder = snapshot_download(
        request.repo,
        revision=request.revision,
        allow_patterns=[file.rfilename for file in wanted],
        library_name="glimpse",
    )
    return Snapshot(Path(folder))


def _download_large(repo: str, revision: str, file: RepoSibling) -> None:
    """Put one large file into the cache, going on where an earlier attempt was cut off.

    huggingface_hub starts again from the first byte when the process was killed. The cache keeps
    such files in `blobs`, named by their SHA-256, and links to them from there.
    """
    assert file.lfs is not None
    folder = repo_folder_name(repo_id=repo, repo_type="model")
    cache = Path(constants.HF_HUB_CACHE)
    blob = cache / folder / "blobs" / file.lfs.sha256
    lock = cache / ".locks" / folder / f"{file.lfs.sha256}.lock"
    for place in (blob, lock):
        place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        if blob.exists():
            return
        partial = blob.with_suffix(".partial")
        with partial.open("ab") as out:
            http_get(
                hf_hub_url(repo, file.rfilename, revision=revision),
                out,
                resume_size=out.tell(),
                headers=build_hf_headers(library_name="glimpse"),
                expected_size=file.lfs.size,
                displayed_filename=file.rfilename,
            )
        _check(partial, file)
        partial.replace(blob)


def _check(partial: Path, file: RepoSibling) -> None:
    assert file.lfs is not None
    with partial.open("rb") as downloaded:
        digest = hashlib.file_digest(downloaded, "sha256").hexdigest()
    if digest != file.lfs.sha256:
        partial.unlink()
        raise OSError(f"{file.rfilename} arrived damaged; ask again")


def _reason(request: Request, error: Exception) -> str:
    repo, host = request.repo, constants.ENDPOINT.partition("://")[2]
    match error:
        case RevisionNotFoundError():
            return f"{host} has no revision {request.revision} of {repo}"
        case RepositoryNotFoundError():
            return f"{host} shows no repository {repo} (none of that name, or a private one)"
        case FileNotFoundError():
            return f"{repo} on {host} is not a model of this kind: {error}"
        case HfHubHTTPError():
            return f"{host} refused {repo} ({error.response.status_code})"
        case _:
            line = (str(error) or type(error).__name__).splitlines()[0]
            return f"{repo} is not on this machine and cannot be fetched from {host} ({line})"
