"""A link to any page, opened in another browser, shows the same picture: every canvas pixel by pixel, every sentence."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.reading import CANVASES, ENGLISH, link, linked, pictures, ready, write
from tests.browser.serving import painted, settled

TEXT = "Ana gave the key to Bento. 🦜 «céu» Then"
PATIENCE = 20


def assert_same(mine: Page, visit: Callable[..., Visit], name: str) -> Page:
    """Open what Share gives in another browser and compare; return the other page."""
    theirs = ready(visit(link(mine), locale="pt-BR").page, name)
    painted_ones = [key for key in CANVASES[name] if mine.locator(f".st-key-{key} canvas").count()]
    expected, found = drawn_alike(mine, theirs)
    assert len(expected) >= len(painted_ones) > 0
    assert found == expected
    for key in set(CANVASES[name]) - set(painted_ones):
        expect(theirs.locator(f".st-key-{key}")).to_have_text(mine.locator(f".st-key-{key}").inner_text(), use_inner_text=True)
    return theirs


def drawn_alike(mine: Page, theirs: Page) -> tuple[list[str], list[str]]:
    """The pictures of both pages, once they are the same; after `PATIENCE` looks, as they then are. A slow machine paints the last of
    them after the page has come to rest."""
    shown = pictures(mine), pictures(theirs)
    for _ in range(PATIENCE):
        if shown[0] == shown[1]:
            break
        theirs.wait_for_timeout(250)
        shown = pictures(mine), pictures(theirs)
    return shown


def assert_same_sentences(mine: Page, theirs: Page, what: str = ".v-reading") -> None:
    expect(theirs.locator(what)).to_have_text(mine.locator(what).all_inner_texts(), use_inner_text=True)


def test_a_link_to_attention(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = tab("/")
    write(page, TEXT)
    page.locator(".st-key-theatre .thumbs button[data-layer='2'][data-head='3']").click()
    page.locator(".st-key-theatre .tokens").first.locator("button").nth(6).click()
    page.locator(".st-key-theatre .legend input").check()
    page.wait_for_function("location.search.includes('a.sink=0')")
    theirs = assert_same(page, visit, "attention")
    painted(theirs, "theatre", painted(page, "theatre"))
    assert_same_sentences(page, theirs)


def test_a_link_to_a_mask_painted_by_hand(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = ready(tab("/masks"), "masks")
    write(page, TEXT)
    page.locator(".st-key-patterns [data-name=prefix]").click()
    expect(page.locator(".st-key-patterns [data-painted^='prefix.']")).to_be_attached()
    board = page.locator(".st-key-painter .matrix")
    board.focus()
    for key in ("ArrowDown", "ArrowDown", "r"):
        board.press(key)
    page.wait_for_function("location.search.includes('m.paint=')")
    before = settled(page).evaluate("location.href")
    board.press("ArrowRight")
    board.press("c")
    page.wait_for_function("before => location.href !== before", arg=before)
    page.get_by_role("radiogroup", name=ENGLISH("masks.maps.head")).get_by_text("3", exact=True).click()
    page.wait_for_function("location.search.includes('m.head=3')")
    theirs = assert_same(ready(page, "masks"), visit, "masks")
    assert_same_sentences(page, theirs)


def test_a_link_to_a_text_with_a_branch(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = ready(tab("/generation?g.stop=0&g.t=1.3&g.k=40"), "generation")
    write(page, TEXT)
    page.locator(".st-key-player .text button").nth(4).click()
    page.wait_for_function("location.search.includes('g.at=4')")
    page.locator(".st-key-dials .bars li:not(.drawn):not(.written):not(.cut):not(.others) button").first.click()
    page.wait_for_function("location.search.includes('g.picks=4.')")
    theirs = assert_same(page, visit, "generation")
    for part in (".st-key-player .text", ".st-key-player .position", ".st-key-dials .bars", ".st-key-dials .dials"):
        assert_same_sentences(page, theirs, part)


def test_a_link_to_two_plans(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = ready(tab("/size?s.b=config.layers~3~config.positions~Learned&s.x=tokens"), "size")
    page.locator(".st-key-size-drawer summary").click()
    width = page.get_by_role("slider", name=ENGLISH("settings.config.layers.name"))
    width.press("ArrowRight")
    page.wait_for_function("location.search.includes('s.a=')")
    theirs = assert_same(page, visit, "size")
    assert_same_sentences(page, theirs, ".v-plan")
    assert_same_sentences(page, theirs)


def test_a_link_opens_the_page_it_was_made_on_with_the_texts_of_the_others_untouched(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = ready(tab("/masks?m.spec=bidirectional&a.layer=2&a.head=1&g.t=1.1"), "masks")
    theirs = visit(link(page), locale="pt-BR").page
    ready(theirs, "masks")
    theirs.locator(".st-key-menu a").first.click()
    ready(theirs, "attention")
    assert painted(theirs, "theatre").split("/")[1:3] == ["1", "0"]
    linked(theirs, "g.t=1.1")
