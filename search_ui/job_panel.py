"""The task that runs: how far it is, its question, a button to stop it, and how it ended."""

from typing import Any

import streamlit as st

from indexer.errors import GlimpseError
from search_ui.cards import show_progress
from search_ui.job import Job, Told, current, latest, start
from search_ui.literal import show_error, show_line, show_notice

__all__ = ["PROBLEM", "do_first", "is_busy", "show_job", "try_start"]

EVERY_S = 0.7
PROBLEM = "problem"
"""Where what went wrong in a click waits to be shown."""


def is_busy() -> bool:
    """Whether a task runs, so that no other can begin."""
    job = current()
    return job is not None and job.is_running


def try_start(title: str, task: dict[str, Any]) -> None:
    """Begin a task after a click; what is wrong with that is a line of the panel."""
    try:
        start(title, task)
    except GlimpseError as error:
        st.session_state[PROBLEM] = str(error)


def show_job() -> None:
    """The panel; live while the task runs, and then the whole page is drawn anew."""
    if PROBLEM in st.session_state:
        show_error(st.session_state.pop(PROBLEM))
    job = current()
    if job is None or (job.told.ended == "done" and job.told.found is not None):
        return  # what was found is told where it belongs
    with st.container(border=True, key="job"):
        if job.is_running:
            st.fragment(_watch, run_every=EVERY_S)(job)
        else:
            _show_end(job)


def do_first(title: str, task: dict[str, Any]) -> None:
    """Begin what a page needs before it can be drawn, and show how far it is; what failed waits for a click."""
    last = latest(next(iter(task)))
    fails = last is not None and last.task == task and last.told.ended in ("failed", "stopped")
    if not is_busy() and not fails:
        start(title, task)
    show_job()
    running = current()
    if not is_busy():
        st.button(f"{title}: start again", on_click=try_start, args=(title, task))
    elif running is not None and running.task != task:
        show_notice(f"{title[:1].lower()}{title[1:]} begins when this has ended")


def _watch(job: Job) -> None:
    if not job.is_running:
        st.rerun()  # what it brought is on other parts of the page
    told = job.told
    show_line(job.title)
    if told.question is not None:
        _ask(job, told.question)
        return
    show_progress(job.title, told.steps, told.of)
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        show_line("Stopping…" if job.is_stopping else _how_far(told))
        st.button("Stop", icon=":material/stop:", on_click=job.stop, disabled=job.is_stopping)


def _ask(job: Job, question: str) -> None:
    show_notice(question)
    with st.container(horizontal=True):
        st.button("Keep them", on_click=job.answer, args=(False,))
        st.button("Forget them", on_click=job.answer, args=(True,))
        st.button("Stop", icon=":material/stop:", on_click=job.stop)


def _show_end(job: Job) -> None:
    show_line(job.title)
    show = show_error if job.told.ended == "failed" else show_notice
    for line in job.told.lines:
        show(line)


def _how_far(told: Told) -> str:
    """In words, with the rate and the time that is left where both are known."""
    if not told.of:
        counted = f"{told.what}: {told.steps:,}" if told.steps else f"{told.what}…"
        return f"{counted} ({told.note})" if told.note else counted
    words = f"{told.what}: {told.steps:,} of {told.of:,}"
    if told.seconds and told.steps:
        rate = told.steps / told.seconds
        words += f", {rate:.0f} a second, {_duration((told.of - told.steps) / rate)} left"
    return words


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
