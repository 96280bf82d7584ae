"""The generation page as a reader uses it: ten tokens, a step back, a branch, play and pause, and dials that act at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from components.canvas import timeline
from components.canvas.plate import script
from model.generation import Sample, pick
from tests.browser.reading import ENGLISH, address, ids_of, model, numbers, ready, table, write
from tests.browser.reading import tokenizer as speller
from tests.browser.serving import settled

TEXT = "Ana gave the key to Bento. Then"
DIALS = Sample(temperature=0.8)  # as the page opens


def column(name: str) -> str:
    return ENGLISH(f"generation.table.{name}")


def position(page: Page) -> Locator:
    return page.locator(".st-key-player .position")


def stands(page: Page, at: int, count: int) -> None:
    """Wait until the cursor is behind token `at` of `count`."""
    expect(position(page)).to_have_text(ENGLISH("generation.player.written.position", at=at, count=count))
    settled(page)


def press(page: Page, name: str) -> None:
    page.locator(f".st-key-player .keys .{name}").click()


def steps(page: Page) -> pd.DataFrame:
    """Every token written so far, as the page's table has it."""
    return table(page, "text", (column("token"),))


def written(count: int, start: tuple[int, ...] = ()) -> list[tuple[int, float]]:
    """What the model writes with the page's dials, by whole forward passes: each id with the model's own probability for it."""
    ids, out = [*ids_of(TEXT), *start], []
    while len(out) < count:
        logits = model()(torch.tensor([ids]))[0, -1]
        id = pick(logits.numpy(), DIALS, ids)
        out.append((id, float(logits.softmax(-1)[id])))
        ids.append(id)
    return out


BARS = """bars => [...bars.querySelectorAll("li:not(.others)")].filter(row => !row.hidden).map(row => ({
    token: row.querySelector(".token").textContent,
    before: parseFloat(row.querySelector("i.before").style.width) / 100,
    after: parseFloat(row.querySelector("i.after").style.width) / 100,
    cut: row.classList.contains("cut"),
}))"""


def bars(page: Page) -> list[dict[str, Any]]:
    return page.locator(".st-key-dials .bars").evaluate(BARS)


def dial(page: Page, name: str) -> Locator:
    return page.locator(f".st-key-dials [data-name={name}] input")


@pytest.fixture
def page(tab: Callable[..., Page]) -> Page:
    """The page with a text to continue, nothing written yet, and no end of the document to stop at."""
    return ready(tab(address("generation", TEXT, g_n=0, g_stop=0)), "generation")


def test_ten_tokens_are_the_models_own_and_the_cache_grows_with_them(tab: Callable[..., Page]) -> None:
    page = ready(tab("/generation?g.stop=0"), "generation")
    write(page, TEXT)
    press(page, "restart")
    stands(page, 0, 0)
    for number in range(1, 11):
        press(page, "step")
        stands(page, number, number)
        assert numbers(page.locator(".st-key-player .cache").inner_text())[0] == len(ids_of(TEXT)) + number
    shown, expected = steps(page), written(10)
    assert shown[column("id")].tolist() == [id for id, _ in expected]
    np.testing.assert_allclose(shown[column("probability")], [probability for _, probability in expected], atol=1e-5)
    assert shown[column("cached")].tolist() == [len(ids_of(TEXT)) + at for at in range(10)]
    tokens = page.locator(".st-key-player .text button")
    assert tokens.all_inner_texts() == [speller().piece(id).removeprefix(" ") for id, _ in expected]


def test_a_step_back_then_a_branch_keeps_what_came_before(page: Page) -> None:
    for number in range(1, 6):
        press(page, "step")
        stands(page, number, number)
    before = steps(page)[column("id")].tolist()
    press(page, "back")
    stands(page, 4, 5)
    other = page.locator(".st-key-dials .bars li:not(.drawn):not(.written):not(.others) button").first
    name = other.locator(".token").inner_text()
    other.click()
    stands(page, 5, 5)
    shown = steps(page)
    assert shown[column("id")].tolist()[:4] == before[:4]
    branched = shown[column("id")].tolist()[4]
    assert branched != before[4]
    assert speller().piece(branched).removeprefix(" ") == name
    assert shown[column("held")].astype(str).tolist()[:5] == ["False"] * 4 + ["True"]
    press(page, "step")
    stands(page, 6, 6)
    assert steps(page)[column("id")].tolist()[5] == written(1, (*before[:4], branched))[0][0]


def test_a_token_is_a_door_to_the_moment_before_it(page: Page) -> None:
    for number in range(1, 5):
        press(page, "step")
        stands(page, number, number)
    page.locator(".st-key-player .text button").nth(1).click()
    stands(page, 1, 4)
    ids = [*ids_of(TEXT), written(1)[0][0]]
    expected = model()(torch.tensor([ids]))[0, -1].softmax(-1)
    frame = table(page, "distribution", (column("token"),))
    np.testing.assert_allclose(frame[column("model")], expected.numpy()[frame[column("id")]], atol=1e-5)


def test_the_keyboard_plays_the_text(page: Page) -> None:
    player = page.locator(".st-key-player .timeline")
    player.focus()
    page.keyboard.press("ArrowRight")
    stands(page, 1, 1)
    page.keyboard.press("ArrowRight")
    stands(page, 2, 2)
    page.keyboard.press("ArrowLeft")
    stands(page, 1, 2)
    page.keyboard.press("End")
    stands(page, 2, 2)
    page.keyboard.press("Home")
    stands(page, 0, 2)


def test_it_plays_by_itself_until_it_is_paused(page: Page) -> None:
    page.locator(".st-key-player .speed input").press("End")
    press(page, "play")
    for number in (1, 2, 3):
        expect(page.locator(f".st-key-player .text button:nth-of-type({number})")).to_be_attached()
    press(page, "play")
    expect(page.locator(".st-key-player .keys .play")).to_have_attribute("aria-pressed", "false")
    settled(page)  # a step that was asked for may still arrive
    ids = steps(page)[column("id")].tolist()
    assert len(ids) >= 3
    assert ids == [id for id, _ in written(len(ids))]
    stands(page, len(ids), len(ids))
    press(page, "step")
    stands(page, len(ids) + 1, len(ids) + 1)


def test_a_player_that_is_put_on_the_page_anew_plays_on_and_can_be_paused(page: Page) -> None:
    page.locator(".st-key-player .speed input").press("End")
    press(page, "play")
    expect(page.locator(".st-key-player .text button:nth-of-type(1)")).to_be_attached()
    page.locator(".st-key-player .timeline").evaluate("node => node.replaceWith(node.cloneNode(false))")
    expect(page.locator(".st-key-player .text button:nth-of-type(4)")).to_be_attached()
    expect(page.locator(".st-key-player .keys .play")).to_have_attribute("aria-pressed", "true")
    press(page, "play")
    expect(page.locator(".st-key-player .keys .play")).to_have_attribute("aria-pressed", "false")


OVERTAKEN = """async (root, script) => {
    const made = await import(URL.createObjectURL(new Blob([script], {type: "text/javascript"})));
    made.default(root.drawn.send)();
}"""


def test_a_player_plays_on_when_streamlit_ends_a_call_that_newer_data_overtook(page: Page) -> None:
    press(page, "play")
    expect(page.locator(".st-key-player .text button:nth-of-type(1)")).to_be_attached()
    page.locator(".st-key-player .timeline").evaluate(OVERTAKEN, script(timeline.HERE))
    expect(page.locator(".st-key-player .text button:nth-of-type(3)")).to_be_attached()
    expect(page.locator(".st-key-player .keys .play")).to_have_attribute("aria-pressed", "true")


def test_dials_act_on_the_bars_before_the_server_has_heard_of_it(page: Page) -> None:
    dials = page.locator(".st-key-dials .distribution")
    greedy = dials.evaluate(
        """root => {
            const input = root.querySelector("[data-name=temperature] input");
            input.value = 0;
            input.dispatchEvent(new Event("input"));
            return [...root.querySelectorAll(".bars li:not(.others)")].map(row => row.querySelector("i.after").style.width);
        }"""
    )
    assert greedy.count("100%") == 1
    assert set(greedy) == {"100%", "0%"}
    page.wait_for_function("location.search.includes('g.t=0')")


MOVES = {
    "temperature": ("g.t=1.2", ["ArrowRight"] * 8),
    "repetition_penalty": ("g.r=1.1", ["ArrowRight"] * 2),
    "frequency_penalty": ("g.freq=0.1", ["ArrowRight"] * 2),
    "presence_penalty": ("g.pres=0.05", ["ArrowRight"]),
    "typical": ("g.typ=0.95", ["ArrowLeft"]),
    "top_k": ("g.k=4", ["Home", "ArrowRight", "ArrowRight", "ArrowRight"]),
    "top_p": ("g.p=0.9", ["ArrowLeft", "ArrowLeft"]),
    "min_p": ("g.m=0.5", ["End"]),
}


def test_every_dial_leaves_in_the_bars_what_python_would_draw_from(page: Page) -> None:
    for name, (said, keys) in MOVES.items():
        for key in keys:
            dial(page, name).press(key)
        page.wait_for_function("said => location.search.includes(said)", arg=said)
        frame = table(page, "distribution", (column("token"),))
        left = frame[frame.columns[-1]].to_numpy()
        python = {piece.removeprefix(" "): pair for piece, *pair in zip(frame[column("token")], frame[column("model")], left, strict=True)}
        for bar in bars(page):
            assert [bar["before"], bar["after"]] == pytest.approx(python[bar["token"]], abs=1e-6), said
            assert bar["cut"] == (python[bar["token"]][1] == 0), said
        assert left.sum() == pytest.approx(1, abs=1e-6)
        assert (left > 0).sum() <= (4 if name in ("top_k", "top_p", "min_p") else len(left)), name


def test_where_it_looked_is_the_pattern_of_the_last_token(page: Page) -> None:
    press(page, "step")
    stands(page, 1, 1)
    ids = torch.tensor([[*ids_of(TEXT), written(1)[0][0]]])
    frame, seen = table(page, "gaze", (column("token"),)), {}

    def keep(site: str, value: torch.Tensor) -> torch.Tensor:
        if site.endswith("attn.pattern"):
            seen[int(site.split(".")[2])] = value[0, :, -1]
        return value

    model()(ids, tap=keep)
    expected = torch.stack([seen[layer] for layer in sorted(seen)])
    for row in frame.sample(60, random_state=0).to_dict("records"):
        layer, head, place = (int(row[column(name)]) - 1 for name in ("layer", "head", "position"))
        assert row[column("weight")] == pytest.approx(float(expected[layer, head, place]), abs=1e-5)
    assert len(frame) == expected.numel()
