"""Whatever is done to a library, in whatever order, it knows what a plain model of it knows, and answers by it.

Hypothesis draws what is done. With GLIMPSE_LONG=1 it draws for much longer.
"""

import copy
import io
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from numpy.typing import NDArray
from PIL import Image

from benchmarks.promises import litter, sound
from indexer import BuildOptions, Config, Filter, Library, Query, State, engines, planning
from storage import snapshots
from storage.homes import CATALOG
from storage.sqlite import backups
from tests.conftest import LONG
from tests.failpoints import InProcess

ROOTS = ("one", "two")
NAMES = [f"pic-{number}.png" for number in range(5)]
PLACES = [(root, name) for root in ROOTS for name in NAMES]
CHANGES = ("fill", "write", "move", "copy", "delete", "delete")
LABELS = ("holiday", "work")
MODELS = {"tiny": "tiny", "blind": "tiny:blind"}
RED = {"tiny": 1.0, "blind": 0.5}
COLOURS = np.random.default_rng(5).integers(1, 256, (6, 3))
BLACK, BROKEN = len(COLOURS), len(COLOURS) + 1
CONFIG = Config.from_mapping(
    {"build": {"batch_size": 3, "thumbnails": False}, "runtime": {"precision": "full"}}, "a test"
)
Picture = int


def data_of(picture: Picture) -> bytes:
    if picture == BROKEN:
        return b"no picture"
    colour = (0, 0, 0) if picture == BLACK else tuple(map(int, COLOURS[picture]))
    out = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(out, "PNG")
    return out.getvalue()


DATA = [data_of(picture) for picture in range(BROKEN + 1)]


def vector(picture: Picture, space: str) -> NDArray[np.float64]:
    """What the model `tiny` gives, worked out anew: the colour's direction."""
    colour = COLOURS[picture] * [RED[space], 1, 1]
    return np.asarray(colour / np.linalg.norm(colour))


@dataclass
class Known:
    """What a library has to know; pictures stand for their bytes."""

    photos: dict[str, dict[str, tuple[Picture, State]]] = field(default_factory=dict)
    """By root and name."""
    embedded: dict[str, set[Picture]] = field(default_factory=dict)
    """By space."""
    refused: set[Picture] = field(default_factory=set)
    """Those that no model gave a vector for."""
    tags: dict[Picture, set[str]] = field(default_factory=dict)

    def contents(self) -> set[Picture]:
        return {p for photos in self.photos.values() for p, _ in photos.values() if p != BROKEN}

    def forget(self, root: str) -> None:
        """A root goes, with all that no photo has any more."""
        del self.photos[root]
        kept = self.contents()
        self.embedded = {space: done & kept for space, done in self.embedded.items()}
        self.refused &= kept
        self.tags = {picture: tags for picture, tags in self.tags.items() if picture in kept}

    def passing(
        self, space: str, passes: Callable[[str, Picture], bool], offline: bool
    ) -> set[str]:
        """The photos that answer in a space, as "root/name"."""
        states = {State.PRESENT, State.OFFLINE} if offline else {State.PRESENT}
        return {
            f"{root}/{name}"
            for root, photos in self.photos.items()
            for name, (picture, state) in photos.items()
            if state in states
            and picture in self.embedded[space]
            and passes(f"{root}/{name}", picture)
        }


class AnyOrder(RuleBasedStateMachine):
    """Two folders of files, a library of them, and what it has to know."""

    def __init__(self, template: Path, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.folder, self.patch = folder, patch
        self.known, self.copied = Known(embedded={"tiny": set()}), dict[str, Known]()
        shutil.rmtree(folder, ignore_errors=True)
        self.at = folder / "library"
        shutil.copytree(template, self.at)
        self.files: dict[str, dict[str, Picture]] = {root: {} for root in ROOTS}
        self.away: set[str] = set()
        for root in ROOTS:
            (folder / root).mkdir()
        self.library = Library.open(self.at, config=CONFIG)

    def teardown(self) -> None:
        self.library.close()

    @initialize(trusting=st.booleans())
    def choose_how_time_stamps_are_taken(self, trusting: bool) -> None:
        self.patch.setattr(planning, "RACY_NS", 0 if trusting else 2_000_000_000)

    def _here(self, root: str) -> Path:
        return self.folder / (f"{root} away" if root in self.away else root)

    # What happens to files

    @rule(data=st.data(), what=st.lists(st.sampled_from(CHANGES), min_size=1, max_size=4))
    def change_files(self, data: st.DataObject, what: list[str]) -> None:
        for change in what:
            root, name = data.draw(st.sampled_from(PLACES))
            if change == "fill":
                for number, each in enumerate(NAMES):
                    self._write(root, each, number)
            elif change == "write":
                self._write(root, name, data.draw(st.integers(0, BROKEN)))
            elif files := self._all_files():
                old_root, old = data.draw(st.sampled_from(files))
                self._take(old_root, old, root, name, change)

    def _write(self, root: str, name: str, picture: Picture) -> None:
        (self._here(root) / name).write_bytes(DATA[picture])
        self.files[root][name] = picture

    def _take(self, old_root: str, old: str, root: str, name: str, change: str) -> None:
        """Move a file or copy it to another place, or delete it."""
        source, target = self._here(old_root) / old, self._here(root) / name
        picture = self.files[old_root][old]
        if change == "delete":
            source.unlink()
            del self.files[old_root][old]
        elif source != target:
            self.files[root][name] = picture
            if change == "copy":
                shutil.copyfile(source, target)
            else:
                source.rename(target)
                del self.files[old_root][old]

    @rule(root=st.sampled_from(ROOTS), leaves_a_folder=st.booleans())
    def unmount_or_mount(self, root: str, leaves_a_folder: bool) -> None:
        if root in self.away:
            if (self.folder / root).exists():
                (self.folder / root).rmdir()
            self._here(root).rename(self.folder / root)
            self.away.remove(root)
        else:
            self.away.add(root)
            (self.folder / root).rename(self._here(root))
            if leaves_a_folder:
                (self.folder / root).mkdir()

    def _all_files(self) -> list[tuple[str, str]]:
        return [(root, name) for root in ROOTS for name in sorted(self.files[root])]

    # What is done to the library

    def _can_be_built(self) -> list[str]:
        there = {root for root in ROOTS if root not in self.away and self.files[root]}
        return sorted(there | self.known.photos.keys())

    @rule(space=st.sampled_from(list(MODELS)), copies_are_old=st.booleans())
    @precondition(lambda self: self._can_be_built())
    def build_all(self, space: str, copies_are_old: bool) -> None:
        self._build(self._can_be_built(), space, copies_are_old)

    @rule(data=st.data(), space=st.sampled_from(list(MODELS)), copies_are_old=st.booleans())
    @precondition(lambda self: self._can_be_built())
    def build_one(self, data: st.DataObject, space: str, copies_are_old: bool) -> None:
        self._build([data.draw(st.sampled_from(self._can_be_built()))], space, copies_are_old)

    def _build(self, roots: list[str], space: str, copies_are_old: bool) -> None:
        if copies_are_old:
            for path in backups.backups(self.at / CATALOG):
                os.utime(path, (0, 0))
        report = self.library.build(
            [self.folder / root for root in roots],
            BuildOptions(model=MODELS[space], space=space),
            confirm=lambda question: True,
        )
        new = self._learn(roots, space)
        tried_again = report.embedded - len(new)
        assert tried_again == 0 or (tried_again == 1 and BLACK in self.known.refused)
        self._note_copies()
        assert litter(self.at) == []
        self.check()

    def _learn(self, roots: list[str], space: str) -> set[Picture]:
        """What a build of these roots teaches; the pictures that it has to embed."""
        pictures = set[Picture]()
        for root in roots:
            before = self.known.photos.setdefault(root, {})
            if root in self.away or (before and not self.files[root]):
                self.known.photos[root] = {
                    name: (picture, State.OFFLINE if state is State.PRESENT else state)
                    for name, (picture, state) in before.items()
                }
                continue
            self.known.photos[root] = {
                name: (picture, State.FAILED if picture == BROKEN else State.PRESENT)
                for name, picture in self.files[root].items()
            }
            pictures |= set(self.files[root].values()) - {BROKEN}
        if BLACK in pictures:
            self.known.refused.add(BLACK)
        done = self.known.embedded.setdefault(space, set())
        new = pictures - done - {BLACK}
        done |= new
        return new

    def _note_copies(self) -> None:
        there = {path.name for path in backups.backups(self.at / CATALOG)}
        assert len(there) <= CONFIG.library.backups
        self.copied = {name: self.copied.get(name) or copy.deepcopy(self.known) for name in there}

    @rule(data=st.data())
    @precondition(lambda self: self.known.photos)
    def remove(self, data: st.DataObject) -> None:
        root = data.draw(st.sampled_from(sorted(self.known.photos)))
        assert self.library.remove(self.folder / root) == len(self.known.photos[root])
        self.known.forget(root)
        self._note_copies()
        assert self.copied == {}
        self.check()

    @rule(data=st.data(), label=st.sampled_from(LABELS), gives=st.booleans())
    def tag(self, data: st.DataObject, label: str, gives: bool) -> None:
        known = [photo for photo in self.library.photos() if photo.sha256]
        if known:
            photo = data.draw(st.sampled_from(sorted(known, key=lambda photo: photo.path)))
            picture = self.known.photos[photo.path.parent.name][photo.path.name][0]
            change = self.library.add_tag if gives else self.library.remove_tag
            change([photo.id], label)
            tags = self.known.tags.setdefault(picture, set())
            tags.add(label) if gives else tags.discard(label)

    # What goes wrong

    @rule(data=st.data(), how=st.sampled_from(["reopen", "flip", "cut", "delete", "restore"]))
    def reopen(self, data: st.DataObject, how: str) -> None:
        """Open the library again, perhaps after damage to a snapshot, or with a copy of the catalog in its place."""
        self.library.close()
        found = sorted((self.at / snapshots.SNAPSHOTS).glob("*"))
        if how == "restore" and self.copied:
            name = data.draw(st.sampled_from(sorted(self.copied)))
            shutil.copyfile(self.at / name, self.at / CATALOG)
            self.known = copy.deepcopy(self.copied[name])
        elif how in ("flip", "cut", "delete") and found:
            damage(data.draw(st.sampled_from(found)), how, data.draw(st.floats(0, 0.99)))
        self.library = Library.open(self.at, config=CONFIG)
        self.check()

    # What is asked

    @rule(
        picture=st.integers(0, len(COLOURS) - 1),
        space=st.sampled_from(list(MODELS)),
        by=st.sampled_from(["", "tag", "without tag", "folder", "path"]),
        offline=st.booleans(),
    )
    def search(self, picture: Picture, space: str, by: str, offline: bool) -> None:
        if space in self.known.embedded:
            where, passes = self._filter(by, offline)
            query = Query.image(DATA[picture])
            answer = self.library.search(query, 1000, where=where, space=space, include_self=True)
            self._answers(answer, picture, space, self.known.passing(space, passes, offline))

    def _filter(self, by: str, offline: bool) -> tuple[Filter, Callable[[str, Picture], bool]]:
        tags = self.known.tags
        match by:
            case "tag":
                where = Filter(tag=("holiday",), include_offline=offline)
                return where, lambda path, picture: "holiday" in tags.get(picture, ())
            case "without tag":
                where = Filter(without_tag=("work",), include_offline=offline)
                return where, lambda path, picture: "work" not in tags.get(picture, ())
            case "folder":
                where = Filter(folder=str(self.folder / "one"), include_offline=offline)
                return where, lambda path, picture: path.startswith("one/")
            case "path":
                where = Filter(path="PIC-3", include_offline=offline)
                return where, lambda path, picture: "pic-3" in path
        return Filter(include_offline=offline), lambda path, picture: True

    def _answers(self, answer: object, picture: Picture, space: str, expected: set[str]) -> None:
        found = [f"{hit.path.parent.name}/{hit.path.name}" for hit in answer]  # type: ignore[attr-defined]
        scores = [hit.score for hit in answer]  # type: ignore[attr-defined]
        assert len(found) == len(set(found))
        assert set(found) == expected
        assert scores == sorted(scores, reverse=True)
        asked = vector(picture, space)
        cosines = [
            float(asked @ vector(self.known.photos[root][name][0], space))
            for root, name in (path.split("/") for path in found)
        ]
        assert scores == pytest.approx(cosines, abs=2e-3)

    def check(self) -> None:
        """Photos by state, tags, and what was skipped are what they have to be; and every promise holds."""
        photos = self.known.photos
        counts = {root.path.name: root.counts for root in self.library.status().roots}
        assert counts == {
            root: {state: n for state in State if (n := sum(s is state for _, s in each.values()))}
            for root, each in photos.items()
        }
        present = self.library.photos()
        assert {f"{photo.path.parent.name}/{photo.path.name}" for photo in present} == {
            f"{root}/{name}"
            for root, each in photos.items()
            for name, (_, state) in each.items()
            if state is State.PRESENT
        }
        for photo, tags in self.library.tags_of_photos([photo.id for photo in present]).items():
            path = self.library.photo(photo).path
            picture = photos[path.parent.name][path.name][0]
            assert {tag.label for tag in tags} == self.known.tags.get(picture, set())
        assert {
            f"{photo.path.parent.name}/{photo.path.name}" for photo in self.library.errors()
        } == {
            f"{root}/{name}"
            for root, each in photos.items()
            for name, (picture, state) in each.items()
            if state is State.FAILED or picture in self.known.refused
        }
        sound(self.at)


def damage(path: Path, how: str, at: float) -> None:
    """Flip a bit at that share of a file, cut it there, or delete it."""
    content = bytearray(path.read_bytes())
    match how:
        case "flip":
            content[int(at * len(content))] ^= 1
            path.write_bytes(content)
        case "cut":
            path.write_bytes(content[: int(at * len(content))])
        case _:
            path.unlink()


@pytest.mark.timeout(0 if LONG else 600)  # Hypothesis makes what it found simpler for up to 300 s
def test_a_library_knows_what_it_has_to_know_whatever_is_done_in_whatever_order(
    template: Path,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "DecodePool", InProcess)
    monkeypatch.setattr(snapshots, "LEAST_TAIL", 2)
    monkeypatch.setattr(snapshots, "SMALL_SHARE", 3)
    both = with_second_model(template, tmp_path_factory.mktemp("both"))
    run_state_machine_as_test(
        lambda: AnyOrder(both, tmp_path / "run", monkeypatch),  # type: ignore[arg-type]
        settings=settings(
            max_examples=3000 if LONG else 15,
            derandomize=not LONG,  # the long run explores; this one is the same each time
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def with_second_model(template: Path, folder: Path) -> Path:
    """The library with one space, and the model of a second ready for use."""
    for name in ("library", "other"):
        shutil.copytree(template, folder / name)
    Image.new("RGB", (8, 8), (1, 2, 3)).save(folder / "a.png")
    with Library.open(folder / "other", config=CONFIG) as library:
        library.build([folder], BuildOptions(model="tiny:blind"))
    shutil.copytree(folder / "other" / "models", folder / "library" / "models", dirs_exist_ok=True)
    return folder / "library"
