"""The editor draws any declared dataclass, grants or refuses what is wished, and its values travel in a link."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from components import spelling
from components.controls.editor import Wish, deal, decades, notches, weight, written
from components.i18n import LANGUAGES, Words, catalogue
from components.runs import Plan
from model.config import Config, GatedMlp, PlainMlp
from model.errors import Refusal
from model.space import Choice, Interval, Parts, settings
from model.training import Recipe, Steps, Tokens

EDITOR = """
import sys
sys.path.insert(0, {root!r})
import streamlit as st
from components import state
from components.controls.editor import edit
from components.i18n import Words
from components.runs import Plan

PLAN = state.Field("plan", Plan(), lambda given: given, lambda plan: "")
if st.button("preset"):
    from model.config import Config
    state._values()["plan"] = Plan(config=Config(layers=5))
result = edit(Words("en"), "test", state.get(PLAN))
state._values()["plan"] = result.value
st.session_state["result"] = result
"""


@pytest.fixture
def editor() -> AppTest:
    return AppTest.from_string(EDITOR.format(root=str(Path(__file__).parents[1])), default_timeout=30).run()


def widget(app: AppTest, path: str) -> Any:
    """The one widget of a setting, whatever its kind."""
    kinds = (app.select_slider, app.number_input, app.selectbox, app.button_group, app.toggle)
    found = [element for kind in kinds for element in kind if (element.key or "").endswith(f".{path}")]
    assert len(found) == 1, path
    return found[0]


def beside(block: Any, *elements: Any) -> bool:
    """Whether some block on the screen holds just these elements."""
    inside = list(getattr(block, "children", {}).values())
    return inside == list(elements) or any(beside(child, *elements) for child in inside)


# ---------------------------------------------------------------- every declared setting has a widget and words


def leaves(value: Any, path: str = "") -> Iterator[str]:
    """The paths of the settings that have a widget: values, and unions for their choice of a part."""
    for setting in settings(type(value)):
        here = f"{path}.{setting.name}" if path else setting.name
        if not isinstance(setting.space, Parts) or len(setting.space.options) > 1:
            yield here
        if isinstance(setting.space, Parts):
            yield from leaves(getattr(value, setting.name), here)


def test_every_declared_setting_is_drawn_once(editor: AppTest) -> None:
    assert not editor.exception
    for path in leaves(Plan()):
        widget(editor, path)


def vocabulary(cls: type, path: str) -> Iterator[str]:
    """Every key of words that the editor may need for a class, in all its alternatives."""
    for setting in settings(cls):
        here = f"{path}.{setting.name}"
        yield from (f"{here}.name", f"{here}.help")
        match setting.space:
            case Choice(options):
                yield from (f"settings.options.{option}.name" for option in options if isinstance(option, str))
            case Parts(options):
                yield from (f"settings.kinds.{option.__name__}.{word}" for option in options for word in ("name", "help") if len(options) > 1)
                for option in options:
                    yield from vocabulary(option, here)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_setting_kind_and_option_has_words(language: str) -> None:
    assert set(vocabulary(Plan, "settings")) <= catalogue(language).keys()


# ---------------------------------------------------------------- wishes


def test_a_granted_wish_becomes_the_value(editor: AppTest) -> None:
    widget(editor, "config.layers").set_value(7)
    editor.run()
    result = editor.session_state["result"]
    assert result.refusal is None
    assert result.value.config.layers == 7
    assert dataclasses.replace(result.value, config=Config()) == Plan()


def test_choosing_another_part_brings_its_own_settings(editor: AppTest) -> None:
    widget(editor, "config.mlp").set_value("GatedMlp")
    editor.run()
    assert editor.session_state["result"].value.config.mlp == GatedMlp(hidden=256, activation="gelu")
    widget(editor, "config.mlp.hidden").set_value(96)
    editor.run()
    assert editor.session_state["result"].value.config.mlp == GatedMlp(hidden=96, activation="gelu")


def test_a_setting_of_the_same_name_but_another_range_starts_afresh(editor: AppTest) -> None:
    for kind, expected in (("Steps", Steps()), ("Tokens", Tokens())):
        widget(editor, "recipe.budget").set_value(kind)
        editor.run()
        assert not editor.exception
        assert editor.session_state["result"].value.recipe.budget == expected


def test_an_impossible_wish_is_refused_beside_its_field_and_the_value_stays(editor: AppTest) -> None:
    widget(editor, "config.attention.heads").set_value(6)
    editor.run()
    result = editor.session_state["result"]
    assert result.value == Plan()
    assert result.refusal.code == "config.kv_heads"
    assert [element.value for element in editor.error] == [Words("en").refusal(result.refusal)]
    assert widget(editor, "config.attention.heads").value == 6
    assert beside(editor.main, widget(editor, "config.attention.heads"), editor.error[0])


def test_a_second_setting_can_make_a_refused_wish_possible(editor: AppTest) -> None:
    widget(editor, "config.attention.heads").set_value(6)
    editor.run()
    widget(editor, "config.attention.kv_heads").set_value(3)
    editor.run()
    result = editor.session_state["result"]
    assert result.refusal is None
    assert not editor.error
    assert (result.value.config.attention.heads, result.value.config.attention.kv_heads) == (6, 3)


def test_a_value_that_changes_elsewhere_gets_fresh_widgets(editor: AppTest) -> None:
    widget(editor, "config.attention.heads").set_value(6)
    editor.run()
    editor.button[0].click().run()
    assert editor.session_state["result"].value.config.layers == 5
    assert widget(editor, "config.layers").value == 5
    assert widget(editor, "config.attention.heads").value == Config().attention.heads
    assert not editor.error


def test_a_wish_keeps_what_is_not_declared() -> None:
    config = Config(vocabulary=999)
    assert Wish(config, {"width": 32}).grant() == Config(vocabulary=999, width=32)


# ---------------------------------------------------------------- notches and columns


@given(some.integers(1, 400), some.integers(0, 900), some.integers(1, 40))
def test_a_sliders_notches_hold_its_ends_and_its_value(low: int, span: int, step: int) -> None:
    high = low + span // step * step
    for value in (low, high, low + span):
        places = notches(Interval(low, high, step=step), int, value)
        assert places is None or (places == sorted(set(places)) and {low, high, value} <= set(places))


@given(some.floats(1e-6, 1e3), some.floats(1, 1e6))
def test_logarithmic_notches_are_even_and_within_the_interval(low: float, ratio: float) -> None:
    places = decades(low, low * ratio)
    assert all(low <= place <= low * ratio for place in places)
    assert all(1.1 < b / a < 1.7 for a, b in itertools.pairwise(places))


def test_dealing_keeps_order_and_balance() -> None:
    declared = list(settings(Config))
    piles = deal(declared, 3)
    assert [setting for pile in piles for setting in pile] == declared
    heights = [sum(map(weight, pile)) for pile in piles]
    assert max(heights) - min(heights) <= max(map(weight, declared))


@pytest.mark.parametrize(("value", "said"), [(0.008, "0.008"), (0.5, "0.5"), (64, "64"), (1.5, "1.5"), (1024, "1,024"), (10_000.0, "10 k"), (0, "0")])
def test_numbers_are_as_short_as_they_are_exact(value: float, said: str) -> None:
    assert written(Words("en"), value).replace("\u00a0", " ") == said


# ---------------------------------------------------------------- spelled for a link


def parts(space: Any) -> some.SearchStrategy[Any]:
    match space:
        case Interval(low, high, None) | Interval(low, high) if space.log:
            return some.sampled_from(decades(low, high))
        case Interval(low, high, step):
            return some.integers(0, round((high - low) / (step or 1))).map(lambda n: round(low + n * (step or 1), 9))
        case Choice(options):
            return some.sampled_from(options)
        case Parts(options):
            return some.one_of([part(option) for option in options])
    raise AssertionError(space)


@some.composite
def part(draw: Any, cls: type) -> Any:
    """Any part of a plan that its own class grants."""
    wanted = {setting.name: draw(parts(setting.space)) for setting in settings(cls)}
    kinds = {setting.name: setting.kind for setting in settings(cls)}
    try:
        return cls(**{name: kinds[name](value) if kinds[name] in (int, float) else value for name, value in wanted.items()})
    except Refusal:
        return cls()


@given(part(Plan))
def test_any_plan_reads_back_from_its_spelling(plan: Plan) -> None:
    assert spelling.parse(spelling.spell(plan, Plan()), Plan()) == plan


def test_nothing_is_spelled_where_nothing_differs() -> None:
    assert spelling.spell(Plan(), Plan()) == ""
    assert spelling.spell(Plan(config=Config(width=128)), Plan()) == "config.width~128"


def test_another_part_is_spelled_against_its_own_defaults() -> None:
    plan = Plan(config=Config(mlp=GatedMlp(hidden=64)))
    assert spelling.spell(plan, Plan()) == "config.mlp~GatedMlp~config.mlp.hidden~64"
    known = Plan(config=Config(mlp=PlainMlp(hidden=64)))
    assert spelling.parse("config.mlp~GatedMlp", known).config.mlp == GatedMlp()


@pytest.mark.parametrize(
    "forged",
    [
        "config.width",
        "config.width~-8",
        "config.width~1000000000",
        "config.width~1e400",
        "config.width~nan",
        "config.width~12~config.width~١٢",
        "recipe.learning_rate~nan",
        "recipe.learning_rate~inf",
        "config.positions~Config",
        "config.positions.base~500000~config.positions~Learned",
        "config.vocabulary~3",
        "config.__class__~1",
        "config.attention.heads~6",
        "recipe.budget~Steps~recipe.budget.count~10",
        "~" * 2_000,
        "config.layers~" + "9" * 5_000,
    ],
)
def test_forged_spellings_are_refused(forged: str) -> None:
    with pytest.raises(Refusal):
        spelling.parse(forged, Plan())


@given(some.text(max_size=200))
def test_any_text_is_a_plan_or_a_refusal(given_text: str) -> None:
    try:
        assert isinstance(spelling.parse(given_text, Plan()), Plan)
    except Refusal:
        return


# ---------------------------------------------------------------- any dataclass, not only ours


@dataclass(frozen=True)
class Sweet:
    sugar: Annotated[float, Interval(0.0, 1.0, step=0.1)] = 0.5


@dataclass(frozen=True)
class Plain:
    pass


@dataclass(frozen=True)
class Tea:
    cups: Annotated[int, Interval(1, 4, step=1)] = 1
    taste: Sweet | Plain = field(default_factory=Plain)
    leaf: Literal["green", "black"] = "green"


def test_spelling_serves_any_declared_dataclass() -> None:
    tea = Tea(cups=3, taste=Sweet(sugar=0.2))
    assert spelling.spell(tea, Tea()) == "cups~3~taste~Sweet~taste.sugar~0.2"
    assert spelling.parse("cups~3~taste~Sweet~taste.sugar~0.2", Tea()) == tea


def test_the_training_helpers_recipe_is_spelled_too() -> None:
    assert spelling.parse("learning_rate~0.02", Recipe()).learning_rate == 0.02
