"""The pages and the way between them. Streamlit runs this file at each step of a visitor."""

from pathlib import Path

import streamlit as st

from search_ui import atlas, duplicates, library, search


def main() -> None:
    """Draw the page that the address names."""
    st.set_page_config("Glimpse", "🔎", layout="wide")
    st.html(Path(__file__).with_name("page.css"))
    pages = [
        st.Page(search.page, title="Search", icon=":material/search:", default=True),
        st.Page(
            duplicates.page,
            title="Duplicates",
            icon=":material/filter_none:",
            url_path="duplicates",
        ),
        st.Page(atlas.page, title="Map", icon=":material/bubble_chart:", url_path="map"),
        st.Page(library.page, title="Library", icon=":material/photo_library:", url_path="library"),
    ]
    st.navigation(pages, position="top").run()


if __name__ == "__main__":  # as Streamlit runs it
    main()
