"""Fields: what is written reads back, what is forged is refused, and a session keeps what its widgets set."""

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from components import state
from components.state import Field
from model.errors import Refusal

FLAG = state.flag("t.flag", False)
WHOLE = state.integer("t.whole", 3, -5, 40)
SHARE = state.number("t.share", 0.5, 0.0, 1.0)
KIND = state.option("t.kind", "a", ("a", "b", "ç d"))
STEP = state.option("t.step", 2, (1, 2, 4))
TEXT = state.text("t.text", None, 500)
FIELDS: tuple[Field, ...] = (FLAG, WHOLE, SHARE, KIND, STEP, TEXT)


# ---------------------------------------------------------------- written and read


@given(st.booleans())
def test_flags_read_back(value: bool) -> None:
    assert FLAG.read(FLAG.write(value)) is value


@given(st.integers(-5, 40))
def test_whole_numbers_read_back(value: int) -> None:
    assert WHOLE.read(WHOLE.write(value)) == value


@given(st.floats(0, 1))
def test_numbers_read_back_to_twelve_figures(value: float) -> None:
    assert SHARE.read(SHARE.write(value)) == pytest.approx(value, rel=1e-11, abs=0)


@pytest.mark.parametrize("field", [KIND, STEP])
def test_options_read_back(field: Field) -> None:
    for value in ("a", "b", "ç d") if field is KIND else (1, 2, 4):
        assert field.read(field.write(value)) == value


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=500))
def test_texts_read_back_plain_or_packed(value: str) -> None:
    assert TEXT.read(TEXT.write(value)) == value


def test_a_text_that_looks_packed_still_reads_back() -> None:
    assert TEXT.read(TEXT.write("~1abc")) == "~1abc"


def test_a_long_text_travels_shorter_than_it_is() -> None:
    field = state.text("t.long", None, 20_000)
    value = "A chave vermelha está na escola. " * 600
    assert len(field.write(value)) < len(value) / 20
    assert field.read(field.write(value)) == value


# ---------------------------------------------------------------- forged


@pytest.mark.parametrize(
    ("field", "given"),
    [
        (FLAG, "yes"),
        (FLAG, ""),
        (WHOLE, "41"),
        (WHOLE, "-6"),
        (WHOLE, "3.5"),
        (WHOLE, "٣"),
        (WHOLE, "9" * 5_000),
        (SHARE, "nan"),
        (SHARE, "inf"),
        (SHARE, "1.0000001"),
        (SHARE, "0x1p-1"),
        (KIND, "c"),
        (KIND, ""),
        (STEP, "3"),
        (TEXT, "x" * 501),
        (TEXT, "~1"),
        (TEXT, "~1!!!!"),
        (TEXT, "~1" + base64.urlsafe_b64encode(b"not zlib").decode()),
        (TEXT, "~1" + state.pack(b"\xff\xfe")),
        (TEXT, "~1" + state.pack(b"x" * 501)),
    ],
)
def test_forged_values_are_refused(field: Field, given: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        field.read(given)


@given(st.text(max_size=80))
def test_no_text_at_all_breaks_a_field(given: str) -> None:
    for field in FIELDS:
        try:
            value = field.read(given)
        except ValueError:
            continue
        assert field.read(field.write(value)) == value


@given(st.binary(max_size=300))
def test_bytes_pack_and_unpack(data: bytes) -> None:
    assert state.unpack(state.pack(data), 300) == data


def test_a_bomb_is_not_inflated() -> None:
    bomb = base64.urlsafe_b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    with pytest.raises(Refusal, match="damaged"):
        state.unpack(bomb, 1_000)


def test_a_cut_off_parcel_is_refused() -> None:
    with pytest.raises(Refusal, match="damaged"):
        state.unpack(state.pack(bytes(range(200)))[:-20], 1_000)


# ---------------------------------------------------------------- in a session


def two_pages() -> None:
    import streamlit as st

    from components import state

    level = state.integer("t.level", 3, 0, 9)
    kind = state.option("t.kind", "a", ("a", "b"))

    def first() -> None:
        st.slider("level", 0, 9, **state.bind(level))
        st.number_input("loose", 0, 99, key="loose")
        st.button("force", on_click=lambda: state.put(level, 8))
        st.button("reset", on_click=lambda: state.reset(level))

    def second() -> None:
        st.segmented_control("kind", ("a", "b"), **state.bind(kind))

    chosen = st.radio("page", ("first", "second"), key="page")
    first() if chosen == "first" else second()
    st.session_state["seen"] = (state.get(level), state.get(kind), state.remember("counter", list))
    state.remember("counter", list).append(1)


def seen(app: AppTest) -> tuple:
    return app.session_state["seen"]


def test_a_widget_sets_its_field_and_the_field_its_widget() -> None:
    app = AppTest.from_function(two_pages).run()
    assert seen(app)[0] == 3
    app.slider(key="w:t.level").set_value(5).run()
    assert seen(app)[0] == 5
    app.button[0].click().run()
    assert app.slider(key="w:t.level").value == 8
    app.button[1].click().run()
    assert app.slider(key="w:t.level").value == 3


def replaced() -> AppTest:
    """The slider stood at 3 until the button set it to 8."""
    app = AppTest.from_function(two_pages).run()
    return app.button[0].click().run()


def repeated(app: AppTest) -> AppTest:
    """The reader moves something else, and the browser repeats what the slider held before."""
    app.number_input(key="loose").set_value(5)
    return app.slider(key="w:t.level").set_value(3).run()


def test_a_browser_that_has_not_heard_of_a_change_does_not_undo_it() -> None:
    app = repeated(replaced())
    assert seen(app)[0] == app.slider(key="w:t.level").value == 8
    assert app.number_input(key="loose").value == 5


def test_a_reader_may_undo_a_change_at_once() -> None:
    app = replaced()
    app.slider(key="w:t.level").set_value(3).run()
    assert seen(app)[0] == app.slider(key="w:t.level").value == 3


def test_what_a_widget_did_not_hold_before_is_a_wish() -> None:
    app = replaced()
    app.number_input(key="loose").set_value(5)
    app.slider(key="w:t.level").set_value(4).run()
    assert seen(app)[0] == app.slider(key="w:t.level").value == 4


def test_a_browser_that_repeats_itself_for_long_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "ECHO", 0.0)
    assert seen(repeated(replaced()))[0] == 3


def test_a_field_outlives_the_page_its_widget_stands_on() -> None:
    app = AppTest.from_function(two_pages).run()
    app.slider(key="w:t.level").set_value(7).run()
    app.radio(key="page").set_value("second").run()
    app.radio(key="page").set_value("first").run()
    assert seen(app)[0] == 7
    assert app.slider(key="w:t.level").value == 7


def test_what_is_remembered_is_made_once() -> None:
    app = AppTest.from_function(two_pages).run().run().run()
    assert len(seen(app)[2]) == 3


def refusing() -> None:
    import streamlit as st

    from components import state

    even = state.Field("t.even", 2, lambda given: state.integer("t.even", 2, 0, 8).read(given))
    st.number_input("even", 0, 99, **state.bind(even))
    st.session_state["seen"] = (state.get(even), state.refusal(even))


def test_an_impossible_value_is_refused_beside_the_field_and_the_last_valid_one_stays() -> None:
    app = AppTest.from_function(refusing).run()
    app.number_input(key="w:t.even").set_value(6).run()
    app.number_input(key="w:t.even").set_value(50).run()
    value, refused = seen(app)
    assert value == 6
    assert refused.values == {"name": "t.even", "low": 0, "high": 8, "given": "50"}
    app.number_input(key="w:t.even").set_value(4).run()
    assert seen(app) == (4, None)
