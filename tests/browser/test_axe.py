"""No rule of axe-core is broken on any page, in either theme: what a screen reader, a keyboard and a weak eye need is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.reading import go
from tests.browser.serving import settled
from tests.browser.test_frame import PAGES

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RUN = """rules => axe.run(document, {resultTypes: ["violations"], selectors: false, ...(rules ? {runOnly: rules} : {})})
    .then(found => found.violations.map(({id, nodes}) => [id, nodes.map(node => node.html)]))"""


def broken(page: Page, *rules: str) -> list[Any]:
    """Every rule (of these, or of all) that the page breaks as it stands, and the elements by which it does. Nothing is left out."""
    page.evaluate("source => window.axe || (0, eval)(source)", AXE)
    return page.evaluate(RUN, list(rules) or None)


def test_no_page_breaks_a_rule_of_axe_in_either_theme(visit: Callable[..., Visit]) -> None:
    """Every rule on every page in one theme, each page's contrasts in the other; which is first alternates."""
    page = visit("/?lang=en&theme=light").page
    found: dict[str, list[Any]] = {}
    for name in PAGES:
        go(page, name)
        found[name] = broken(settled(page, wholly=True))
        worn = str(page.evaluate("document.documentElement.dataset.scheme"))
        page.click(".st-key-theme button")
        expect(page.locator("html")).not_to_have_attribute("data-scheme", worn)
        found[name] += broken(settled(page, wholly=True), "color-contrast")
    assert {name: rules for name, rules in found.items() if rules} == {}
