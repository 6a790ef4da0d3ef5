"""The filters at the side, with how many photos each choice leaves."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import streamlit as st

from indexer import Facets, Filter, Library
from indexer.errors import UsageError
from search_ui.address import EVERYTHING, asked, change
from search_ui.literal import readable, show_error
from search_ui.opened import config
from search_ui.search.counting import counting
from search_ui.search.folders import shortened

__all__ = ["show"]

CHOICES = {
    "camera": "Camera",
    "lens": "Lens",
    "format": "Format",
    "orientation": "Orientation",
}
TEXTS = {
    "path": ("Text in the path", "holiday"),
    "near": ("Near a place", "latitude, longitude, km"),
    "min_size": ("Files from", "500kB"),
    "max_size": ("Files up to", "20MB"),
}
TAGS = {"tag": "With all these tags", "without_tag": "Without these tags"}
FIRST_DAY, LAST_DAY = datetime.date(1826, 1, 1), datetime.date(2099, 12, 31)
DAY = datetime.timedelta(days=1)

Counts = Mapping[str, int]


def show(library: Library, where: Filter, roots: Sequence[str]) -> None:
    """Draw them as the address says; `roots` are what the folders are in."""
    # Most filters are not set, and the counts are then the same.
    counted = cache(counting(library).of)
    with st.sidebar:
        _year(counted(replace(where, after=None, before=None)).year, where)
        until = _date(where.before)
        _day("after", "From", _date(where.after), lambda day: day)
        _day("before", "Until", until - DAY if until else None, lambda day: day + DAY)
        folders = _counts(counted, where, "folder")
        _choice("folder", "Folder", folders, where.folder, lambda path: shortened(path, roots))
        for name, label in CHOICES.items():
            _choice(name, label, _counts(counted, where, name), getattr(where, name))
        _rating(_counts(counted, where, "min_rating", "rating"), where.min_rating)
        for name, label in TAGS.items():
            _tags(name, label, counted(where).tag, getattr(where, name))
        for name, (label, hint) in TEXTS.items():
            if name != "near" or config().ui.places:
                _text(name, label, hint, getattr(where, name) or "")
        _offline(where.include_offline)


def _counts(
    counted: Callable[[Filter], Facets], where: Filter, name: str, facet: str | None = None
) -> Counts:
    """The choices there are when this one filter is left out, or it would offer nothing else."""
    others = replace(where, **{name: getattr(EVERYTHING, name)})
    counts: Counts = getattr(counted(others), facet or name)
    return counts


def _key(name: str, value: Any) -> str:
    """A widget's key, whose value is what the address says: Back changes it alone."""
    key = f"filter-{name}"
    st.session_state[key] = value
    return key


def _set(name: str, read: Callable[[Any], Any] = lambda value: value) -> Callable[[], None]:
    """What takes a widget's value over into the address."""

    def take() -> None:
        value = st.session_state[f"filter-{name}"]
        try:
            where = replace(
                asked().where, **{name: read(value) if value else getattr(EVERYTHING, name)}
            )
        except UsageError as error:
            st.session_state["refused"] = {name: str(error)}
        else:
            change(where=where, photo=None)

    return take


def _year(counts: Counts, where: Filter) -> None:
    year = where.after if where.after and where.before == str(int(where.after[:4]) + 1) else None
    options = sorted({*counts, *([year] if year else [])}, reverse=True)
    key = _key("year", year)

    def take() -> None:
        chosen = st.session_state[key]
        after, before = (chosen, str(int(chosen) + 1)) if chosen else (None, None)
        change(where=replace(asked().where, after=after, before=before), photo=None)

    _select("Year", options, counts, key, take)


def _day(
    name: str,
    label: str,
    day: datetime.date | None,
    read: Callable[[datetime.date], datetime.date],
) -> None:
    st.date_input(
        label,
        key=_key(name, day),
        min_value=FIRST_DAY,
        max_value=LAST_DAY,
        format="YYYY-MM-DD",
        on_change=_set(name, lambda chosen: read(chosen).isoformat()),
    )


def _date(text: str | None) -> datetime.date | None:
    """The first day that a date of a filter may mean."""
    year, month, day = ([*(text or "").partition("T")[0].split("-"), "1", "1"])[:3]
    try:
        found = datetime.date(int(year), int(month), int(day))
    except ValueError:
        return None
    return min(max(found, FIRST_DAY), LAST_DAY)


def _choice(
    name: str, label: str, counts: Counts, value: str | None, called: Callable[[str], str] = str
) -> None:
    options = [*counts, *([value] if value and value not in counts else [])]
    if options:
        _select(label, options, counts, _key(name, value), _set(name), called)


def _select(
    label: str,
    options: list[str],
    counts: Counts,
    key: str,
    take: Callable[[], None],
    called: Callable[[str], str] = str,
) -> None:
    st.selectbox(
        label,
        options,
        key=key,
        index=None,
        placeholder="Any",
        format_func=lambda value: _counted(value, counts, called),
        on_change=take,
    )


def _counted(value: str, counts: Counts, called: Callable[[str], str] = str) -> str:
    count, name = counts.get(value), readable(called(value))
    return name if count is None else f"{name} ({count:,})"


def _rating(counts: Counts, stars: int | None) -> None:
    at_least = {
        least: sum(count for rating, count in counts.items() if int(rating) >= least)
        for least in range(1, 6)
    }
    options = [least for least, count in at_least.items() if count or least == stars]
    if options:
        st.selectbox(
            "Rating",
            options,
            key=_key("min_rating", stars),
            index=None,
            placeholder="Any",
            format_func=lambda least: f"{'★' * least} and more ({at_least[least]:,})",
            on_change=_set("min_rating"),
        )


def _tags(name: str, label: str, counts: Counts, chosen: tuple[str, ...]) -> None:
    options = list(dict.fromkeys([*counts, *chosen]))
    if options:
        st.multiselect(
            label,
            options,
            key=_key(name, list(chosen)),
            placeholder="Any",
            format_func=lambda tag: _counted(tag, counts),
            on_change=_set(name, tuple),
        )


def _text(name: str, label: str, hint: str, value: str) -> None:
    st.text_input(
        label,
        key=_key(name, value),
        placeholder=hint,
        on_change=_set(name, lambda text: text.strip() or None),
    )
    if refused := st.session_state.get("refused", {}).get(name):
        del st.session_state["refused"]
        show_error(refused)


def _offline(value: bool) -> None:
    st.checkbox(
        "Also photos that cannot be reached now",
        key=_key("include_offline", value),
        on_change=_set("include_offline"),
    )
