"""The frame above every page, in a real browser: language, theme, text, link, history, phone, and no request that leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from components.i18n import Words
from tests.browser.conftest import Visit, settled
from tests.browser.reading import linked

PAGES = (
    "attention",
    "inside",
    "layers",
    "heads",
    "embeddings",
    "change",
    "masks",
    "training",
    "generation",
    "tree",
    "strategies",
    "cache",
    "size",
    "families",
    "positions",
    "paper",
)
CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
DARK_PAPER, LIGHT_PAPER = "rgb(28, 27, 33)", "rgb(251, 249, 245)"


def paper(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")


def text_of(page: Page) -> str:
    return page.locator(".st-key-prompt textarea").input_value()


def write(page: Page, text: str) -> None:
    area = page.locator(".st-key-prompt textarea")
    area.fill(text)
    area.press("Enter")
    settled(page)


def each_page(page: Page) -> Iterator[str]:
    """Go through the menu, resting on each page."""
    for link in page.locator(".st-key-menu a").all():
        link.click()
        expect(link).to_have_attribute("aria-current", "page")
        settled(page)
        yield link.inner_text()


@pytest.mark.parametrize("name", ["attention", "paper"])
def test_the_first_page_answers_at_its_own_address_too_and_so_does_one_that_reads_no_text(tab: Callable[..., Page], name: str) -> None:
    """All others, and the bare address, are opened in `test_phone.py`."""
    page = tab(f"/{name}")
    expect(page.locator(".st-key-menu a[aria-current]")).to_have_text(Words("en")(f"shell.menu.{name}"))
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_browsers_language_is_the_first_guess_and_the_switch_changes_it(visit: Callable[..., Visit]) -> None:
    page = visit("/", locale="en-GB").page
    assert page.evaluate("document.documentElement.lang") == "en"
    page.click(".st-key-w-lang button:has-text('PT')")
    page.wait_for_function("document.documentElement.lang === 'pt-BR'")
    expect(page.locator(".st-key-menu")).to_contain_text("Atenção")
    linked(page, "lang=pt-BR")


def test_the_theme_changes_at_once_and_nothing_is_lost(page: Page) -> None:
    write(page, "A neve é")
    assert paper(page) == LIGHT_PAPER
    page.click(".st-key-theme button")
    page.wait_for_function(f"getComputedStyle(document.querySelector('.stApp')).backgroundColor === '{DARK_PAPER}'")
    linked(page, "theme=dark")
    assert paper(settled(page)) == DARK_PAPER
    assert text_of(page) == "A neve é"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_link_to_a_theme_wears_it_whatever_the_browser_prefers(visit: Callable[..., Visit], scheme: Literal["light", "dark"]) -> None:
    page = visit("/?theme=dark" if scheme == "light" else "/?theme=light", scheme=scheme).page
    assert paper(page) == (DARK_PAPER if scheme == "light" else LIGHT_PAPER)


def test_a_shared_link_opens_the_same_state_in_another_browser(visit: Callable[..., Visit]) -> None:
    mine = visit("/masks").page
    write(mine, "Ana & Bento — «céu»?")
    mine.click(".st-key-theme button")
    settled(mine)
    mine.click(".st-key-share button")
    link = mine.locator("[data-testid=stPopoverBody] input").input_value()
    theirs = visit(link, locale="en-US").page
    expect(theirs.locator(".st-key-prompt textarea")).to_have_value("Ana & Bento — «céu»?")
    assert paper(theirs) == DARK_PAPER
    assert theirs.evaluate("document.documentElement.lang") == "pt-BR"
    expect(theirs.locator(".st-key-menu a[aria-current]")).to_have_text("Máscaras")


def test_a_change_of_state_is_no_step_in_history_but_a_page_is(page: Page) -> None:
    before = page.evaluate("history.length")
    write(page, "O mar é")
    write(page, "O sol é")
    page.click(".st-key-theme button")
    settled(page)
    assert page.evaluate("history.length") == before
    page.click(".st-key-menu a:has-text('Tamanho')")
    page.wait_for_url("**/size?*")
    settled(page)
    assert page.evaluate("history.length") == before + 1
    page.go_back()
    expect(page.locator(".st-key-menu a[aria-current]")).to_have_text("Atenção")
    expect(page.locator(".st-key-prompt textarea")).to_have_value("O sol é")


def test_tokens_are_data_not_markup(page: Page) -> None:
    write(page, "<img src=x onerror=alert(1)> **céu** $x$")
    chips = page.locator(".st-key-chips li")
    expect(chips.first).to_have_text("⟨início⟩")
    expect(chips.get_by_text("<", exact=True).first).to_be_visible()
    assert page.locator(".st-key-chips img").count() == 0


def test_a_pause_in_typing_is_enough(page: Page) -> None:
    page.locator(".st-key-prompt textarea").fill("A noite é")
    page.wait_for_function("location.search.includes('noite')")
    expect(page.locator(".st-key-chips li").last).to_have_text("é")


def test_a_phone_shows_every_page_without_scrolling_sideways_and_no_request_leaves_the_machine(visit: Callable[..., Visit]) -> None:
    seen = visit(width=390, height=844)
    page, shown = seen.page, []
    for name in each_page(page):
        shown.append(name)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        box = page.locator(".st-key-menu a[aria-current]").bounding_box()
        assert box is not None
        assert 0 <= box["x"] < box["x"] + box["width"] <= 390, name
    assert shown == [Words("pt-BR")(f"shell.menu.{name}") for name in PAGES]
    assert seen.traffic.hosts <= {"localhost", "127.0.0.1", ""}
    assert seen.traffic.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_of_the_frame_can_be_read(visit: Callable[..., Visit], scheme: str) -> None:
    page = visit(f"/?theme={scheme}&text=O+zordo&a.nonsense=1&lang=xx").page
    assert page.evaluate(CONTRAST, ".st-key-header, .st-key-prompt, .v-note, .v-reading, [data-testid=stCaptionContainer]") == []


def test_the_whole_menu_is_within_reach_of_the_keyboard(page: Page) -> None:
    page.locator(".st-key-menu a").first.focus()
    for name in PAGES[1:]:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == Words("pt-BR")(f"shell.menu.{name}")
    page.keyboard.press("Enter")
    page.wait_for_url("**/paper*")
