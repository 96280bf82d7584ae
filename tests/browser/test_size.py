"""The size page as a reader uses it: a model trained before everyone's eyes, opened elsewhere; settings refused; a tab that is closed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import psutil
from playwright.sync_api import Page, expect

from components.experiments import EXPERIMENTS, LIVE
from components.spelling import differences
from tests.browser.conftest import Visit
from tests.browser.reading import ENGLISH, go, link, linked, ready, said, table, write
from tests.browser.serving import Server, painted, settled

TEXT = "Ana gave the key to Bento."
LONG = "/size?s.a=recipe.budget.length~300"


def trained(page: Page, steps: int) -> None:
    """Wait until the curve shows at least so many steps of every run."""
    curve = page.locator(".st-key-size-curve [data-painted]")
    curve.wait_for()
    page.wait_for_function(
        "([curve, steps]) => curve.dataset.painted.split('/')[0].split('-').every(done => Number(done) >= steps) && curve.dataset.painted[0] !== '/'",
        arg=[curve.element_handle(), steps],
    )


def press(page: Page, name: str) -> None:
    page.locator(f".st-key-size-{name} button").click()


def stop(page: Page) -> None:
    """Stop every run and wait until the page says so."""
    press(page, "stop")
    expect(page.locator(".st-key-size-train button")).to_be_visible()
    settled(page)


def status(key: str) -> str:
    """How a run's line begins in a state, or ends, whatever the numbers in it."""
    return max(ENGLISH(f"size.state.{key}", seconds="\0", tokens="\0", speed="\0", left="\0", turn="\0", step="\0").split("\0"), key=len)


def test_a_model_trained_for_ten_seconds_and_stopped_opens_on_the_other_pages(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    page = tab("/size")
    write(page, TEXT)
    press(page, "train")
    trained(page, 1)
    press(page, "pause")
    expect(page.locator(".v-progress")).to_contain_text(status("paused"))
    press(page, "resume")
    expect(page.locator(".v-progress")).to_contain_text(status("running"))
    page.wait_for_function("document.querySelector('.v-progress [role=progressbar]').ariaValueNow >= 34")  # 10 of 30 seconds
    assert page.locator(".st-key-size-curve li").count() >= 2
    stop(page)
    expect(page.locator(".v-progress")).to_contain_text(status("stopped"))
    curve = table(page, "losscurve")
    loss, times = (curve[ENGLISH(f"size.table.{name}")].to_numpy() for name in ("loss", "times"))
    assert loss[-5:].mean() < 0.7 * loss[0]
    assert times.min() > 0.9  # one batch may be luckier than the mean of all, but not by much
    press(page, "open-0-attention")
    expect(page.locator(".st-key-menu a[aria-current]")).to_have_text(ENGLISH("shell.menu.attention"))
    config = LIVE.config
    expect(page.locator(".st-key-theatre .thumbs button")).to_have_count(config.layers * config.attention.heads)
    expect(page.locator(".st-key-model input")).to_have_value(re.compile(f"^{ENGLISH('size.name', run='', time='').split(' ')[0]}"))
    name = painted(page, "theatre").split(":")[0]
    linked(page, f"model={name}")
    go(page, "generation")
    assert painted(page, "player").startswith(name)
    go(page, "masks")
    assert painted(page, "map-default").startswith(name)
    elsewhere = visit(link(page), locale="en-US").page
    expect(elsewhere.locator(".v-note").first).to_have_text(ENGLISH("shell.model.missing", name="Vitrine"))


def test_two_models_train_side_by_side_and_either_can_be_opened(tab: Callable[..., Page]) -> None:
    page = tab("/size")
    page.get_by_label(ENGLISH("size.experiment.label")).click()
    page.get_by_role("option", name=ENGLISH("size.experiments.tiny.title"), exact=True).click()
    expect(page.locator(".v-plan")).to_have_count(2)
    press(page, "train")
    trained(page, 20)
    stop(page)
    expect(page.locator(".v-progress")).to_have_count(2)
    assert set(table(page, "losscurve")[ENGLISH("size.table.run")]) == {"A", "B"}
    press(page, "open-0-generation")
    tiny = next(experiment for experiment in EXPERIMENTS if experiment.name == "tiny").first.config
    expect(page.locator(".st-key-menu a[aria-current]")).to_have_text(ENGLISH("shell.menu.generation"))
    painted(page, "player")
    go(page, "attention")
    expect(page.locator(".st-key-theatre .thumbs button")).to_have_count(tiny.layers * tiny.attention.heads)


def test_an_impossible_setting_is_refused_beside_its_field_and_the_rest_stays(tab: Callable[..., Page]) -> None:
    page = tab("/size")
    page.locator(".st-key-size-drawer summary").click()
    heads = page.get_by_role("slider", name=ENGLISH("settings.config.attention.heads.name"))
    heads.wait_for()
    weights, address = said(settled(page), "weights"), page.evaluate("location.href")
    heads.press("ArrowRight")
    refusal = page.get_by_role("alert")
    expect(refusal).to_have_count(1)
    expect(page.locator(".st-key-size-train button")).to_be_disabled()
    field, sentence = heads.bounding_box(), refusal.bounding_box()
    assert field is not None
    assert sentence is not None
    assert sentence["x"] - 20 <= field["x"] <= sentence["x"] + sentence["width"]
    assert 0 <= sentence["y"] - field["y"] <= 80
    assert said(page, "weights") == weights
    assert page.evaluate("location.href") == address
    heads.press("ArrowRight")
    expect(refusal).to_have_count(0)
    expect(page.locator(".st-key-size-train button")).to_be_enabled()
    expect(page.locator(".st-key-exhibit-weights .v-reading")).not_to_have_text(weights)
    linked(page, "config.attention.heads")


def test_a_link_carries_every_setting_and_its_weights_are_counted_alike(tab: Callable[..., Page], visit: Callable[..., Visit]) -> None:
    crash = next(experiment for experiment in EXPERIMENTS if experiment.name == "crash").first
    page = tab("/size?s.x=tokens&s.y=linear&s.a=" + "~".join(f"{path}~{getattr(new, '__name__', new)}" for path, new in differences(crash, LIVE)))
    theirs = visit(link(page), locale="en-US").page
    assert theirs.locator(".v-plan").all_inner_texts() == page.locator(".v-plan").all_inner_texts()
    assert said(theirs, "weights") == said(page, "weights")
    assert painted(theirs, "size-curve") == painted(page, "size-curve")
    expect(theirs.locator(".v-promise")).to_have_text(ENGLISH("size.experiments.crash.promise"))


def threads(process: psutil.Process) -> dict[int, float]:
    """Seconds of processor time by thread."""
    return {thread.id: thread.user_time for thread in process.threads()}


def eventually(states: Iterator[bool], patience: float = 90) -> bool:
    """Whether one of these states comes true before patience runs out."""
    end = time.monotonic() + patience
    return any(state or time.monotonic() > end for state in states) and time.monotonic() <= end


def test_closing_the_tab_ends_the_run(tab: Callable[..., Page], running: Server) -> None:
    process = psutil.Process(running.pid)
    page = tab(LONG)
    press(page, "train")
    trained(page, 20)
    before = threads(process)
    trained(page, 70)
    gained = {id: spent - before.get(id, 0) for id, spent in threads(process).items()}
    worker = max(gained, key=lambda id: gained[id])
    assert worker in threads(process)
    page.close()
    assert eventually(worker not in threads(process) for _ in iter(int, 1)), "the run outlived its tab"


def test_a_run_goes_on_while_its_reader_visits_another_page(tab: Callable[..., Page]) -> None:
    page = tab(LONG)
    press(page, "train")
    trained(page, 5)
    go(page, "attention")
    ready(page, "attention")
    go(page, "size")
    trained(page, 6)
    stop(page)
