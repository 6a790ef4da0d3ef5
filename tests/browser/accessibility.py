"""What axe-core says of a page."""

import pytest
from playwright.sync_api import Page

__all__ = ["serious"]


def serious(page: Page, scheme: str) -> list[str]:
    """Its serious and critical findings, in the colour scheme that the visitor likes."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.wait_for_timeout(500)  # colours change slowly
    return [
        f"{finding['id']}: {node['html'][:200]}"
        for finding in axe.Axe().run(page).response["violations"]
        if finding["impact"] in ("serious", "critical")
        for node in finding["nodes"]
    ]
