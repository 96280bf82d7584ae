"""State to address and back: the one door to `st.query_params`.

The link is read once, when a session begins; from then on the state owns the address. Only what differs from its default
is written, and only when it changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st

from components import state
from components.state import Field


def restore(fields: Iterable[Field[Any]]) -> tuple[str, ...]:
    """Read the link into the state, once per session. Returns the names of refused parameters until the reader changes something."""
    kept: tuple[Field[Any], ...] = state.remember("permalink.fields", lambda: tuple(fields))
    refused, opened = state.remember("permalink.opened", lambda: (_read(kept), parameters(kept)))
    return refused if parameters(kept) == opened else ()


def publish() -> None:
    """Let the address say what the state is; call it at the end of a run or of a fragment that changed something."""
    wanted = parameters(_fields())
    if st.query_params.to_dict() != wanted:
        st.query_params.from_dict(wanted)


def link(**effective: str) -> str:
    """The full address of what is on the screen, `effective` values (such as a language guessed from the browser) spelled out."""
    address = urlsplit(st.context.url or "")
    query = urlencode(parameters(_fields()) | effective)
    return urlunsplit(address._replace(path=address.path or "/", query=query, fragment=""))


def parameters(fields: Iterable[Field[Any]]) -> dict[str, str]:
    """The state as link parameters, defaults left out."""
    values = ((field, state.get(field)) for field in fields)
    return {field.name: field.write(value) for field, value in values if value != field.default}


def parse(fields: Iterable[Field[Any]], given: Mapping[str, str]) -> tuple[dict[Field[Any], Any], tuple[str, ...]]:
    """What a link says, field by field: the values that hold, and the names of those refused."""
    values: dict[Field[Any], Any] = {}
    refused: list[str] = []
    for field in fields:
        if field.name in given:
            try:
                values[field] = field.read(given[field.name])
            except ValueError:
                refused.append(field.name)
    return values, tuple(refused)


def _fields() -> tuple[Field[Any], ...]:
    return state.remember("permalink.fields", tuple)


def _read(fields: tuple[Field[Any], ...]) -> tuple[str, ...]:
    values, refused = parse(fields, st.query_params.to_dict())
    for field, value in values.items():
        state.put(field, value)
    return refused
