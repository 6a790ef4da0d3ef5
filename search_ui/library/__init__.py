"""What the library holds: its folders, its spaces, what was skipped; and bringing it up to date."""

from collections import Counter
from collections.abc import Iterable

import streamlit as st

from indexer import Library, State, Status, known_models
from indexer.amounts import readable_size
from indexer.errors import GlimpseError
from search_ui import cards, opened
from search_ui.access.door import LEAVE
from search_ui.access.password import has_password
from search_ui.library.skipped import show_skipped
from search_ui.library.tags import show_tags
from search_ui.literal import readable, show_error
from search_ui.tasks.job_panel import PROBLEM, is_busy, show_job, try_start

__all__ = ["page"]

SIZES_S = 60.0
"""So old may the figure of what is on disk be, for which every file of the library is looked at."""
WORDS = {State.PRESENT: "photos", State.FAILED: "skipped"}


def page() -> None:
    """Draw the page; what goes wrong is one line."""
    cards.show_style()
    with st.container(key="library", gap="small"):
        try:
            _draw(opened.library())
        except GlimpseError as error:
            show_error(str(error))


def _draw(library: Library) -> None:
    status = library.status()
    cards.show_title("Library", readable(status.folder))
    figures = st.empty()  # the sizes take longest, and come last
    with figures:
        cards.show_figures(_figures(status))
    show_job()
    _show_folders(status)
    _show_spaces(library, status)
    show_tags(library)
    show_skipped(library)
    if has_password(library.folder):
        st.html(f'<p><a href="{LEAVE}" target="_self">Sign out of this browser</a></p>')
    with figures:
        cards.show_figures(_figures(status) | _sizes(library))


def _figures(status: Status) -> dict[str, str]:
    counts = sum((Counter(root.counts) for root in status.roots), Counter[State]())
    shown = {WORDS.get(state, str(state)): f"{counts[state]:,}" for state in State if counts[state]}
    return {"photos": "0"} | shown | {"on disk": "…"}


def _sizes(library: Library) -> dict[str, str]:
    return {"on disk": readable_size(_bytes_on_disk(library))}


@st.cache_data(ttl=SIZES_S, show_spinner=False)
def _bytes_on_disk(_library: Library) -> int:
    return sum(_library.sizes().values())


def _show_folders(status: Status) -> None:
    cards.show_section("Folders", "" if status.roots else "None yet: add one with pictures below.")
    for number, root in enumerate(status.roots):
        facts = [
            f"{root.counts[state]:,} {WORDS.get(state, str(state))}"
            for state in State
            if root.counts.get(state)
        ]
        reason = root.offline_reason
        lost = f"cannot be reached ({reason}); its photos come back with it" if reason else None
        with cards.card(f"root-{number}"):
            cards.show_card(readable(root.path), facts or ["no photos"], lost)
            st.button(
                "Update",
                key=f"update-{number}",
                icon=":material/refresh:",
                disabled=is_busy(),
                on_click=_build,
                args=([str(root.path)], f"Updating {readable(root.path)}"),
            )
    _show_adding(status)


def _show_adding(status: Status) -> None:
    with st.container(key="adding", horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Add a folder",
            key="folder",
            placeholder="/home/me/Pictures, or ~/Pictures",
            on_change=_add,
            disabled=is_busy(),
        )
        st.button("Add", on_click=_add, disabled=is_busy(), key="add")
        if status.roots:
            st.button(
                "Update all",
                icon=":material/refresh:",
                on_click=_build,
                args=([], "Updating all folders"),
                disabled=is_busy(),
            )


def _add() -> None:
    """Enter in the field and a click on the button may come together, and are one wish."""
    folder = st.session_state["folder"].strip()
    if folder and not is_busy():
        _build([folder], f"Adding {folder}")
        st.session_state["folder"] = ""


def _show_spaces(library: Library, status: Status) -> None:
    cards.show_section("Spaces", "What photos and words are compared by; a model each.")
    for space in status.spaces:
        facts = [
            space.model,
            f"{space.dim} dimensions",
            "words and pictures" if space.reads_text else "pictures only",
            f"{space.vectors:,} vectors",
            f"{space.index} index, recall {space.recall:.3f}",
        ]
        with cards.card(f"space-{space.name}"):
            cards.show_card(space.name, facts, mark="default" if space.is_default else "")
            st.button(
                "Update",
                key=f"build-{space.name}",
                icon=":material/refresh:",
                disabled=is_busy() or not status.roots,
                on_click=_build,
                args=([], f"Updating the space {space.name}"),
                kwargs={"space": space.name},
            )
            if not space.is_default:
                st.button(
                    "Make default",
                    key=f"use-{space.name}",
                    on_click=_use,
                    args=(library, space.name),
                )
    _show_models(status)


def _show_models(status: Status) -> None:
    used = {space.model for space in status.spaces}
    models = {model.name: model for model in known_models() if model.name not in used}
    if not models or not status.roots:
        return

    def describe(name: str) -> str:
        model = models[name]
        where = "on disk" if model.on_disk else f"{model.megabytes} MB to download"
        return f"{name}: {where}, {'words and pictures' if model.reads_text else 'pictures only'}"

    with st.container(horizontal=True, vertical_alignment="bottom", key="models"):
        chosen = st.selectbox("Add a space, by a model", list(models), format_func=describe)
        st.button(
            "Build",
            on_click=_build,
            args=([], f"Building a space with {chosen}"),
            kwargs={"model": chosen},
            disabled=is_busy(),
        )


def _build(paths: Iterable[str], title: str, **options: object) -> None:
    try_start(title, {"build": list(paths), **options})


def _use(library: Library, space: str) -> None:
    try:
        library.use(space)
    except GlimpseError as error:
        st.session_state[PROBLEM] = str(error)
