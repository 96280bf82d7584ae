"""Every page on a phone: nothing to scroll sideways, text to be read, targets for a finger, and the main controls work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.conftest import Desk
from tests.browser.reading import ADDRESS, ENGLISH, address, ready, repainted
from tests.browser.serving import painted, settled, watched

NARROW = Path(__file__).with_name("narrow.js").read_text(encoding="utf-8")
WIDTH, SMALLEST_TEXT, SMALLEST_TARGET = 390, 12, 24  # CSS pixels; the last is WCAG 2.2's
TEXT = "Ana gave the key to Bento, but Carla 🦜 found the old red box in the kitchen of the school."
CANVAS_TEXT = """
    window.smallestText = Infinity;
    const fillText = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (...given) {
        window.smallestText = Math.min(window.smallestText, parseFloat(this.font.match(/([\\d.]+)px/)[1]));
        return fillText.apply(this, given);
    };
"""


@pytest.fixture(scope="module")
def pocket(chromium: Browser) -> Iterator[Desk]:
    """A phone's browser, which notes the smallest text that any canvas draws."""
    viewport: ViewportSize = {"width": WIDTH, "height": 844}
    context = watched(chromium.new_context(viewport=viewport, locale="en-US", device_scale_factor=2, is_mobile=True, has_touch=True))
    context.add_init_script(CANVAS_TEXT)
    yield Desk(context)
    context.close()


@pytest.fixture
def phone(server: str, pocket: Desk) -> Iterator[Callable[..., Page]]:
    """`phone(name)`: a page on the phone with a text on it if one is given, all of it painted; afterwards nothing may have gone wrong in it."""
    visits = []

    def open_page(name: str, text: str = "") -> Page:
        visits.append(pocket.tab().open(server + (address(name, text) if text else ADDRESS[name])))
        return ready(visits[-1].page, name)

    yield open_page
    for each in visits:
        pocket.close(each)


@pytest.mark.parametrize("name", ADDRESS)
def test_every_page_answers_at_its_own_address_and_everything_can_be_read_and_touched(phone: Callable[..., Page], name: str) -> None:
    page = phone(name, TEXT)
    expect(page.locator(".st-key-menu a[aria-current]")).to_have_text(ENGLISH(f"shell.menu.{name}"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    for drawer in page.locator("[data-testid=stExpander] summary").all():
        drawer.tap()
        settled(page)
    settled(page, wholly=True)
    assert page.evaluate("Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)") <= WIDTH
    assert page.locator("[data-testid=stMain]").evaluate("node => node.scrollWidth - node.clientWidth") <= 0
    assert page.evaluate(NARROW, [SMALLEST_TEXT, SMALLEST_TARGET]) == []
    assert page.evaluate("window.smallestText") >= SMALLEST_TEXT


def test_a_finger_chooses_a_head_a_token_and_a_cell(phone: Callable[..., Page]) -> None:
    page = phone("attention")
    thumb = page.locator(".st-key-theatre .thumbs button").nth(9)
    thumb.tap()
    expect(thumb).to_have_attribute("aria-pressed", "true")
    token = page.locator(".st-key-theatre .tokens").first.locator("button").nth(1)
    token.tap()
    expect(token).to_have_attribute("aria-pressed", "true")
    before = painted(page, "theatre")
    page.locator(".st-key-theatre .matrix").tap(position={"x": 100, "y": 90})
    repainted(page, "theatre", before)


def test_a_finger_chooses_a_pattern_and_paints(phone: Callable[..., Page]) -> None:
    page = phone("masks")
    page.locator(".st-key-patterns [data-name=causal]").tap()
    expect(page.locator(".st-key-patterns [data-painted^='causal.']")).to_be_attached()
    page.locator(".st-key-painter [data-name=row]").tap()
    board = page.locator(".st-key-painter .matrix")
    box = board.bounding_box()
    assert box is not None
    board.tap(position={"x": 0.6 * box["width"], "y": 0.8 * box["height"]})
    expect(page.get_by_label(ENGLISH("masks.spec.label"), exact=True)).to_have_value("painted")


def test_a_finger_writes_and_turns_a_dial(phone: Callable[..., Page]) -> None:
    page = phone("generation")
    page.locator(".st-key-player .keys .restart").tap()
    page.locator(".st-key-player .keys .step").tap()
    expect(page.locator(".st-key-player .position")).to_have_text(ENGLISH("generation.player.written.position", at=1, count=1))
    before = painted(page, "dials")
    page.locator(".st-key-dials [data-name=temperature] input").tap(position={"x": 4, "y": 8})
    repainted(page, "dials", before)


def test_a_finger_trains_and_stops(phone: Callable[..., Page]) -> None:
    page = phone("size")
    page.locator(".st-key-size-train button").tap()
    page.locator(".st-key-size-stop button").tap()
    expect(page.locator(".st-key-size-train button")).to_be_enabled()


def test_a_finger_opens_the_share_and_the_examples(phone: Callable[..., Page]) -> None:
    page = phone("attention")
    page.locator(".st-key-share button").tap()
    expect(page.locator("[data-testid=stPopoverBody] input")).to_be_visible()
    page.locator(".st-key-share button").first.tap()
    settled(page).locator(".st-key-examples button").first.tap()
    page.locator(".st-key-example-2 button").tap()
    expect(page.locator(".st-key-prompt textarea")).to_have_value(ENGLISH("presets.gift.text"))
    ready(page, "attention")
