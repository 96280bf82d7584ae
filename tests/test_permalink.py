"""The link carries the whole state and nothing else; a forged one costs only the field that was forged."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from components import permalink, state, writing
from components.pages.strategies import speculative
from components.state import Field
from tests import fields

LEVEL = state.integer("t.level", 3, 0, 9)
KIND = state.option("t.kind", "a", ("a", "b"))
TEXT = state.text("t.text", None, 100)
FIELDS: tuple[Field, ...] = (LEVEL, KIND, TEXT)


def test_a_forged_field_is_left_out_and_named_and_the_others_hold() -> None:
    values, refused = permalink.parse(FIELDS, {"t.level": "99", "t.kind": "b", "t.text": "olá", "stranger": "x"})
    assert values == {KIND: "b", TEXT: "olá"}
    assert refused == ("t.level",)


@given(st.dictionaries(st.sampled_from(["t.level", "t.kind", "t.text", "other"]), st.text(max_size=40)))
def test_no_link_at_all_raises(given: dict[str, str]) -> None:
    values, refused = permalink.parse(FIELDS, given)
    assert {field.name for field in values}.isdisjoint(refused)
    assert {field.name for field in values} | set(refused) == given.keys() & {field.name for field in FIELDS}


@pytest.mark.parametrize("field", fields.FIELDS, ids=lambda field: field.name)
def test_no_field_of_any_page_holds_what_its_link_could_not_carry(field: Field) -> None:
    for rubbish in fields.RUBBISH:
        values, refused = permalink.parse((field,), {field.name: rubbish})
        assert len(values) + len(refused) == 1, rubbish
        for value in values.values():
            assert field.read(field.write(value)) == value, rubbish


def test_no_two_fields_share_a_name_in_a_link() -> None:
    own = (*fields.HEADER, *(field for room in fields.ROOMS for field in room.fields))
    names = [field.name for field in {id(field): field for field in own}.values()]
    assert sorted(names) == sorted(set(names))


def test_a_temperature_that_is_all_but_nought_is_nought() -> None:
    for field in (writing.TEMPERATURE, speculative.HEAT):
        assert [field.read(given) for given in ("1e-320", "-0", "1e-5", "0.05")] == [0, 0, 0, 0.05]


def screen() -> None:
    import streamlit as st

    from components import permalink, state

    level = state.integer("t.level", 3, 0, 9)
    kind = state.option("t.kind", "a", ("a", "b"))
    text = state.text("t.text", None, 100)
    refused = permalink.restore((level, kind, text))
    st.slider("level", 0, 9, **state.bind(level))
    st.text_input("text", **state.bind(text, shown=state.get(text) or ""))
    permalink.publish()
    st.session_state["seen"] = (state.get(level), state.get(kind), state.get(text), refused, permalink.link(lang="en"))


def opened(**parameters: str) -> AppTest:
    app = AppTest.from_function(screen)
    for name, value in parameters.items():
        app.query_params[name.replace("_", ".")] = value
    return app.run()


def address(app: AppTest) -> dict[str, str]:
    return {name: value if isinstance(value, str) else value[-1] for name, value in app.query_params.items()}


def test_a_link_opens_on_the_state_it_names() -> None:
    app = opened(t_level="7", t_kind="b", t_text="O céu é")
    assert app.session_state["seen"][:4] == (7, "b", "O céu é", ())


def test_defaults_stay_out_of_the_address() -> None:
    app = opened()
    assert address(app) == {}
    app.slider(key="w:t.level").set_value(5).run()
    assert address(app) == {"t.level": "5"}
    app.slider(key="w:t.level").set_value(3).run()
    assert address(app) == {}


def test_the_link_is_read_once_and_the_state_owns_the_address_from_then_on() -> None:
    app = opened(t_level="7")
    app.slider(key="w:t.level").set_value(2).run()
    app.run()
    assert app.session_state["seen"][0] == 2
    assert address(app) == {"t.level": "2"}


def test_refused_and_unknown_parameters_leave_the_address() -> None:
    app = opened(t_level="abc", junk="1")
    assert app.session_state["seen"][3] == ("t.level",)
    assert address(app) == {}


def test_the_reader_is_told_of_a_refused_field_until_something_changes() -> None:
    app = opened(t_level="abc", t_kind="b")
    assert app.run().session_state["seen"][3] == ("t.level",)
    app.slider(key="w:t.level").set_value(5).run()
    assert app.session_state["seen"][3] == ()


@pytest.mark.parametrize("text", ["O céu é", "a & b = c + d?", "", "«é» → ☃", "x" * 100])
def test_the_shared_link_opens_the_same_state_elsewhere(text: str) -> None:
    app = opened(t_level="7", t_text=text)
    query = parse_qs(urlsplit(app.session_state["seen"][4]).query, keep_blank_values=True)
    assert query.pop("lang") == ["en"]
    other = opened(**{name.replace(".", "_"): values[0] for name, values in query.items()})
    assert other.session_state["seen"][:3] == app.session_state["seen"][:3] == (7, "a", text)
