"""What a reader takes home, made in a real browser: pictures as vectors, a page as a file that needs nothing else."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from playwright.sync_api import Browser, Download, Page, expect

from tests.browser.reading import ENGLISH, address, ids_of, ready, said
from tests.browser.serving import settled
from tests.browser.test_axe import broken

HOSTILE = "<script>alert(1)</script> $x^2$ **sky** שלום"
SVG = "{http://www.w3.org/2000/svg}"
ON_SCREEN = """key => {
    const all = node => [...(node.shadowRoot?.childNodes ?? []), ...node.childNodes].flatMap(child => child.nodeType === 3 ? [child] : all(child));
    const seen = node => { const range = document.createRange(); range.selectNodeContents(node); return range.getBoundingClientRect().width > 2; };
    const shown = node => !node.parentElement?.closest(".v-reading, style, [class*='st-key-drawer-']") && node.data.trim() && seen(node);
    return all(document.querySelector(`.st-key-exhibit-${key}`)).filter(shown).map(node => node.data);
}"""


def picture(page: Page, key: str, kind: str) -> bytes:
    """The picture of an exhibit as its file."""
    if not page.locator(f".st-key-picture-{key}").count():
        page.locator(f".st-key-away-{key} button").first.click()
        settled(page)
    with page.expect_download() as coming:
        page.locator(f".st-key-picture-{key} button[data-kind={kind}]").click()
    return read(coming.value)


def read(download: Download) -> bytes:
    return Path(download.path()).read_bytes()


def texts(svg: ElementTree.Element) -> str:
    """Everything written in an SVG, its spaces left out."""
    return re.sub(r"\s", "", "".join("".join(node.itertext()) for node in svg.iter(f"{SVG}text")))


def check(written: bytes, page: Page, key: str) -> ElementTree.Element:
    """What holds of every picture: it is XML, alone in the world, its size is its own, and every text on the screen is written in it."""
    svg = ElementTree.fromstring(written)
    assert not {node.tag.removeprefix(SVG).lower() for node in svg.iter()} & {"script", "foreignobject", "iframe", "a"}
    links = [value for node in svg.iter() for name, value in node.attrib.items() if name.endswith("href") or "url(" in value]
    assert all(value.startswith(("#", "data:image/", "url(#")) for value in links)
    assert not [name for node in svg.iter() for name in node.attrib if name.startswith("on")]
    assert svg.attrib["viewBox"].split()[2:] == [svg.attrib["width"], svg.attrib["height"]]
    assert svg.findtext(f"{SVG}desc") == said(page, key)
    found = texts(svg)
    assert [text for text in page.evaluate(ON_SCREEN, key) if re.sub(r"\s", "", text) not in found] == []
    return svg


def test_pictures_of_a_hostile_text_are_vectors_with_every_word(tab: Callable[[str], Page]) -> None:
    page = ready(tab(address("masks", HOSTILE)), "masks")
    mask = check(picture(page, "mask", "svg"), page, "mask")
    assert "<" in texts(mask)
    length = len(ids_of(HOSTILE))
    assert len(mask.findall(f".//{SVG}path")) + len(mask.findall(f".//{SVG}rect")) > length
    png = picture(page, "mask", "png")
    assert png.startswith(b"\x89PNG")
    assert abs(int.from_bytes(png[16:20], "big") - 2 * int(mask.attrib["width"])) <= 1
    page.keyboard.press("Escape")
    with page.expect_download() as coming:
        page.locator(".st-key-away-loss button").first.click()
        page.locator(".st-key-npz-loss button").click()
    with np.load(io.BytesIO(read(coming.value)), allow_pickle=False) as arrays:
        assert arrays["ids"].tolist() == list(ids_of(HOSTILE))
        assert len(arrays[ENGLISH("masks.table.default_nats")]) == length - 1
    check(picture(page, "loss", "svg"), page, "loss")


def test_a_hand_out_opens_offline_with_every_picture_word_and_number(tab: Callable[[str], Page], chromium: Browser, tmp_path: Path) -> None:
    page = ready(tab(address("attention", HOSTILE)), "attention")
    foot = page.locator(".st-key-foot button")
    expect(foot).to_have_count(2)
    with page.expect_download() as coming:
        page.click(".st-key-foot button[data-kind=handout]")
    (tmp_path / "page.html").write_bytes(read(coming.value))
    settled(page)
    with page.expect_download() as coming:
        page.click(".st-key-foot button[data-kind=notebook]")
    assert json.loads(read(coming.value))["nbformat"] == 4
    context = chromium.new_context(offline=True)
    alone, asked = context.new_page(), []
    alone.on("dialog", lambda dialog: asked.append(dialog.message) or dialog.dismiss())
    alone.on("request", lambda request: asked.append(request.url) if not request.url.startswith("file:") else None)
    alone.goto((tmp_path / "page.html").as_uri())
    count = page.locator("[class*='st-key-exhibit-']").count()
    expect(alone.locator("figure svg[role=img]")).to_have_count(count)
    assert alone.locator("figcaption").all_inner_texts()[0] == said(page, "attention")
    assert alone.locator("dd").first.inner_text() == HOSTILE
    alone.locator("summary").first.click()
    first = alone.locator("section").first
    first.locator("th button").get_by_text(ENGLISH("attention.table.weight"), exact=True).click()
    weights = first.locator("tbody tr td:last-child").evaluate_all("cells => cells.map(cell => Number(cell.dataset.v))")
    assert weights == sorted(weights)
    assert len(weights) > 1
    assert broken(alone) == []
    assert asked == []
    context.close()
