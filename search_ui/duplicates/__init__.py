"""Duplicates: photos that are the same, to compare side by side; nothing is deleted."""

from collections.abc import Sequence

import streamlit as st

from indexer import Library
from indexer.amounts import readable_size
from indexer.errors import GlimpseError
from search_ui import cards, going, opened
from search_ui.duplicates.comparing import show_comparison
from search_ui.duplicates.copies import Copies, extra_paths, found, task_for
from search_ui.literal import readable, show_error, show_line, show_notice
from search_ui.pictures import EDGES, address
from search_ui.tasks.job_panel import do_first

__all__ = ["page"]

TITLE = "Looking for duplicates"
GROUPS = 12
"""On one page."""
KINDS = {"all": "All", "exact": "Exact copies", "near": "Near duplicates"}
TOLD = {"exact": "exact copies", "near": "near duplicates"}
COMPARED, KIND, TURNED = "group", "kind", "page"
"""Parameters of the address."""


def page() -> None:
    """Draw the page; what goes wrong is one line."""
    going.search_if_asked()
    cards.show_style()
    with st.container(key="duplicates", gap="small"):
        cards.show_title("Duplicates")
        try:
            _draw(opened.library())
        except GlimpseError as error:
            show_error(str(error))


def _draw(library: Library) -> None:
    count = library.count()
    if not count:
        show_notice("there are no photos yet; add a folder on the page Library")
        return
    task = task_for(library)
    groups = found(library, task)
    if groups is None:
        do_first(TITLE, task)
    elif not groups:
        show_notice(f"no two of the {count:,} photos are the same")
    elif COMPARED in st.query_params:
        show_comparison(_of_kind(groups), st.query_params[COMPARED], _compare)
    else:
        _list(groups)


def _list(groups: Sequence[Copies]) -> None:
    extra = [photo for group in groups for photo in group.extra]
    cards.show_figures(
        {
            "groups": f"{len(groups):,}",
            "extra copies": f"{len(extra):,}",
            "taken by them": readable_size(sum(photo.size for photo in extra)),
        }
    )
    shown = _of_kind(groups)
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        _choose_kind()
        st.download_button(
            "Paths of the extra copies",
            lambda: extra_paths(shown),
            "extra-copies.txt",
            "text/plain",
            icon=":material/download:",
            on_click="ignore",
            disabled=not shown,
        )
    show_line("Glimpse deletes nothing: the list names all but the first photo of each group.")
    pages = max(-(-len(shown) // GROUPS), 1)
    turned = min(max(_number(st.query_params.get(TURNED)), 1), pages)
    for group in shown[(turned - 1) * GROUPS : turned * GROUPS]:
        _show_group(group)
    if pages > 1:
        _show_turning(turned, pages)


def _of_kind(groups: Sequence[Copies]) -> list[Copies]:
    kind = st.query_params.get(KIND)
    return [group for group in groups if kind not in TOLD or group.kind == kind]


def _choose_kind() -> None:
    kind = st.query_params.get(KIND)
    st.session_state["copies-kind"] = kind if kind in TOLD else "all"
    st.segmented_control(
        "Kind",
        list(KINDS),
        key="copies-kind",
        format_func=KINDS.__getitem__,
        label_visibility="collapsed",
        on_change=_pick_kind,
        width="content",
    )


def _pick_kind() -> None:
    """Called now and then for a choice that was made before, too: what is open then stays open."""
    kind = st.session_state["copies-kind"] or "all"
    if kind != st.query_params.get(KIND, "all"):
        st.query_params.from_dict({KIND: kind})


def _show_group(group: Copies) -> None:
    best, count = group.photos[0], len(group.photos)
    with cards.card(f"group-{best.id}"):
        cards.show_strip(
            [(address(photo, EDGES[0]), readable(photo.path.name)) for photo in group.photos],
            f"{count:,} {TOLD[group.kind]}, {readable_size(sum(photo.size for photo in group.extra))} to spare",
            [
                f"{readable(photo.path.name)}: {reason}"
                for photo, reason in zip(group.photos, group.reasons, strict=True)
            ],
        )
        st.button(
            "Compare",
            key=f"compare-{best.id}",
            icon=":material/compare:",
            on_click=_compare,
            args=(group.address,),
        )


def _show_turning(turned: int, pages: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="center"):
        st.button("Previous page", disabled=turned == 1, on_click=_turn, args=(turned - 1,))
        show_line(f"page {turned:,} of {pages:,}")
        st.button("Next page", disabled=turned == pages, on_click=_turn, args=(turned + 1,))


def _turn(number: int) -> None:
    st.query_params[TURNED] = str(number)


def _compare(group: str | None) -> None:
    """Go to a group, or back to all of them."""
    if group is not None:
        st.query_params[COMPARED] = group
    elif COMPARED in st.query_params:
        del st.query_params[COMPARED]


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 9 else 1
