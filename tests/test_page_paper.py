"""The page of sizes on paper: every number on it is a function's, every assumption moves it, and its link carries all of it."""

from __future__ import annotations

import dataclasses
import html
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from components import spelling
from components.figures import paper, sheet
from components.figures.paper import Subject
from components.figures.sheet import Pile, Slice, Stretch
from components.i18n import LANGUAGES, Words
from components.pages import paper as page
from model.analysis.speed import Measured
from model.cost import bytes_by_precision, cache_bytes, cache_bytes_per_token, parameters
from model.cost.draft import Draft
from model.cost.hardware import ACCELERATORS, Hardware, Listed
from model.cost.paper import POWERS, Assumptions, Given, Serving, Training, to_serve, training
from model.cost.published import CLAIMS, GPT4
from model.families import FAMILIES, find

ROOT = Path(__file__).parents[1]
EN, PT = Words("en"), Words("pt-BR")
LLAMA = find("llama2-70b").config
NAMES = [name for family in FAMILIES for name in family.sizes]


def subject(name: str = "llama2-70b", assumed: Assumptions | None = None) -> Subject:
    return Subject(name, find(name).config, assumed or Assumptions())


def plain(markup: str) -> str:
    """What markup says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


# ---------------------------------------------------------------- pictures


def widths(markup: str) -> list[float]:
    return [float(found) for found in re.findall(r"width:([\d.]+)%;background", markup)]


@given(some.lists(some.integers(1, 10**13), min_size=1, max_size=5), some.sampled_from([24e9, 80e9, 141e9]), some.floats(0.5, 1.0))
def test_boxes_hold_every_byte_once_and_none_is_overfull(sizes: list[int], memory: float, usable: float) -> None:
    pile = Pile(tuple(Slice(str(number), "#000", size) for number, size in enumerate(sizes)), memory, usable * memory)
    each = sheet.grouped(pile.machines)
    markup = sheet.boxes(EN, pile, each, sheet.MOST_BOXES)
    count = markup.count("<span>")
    assert count == math.ceil(pile.machines / each) <= sheet.MOST_BOXES
    assert sum(widths(markup)) / 100 * each * memory == pytest.approx(pile.total, rel=1e-3, abs=len(sizes) * count * 1e-5 * each * memory)
    for box in markup.split("<span>")[1:]:
        assert sum(widths(box)) <= 100 * usable + 0.01


@given(some.lists(some.floats(1e-5, 1e20), min_size=1, max_size=4))
def test_a_rule_orders_its_bars_and_has_room_for_all(times: list[float]) -> None:
    stretches = [Stretch("", time, "", "#000") for time in times]
    low, high = sheet.reach(stretches, sheet.TIMES)
    assert low < min(times) <= max(times) < high
    bars = widths(sheet.rule(EN, stretches, sheet.TIMES, (low, high)))
    assert sorted(bars) == [bar for _, bar in sorted(zip(times, bars, strict=True))]
    assert all(0 <= bar <= 100 for bar in bars)


def test_equal_ratios_are_equal_lengths_on_a_rule() -> None:
    low, high = 1.0, 1e6
    bars = widths(sheet.rule(EN, [Stretch("", 10.0**power, "", "#000") for power in (0, 2, 4, 6)], {}, (low, high)))
    assert bars == pytest.approx([0, 100 / 3, 200 / 3, 100], abs=0.01)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(2.5e-5, "0.025 ms"), (0.25, "250 ms"), (90, "1 min 30 s"), (3 * 86_400, "3.0 days"), (40 * 86_400, "40 days"), (6.3e9, "200 years")],
)
def test_times_are_told_in_the_unit_people_use(seconds: float, said: str) -> None:
    assert sheet.span(EN, seconds).replace("\u00a0", " ") == said


def test_large_numbers_are_told_with_powers_and_prefixes() -> None:
    assert sheet.scientific(EN, 3.14e23) == "3.14\u00a0×\u00a010²³"
    assert sheet.scientific(PT, 3.14e23) == "3,14\u00a0×\u00a010²³"
    assert [sheet.flops(EN, value) for value in (312e12, 19.5e12, 1.978e9, 12)] == ["312\u00a0T", "19.5\u00a0T", "1.98\u00a0G", "12\u00a0"]
    assert [sheet.kilowatt_hours(EN, value) for value in (3.2, 600_525, 20e6)] == ["3.200\u00a0kWh", "601\u00a0MWh", "20\u00a0GWh"]
    assert [sheet.tonnes(EN, value) for value in (12, 173_362)] == ["12\u00a0kg", "173\u00a0t"]


def test_words_from_outside_never_become_markup() -> None:
    forged = Subject("<b>x</b>", LLAMA, Assumptions())
    both = [forged, subject("gpt2")]
    for markup in (
        paper.first(EN, both, None),
        paper.training_picture(EN, both),
        paper.figures(EN, both, [paper.scale_figures(EN, s) for s in both]),
    ):
        assert "<b>x</b>" not in markup
        assert "&lt;b&gt;x" in markup


# ---------------------------------------------------------------- numbers


def test_the_first_picture_says_size_memory_and_time() -> None:
    said = plain(paper.first(EN, [subject()], None))
    run = training(LLAMA, Training(), ACCELERATORS["a100"])
    for expected in (EN.count(parameters(LLAMA)), EN.bytes(to_serve(LLAMA, Serving()).total), "on 2 × A100 SXM 80 GB", sheet.span(EN, run.seconds)):
        assert plain(expected) in said
    assert sheet.span(EN, run.accelerator_seconds) in paper.first(EN, [subject()], None)


def test_what_was_measured_is_marked_as_such_and_nothing_else_is() -> None:
    measured = Measured(256, 2_000_000_000, 0.02, 20, 13_000_000, 2_000_000)
    without, within = (paper.first(EN, [subject()], found) for found in (None, measured))
    sign = sheet.mark(EN, "measured")
    assert (without.count(sign), within.count(sign)) == (0, 1)
    assert sheet.span(EN, subject().run.flops / measured.flops_per_second) in within


@pytest.mark.parametrize("name", ["llama2-70b", "gpt2", "bert-base-uncased", "t5-small", "albert-base-v2", "mistral-7b"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_is_a_functions(name: str, language: str) -> None:
    words, one = Words(language), subject(name)
    config, serving = one.config, one.assumed.serving
    said = [
        figure.value
        for make in (paper.pace_figures, paper.training_figures, paper.energy_figures, paper.scale_figures)
        for figure in make(words, one)
    ]
    expected = [
        words.bytes(cache_bytes_per_token(config, serving.cache)),
        words.count(one.run.tokens),
        sheet.scientific(words, one.run.flops),
        words.count(one.run.accelerator_hours),
        sheet.kilowatt_hours(words, one.energy.kilowatt_hours),
        sheet.amount(words, one.pictured.books),
    ]
    assert set(expected) <= set(said)
    held = dict(zip(paper.first_table(words, [one]).iloc[:, 0], paper.first_table(words, [one])[name], strict=True))
    assert held[words("paper.first.parameters")] == parameters(config)
    assert held[words("paper.load.cache")] == cache_bytes(config, serving.context, serving.batch, serving.cache)
    stored = paper.serve_table(words, [one])[name][:5].tolist()
    assert stored == list(bytes_by_precision(config).values())


def test_a_table_lists_every_part_of_both_sizes() -> None:
    both = [subject("t5-small"), subject("gpt2")]
    frame = paper.first_table(EN, both)
    parts = frame[frame[EN("paper.table.unit")] == EN("paper.first.parameters")]
    assert [parts[each.name].sum() for each in both] == [each.parameters for each in both]


def test_a_text_beyond_the_context_is_named_so() -> None:
    long = dataclasses.replace(Assumptions(), serving=Serving(context=POWERS[13]))
    assert EN("paper.serve.beyond", context="4,096") in paper.serve_reading(EN, [subject(assumed=long)])
    assert "made for" not in paper.serve_reading(EN, [subject()])


def test_published_figures_stand_beside_ours_with_their_sources() -> None:
    markup = plain(paper.checks(EN))
    for claim in CLAIMS:
        assert plain(claim.source) in markup
        assert plain(paper.said(EN, claim, claim.published)) in markup
        assert plain(paper.said(EN, claim, claim.reckon(find(claim.size).config))) in markup


def test_the_unpublished_size_is_a_rumour_with_both_sources() -> None:
    said = plain(paper.rumour(EN, GPT4))
    for expected in ("1.8 T", GPT4.source, GPT4.silence, plain(sheet.mark(EN, "rumoured")), "unpublished"):
        assert plain(expected) in said


# ---------------------------------------------------------------- the page


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def opened() -> Callable[..., AppTest]:
    """The page by itself at a link."""

    def run(**fields: str) -> AppTest:
        app = AppTest.from_function(_alone, default_timeout=90)
        for name, value in fields.items():
            app.query_params[name.replace("_", ".")] = value
        return app.run()

    return run


def _alone() -> None:
    from components import compute, permalink, theme
    from components.i18n import Words
    from components.page import Prompt, Session
    from components.pages import paper as page

    permalink.restore(page.PAGE.fields)
    page.render(Session(Words("en"), theme.LIGHT, compute.embedded(), Prompt("", (), (), (), 0)))
    permalink.publish()


def shown(app: AppTest) -> str:
    assert not app.exception
    return plain(" ".join(element.proto.body for element in app.html))


def test_the_page_opens_with_seventy_billion(opened: Callable[..., AppTest]) -> None:
    app = opened()
    said = shown(app)
    for expected in ("69 B", "139 GB", "on 2 × A100 SXM 80 GB", "GPT-4: its size is unpublished"):
        assert expected in said
    assert dict(app.query_params) == {}
    assert all(sign in said for sign in map(plain, (sheet.mark(EN, "computed"), sheet.mark(EN, "measured"), sheet.mark(EN, "published"))))


def test_every_family_is_in_the_list_under_its_name(opened: Callable[..., AppTest]) -> None:
    options = opened().selectbox(key="w:p.size").options
    assert all(any(f" {name} " in option for option in options) for name in NAMES)
    assert sum("GPT-4" in option for option in options) == 1


def test_precision_and_context_change_the_machines_and_the_link(opened: Callable[..., AppTest]) -> None:
    app = opened()
    box = next(box for box in app.selectbox if box.label == EN("paper.assume.serving.weights.name"))
    box.set_value("int4").run()
    assert "on 1 × A100 SXM 80 GB" in shown(app)
    slider = next(slider for slider in app.select_slider if slider.label == EN("paper.assume.serving.context.name"))
    slider.set_value(POWERS[20]).run()
    assumed = dataclasses.replace(Assumptions(), serving=Serving(weights="int4", context=POWERS[20]))
    load = to_serve(LLAMA, assumed.serving)
    assert f"on {load.machines(Hardware())} × A100 SXM 80 GB" in shown(app)
    assert plain(EN.bytes(load.total)) in shown(app)
    (link,) = app.query_params["p.a"] if isinstance(app.query_params["p.a"], list) else [app.query_params["p.a"]]
    assert spelling.parse(link, Assumptions()) == assumed


def test_a_size_brings_its_own_context(opened: Callable[..., AppTest]) -> None:
    app = opened()
    app.selectbox(key="w:p.size").set_value("gpt2").run()
    assert plain(paper.first_reading(EN, [subject("gpt2", dataclasses.replace(Assumptions(), serving=Serving(context=1_024)))])) in shown(app)


def test_a_link_restores_size_companion_numbers_and_assumptions(opened: Callable[..., AppTest]) -> None:
    assumed = Assumptions(
        hardware=Hardware(machine=Listed(model="rtx4090")), serving=Serving(weights="int8"), training=Training(tokens=Given(billions=300), count=64)
    )
    draft = dataclasses.replace(Draft.of(LLAMA), kv_heads=64)
    app = opened(p_with="gpt2-xl", p_a=spelling.spell(assumed, Assumptions()), p_draft=spelling.spell(draft, Draft()))
    both = [Subject(EN("paper.choose.changed", name="llama2-70b"), draft.on(LLAMA), assumed), subject("gpt2-xl", assumed)]
    said = shown(app)
    for reading in (paper.first_reading, paper.serve_reading, paper.training_reading, paper.energy_reading, paper.scale_reading):
        assert plain(reading(EN, both)) in said


def test_another_machine_of_ones_own(opened: Callable[..., AppTest]) -> None:
    app = opened(p_a="hardware.machine~Own~hardware.machine.memory~100")
    assert "on 2 × your machine" in shown(app)


def test_what_is_chosen_as_unpublished_is_never_computed(opened: Callable[..., AppTest]) -> None:
    app = opened(p_size="gpt-4")
    said = shown(app)
    assert said == plain(paper.rumour(EN, GPT4))
    assert not app.select_slider


def test_the_model_on_show_can_be_weighed(opened: Callable[..., AppTest]) -> None:
    assert "3.3 M" in shown(opened(p_size="here"))


def test_measuring_marks_what_it_found_and_adds_it_to_the_times(opened: Callable[..., AppTest]) -> None:
    app = opened()
    assert EN("paper.time.here") not in shown(app)
    app.button(key="paper-measure").click().run()
    said = shown(app)
    assert EN("paper.time.here") in said
    assert EN("paper.here.speed") in said
    config = find("vitrine-embedded").config
    assert plain(EN.number(bytes_by_precision(config)["fp32"], 0)) in said


@pytest.mark.parametrize(
    "forged",
    [
        {"p_size": "gpt-5"},
        {"p_a": "training.mfu~7"},
        {"p_a": "power.pue~nan"},
        {"p_a": "serving.context~4095"},
        {"p_draft": "heads~6~kv_heads~4"},
        {"p_draft": "layers~9999"},
        {"p_with": "<script>"},
    ],
)
def test_a_forged_link_leaves_the_page_at_its_defaults(opened: Callable[..., AppTest], forged: dict[str, str]) -> None:
    assert plain(paper.first_reading(EN, [subject()])) in shown(opened(**forged))


def test_a_number_that_a_design_cannot_have_is_refused_in_a_sentence(opened: Callable[..., AppTest]) -> None:
    app = opened(p_size="gptj-6b", p_draft=spelling.spell(dataclasses.replace(Draft.of(find("gptj-6b").config), size=6), Draft()))
    assert "Rotary positions turn numbers in pairs" in shown(app)
    assert EN.count(parameters(find("gptj-6b").config)) in shown(app).replace(" ", "\u00a0")


def test_the_page_is_in_the_menu_of_both_languages() -> None:
    assert page.PAGE.name == "paper"
    assert all(Words(language).has("shell.menu.paper") for language in LANGUAGES)
