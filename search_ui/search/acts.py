"""What a visitor does with photos: opens them, asks with them, marks and tags them."""

from collections.abc import Iterable
from typing import Any

import streamlit as st

from indexer.errors import GlimpseError
from search_ui import opened
from search_ui.address import asked, change
from search_ui.literal import show_notice
from search_ui.search.bar import forget_upload

__all__ = ["act", "show_notice_once"]

NOTICE = "notice"


def act(what: dict[str, Any]) -> None:
    """Do what the gallery was told; what it does not know is passed over."""
    ids = tuple(int(id) for id in what.get("ids", ()))
    match what.get("do"):
        case "open":
            change(photo=ids[0])
        case "close":
            change(photo=None)
        case "like" | "by":
            _ask_with(f"photo:{id}" for id in ids)
        case "region":
            part = ",".join(f"{float(side):g}" for side in what["box"])
            _ask_with([f"photo:{ids[0]}@{part}"])
        case "more" | "less" as side:
            _mark(side, ids)
        case "tag" | "untag" as deed:
            _tag(deed, ids, str(what.get("label", "")))


def show_notice_once() -> None:
    """What came of the last deed."""
    if notice := st.session_state.pop(NOTICE, None):
        show_notice(notice)


def _ask_with(terms: Iterable[str]) -> None:
    """Ask with photos, and with nothing else; filters stay."""
    forget_upload()
    change(q=" + ".join(terms), more=(), less=(), photo=None)


def _mark(side: str, ids: tuple[int, ...]) -> None:
    """Marks change the question; where there is none, the photos are it."""
    wanted = asked()
    if not wanted.q and not wanted.more:
        sign = "+" if side == "more" else "-"
        change(q=" ".join(f"{sign} photo:{id}" for id in ids).removeprefix("+ "), photo=None)
        return
    other = "less" if side == "more" else "more"
    marked = tuple(dict.fromkeys([*getattr(wanted, side), *ids]))
    kept = tuple(id for id in getattr(wanted, other) if id not in ids)
    change(**{side: marked, other: kept, "photo": None})


def _tag(deed: str, ids: tuple[int, ...], label: str) -> None:
    library = opened.library()
    try:
        (library.add_tag if deed == "tag" else library.remove_tag)(ids, label)
    except GlimpseError as error:
        st.session_state[NOTICE] = str(error)
        return
    if len(ids) > 1:
        st.session_state[NOTICE] = f"{len(ids)} photos have the tag {label} now"
