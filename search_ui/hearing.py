"""Components of the page, and what they tell."""

from collections.abc import Callable
from typing import Any

import streamlit as st

__all__ = ["draw"]

Deed = Callable[[Any], None]


def draw(component: Callable[..., Any], key: str, data: dict[str, Any], **deeds: Deed) -> None:
    """Draw a component; each deed gets what it tells under the deed's name.

    A tab that outlives its session, because the server began anew or was long out of reach, tells the next session
    something before that has drawn anything: Streamlit then knows of no callback yet, and calls none.
    """
    calls = {f"on_{name}_change": _taking(key, name, deed) for name, deed in deeds.items()}
    told = component(key=key, data=data, **calls)
    if st.session_state.get(known := f"{key}-known"):
        return
    st.session_state[known] = True
    missed = {name: told[name] for name in deeds if told[name] is not None}
    for name, what in missed.items():
        deeds[name](what)
    if missed:
        st.rerun()


def _taking(key: str, name: str, deed: Deed) -> Callable[[], None]:
    return lambda: deed(getattr(st.session_state[key], name))
