"""The one door to the session: typed, bounded fields that survive a change of page and can live in a link.

A `Field` says how its value is read from text and written to it; whatever cannot be read is refused, so a field never
holds a value that its link could not carry.
"""

from __future__ import annotations

import base64
import binascii
import math
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import streamlit as st
from streamlit.runtime.state import get_session_state

from model.errors import Refusal

T = TypeVar("T")

_VALUES = "vitrine.values"
_REFUSED = "vitrine.refused"
_REMEMBERED = "vitrine.remembered"
_REPLACED = "vitrine.replaced"
_PACKED = "~1"
_PLAIN_LIMIT = 240
ECHO = 1.0
"""Seconds in which a browser may still repeat what a widget held before the server changed it."""


@dataclass(frozen=True)
class Field(Generic[T]):
    """One piece of state: its name in the link, its default, and how it is read from text and written to it.

    `read` raises `Refusal` or `ValueError` for text that is no value of this field.
    """

    name: str
    default: T
    read: Callable[[str], T]
    write: Callable[[T], str] = str


# ---------------------------------------------------------------- makers


def flag(name: str, default: bool) -> Field[bool]:
    """Yes or no, written 1 or 0."""

    def read(given: str) -> bool:
        if given not in ("0", "1"):
            raise Refusal("link.flag", "{name} is 0 or 1, got {given!r}", name=name, given=given[:40])
        return given == "1"

    return Field(name, default, read, lambda value: "1" if value else "0")


def integer(name: str, default: int, low: int, high: int) -> Field[int]:
    """A whole number from `low` to `high`, both included."""

    def read(given: str) -> int:
        value = int(given) if given.isascii() and len(given) <= 12 else None
        if value is None or not low <= value <= high:
            raise _outside(name, low, high, given)
        return value

    return Field(name, default, read)


def number(name: str, default: float, low: float, high: float, decimals: int | None = None) -> Field[float]:
    """A finite number from `low` to `high`, both included, rounded to so many `decimals`: what is divided by must not be all but 0."""

    def read(given: str) -> float:
        value = float(given) if len(given) <= 32 else math.nan
        value = value if decimals is None else round(value, decimals)
        if not low <= value <= high:
            raise _outside(name, low, high, given)
        return value

    return Field(name, default, read, lambda value: format(value, ".12g"))


def option(name: str, default: T, options: Sequence[T]) -> Field[T]:
    """One of a few values, told apart by how they are written."""
    by_name = {str(value): value for value in options}

    def read(given: str) -> T:
        if given not in by_name:
            raise Refusal("link.option", "{name} is one of {options}, got {given!r}", name=name, options=", ".join(by_name), given=given[:40])
        return by_name[given]

    return Field(name, default, read)


def text(name: str, default: Any, limit: int) -> Field[Any]:
    """Free text of at most `limit` characters; long text travels compressed. The default may be `None`: nothing chosen yet."""

    def read(given: str) -> str:
        value = unpack(given[len(_PACKED) :], 4 * limit).decode() if given.startswith(_PACKED) else given
        if len(value) > limit:
            raise Refusal("link.long", "{name} holds at most {limit} characters, got {given}", name=name, limit=limit, given=len(value))
        return value

    def write(value: str) -> str:
        plain = len(value) <= _PLAIN_LIMIT and not value.startswith(_PACKED)
        return value if plain else _PACKED + pack(value.encode())

    return Field(name, default, read, write)


def _outside(name: str, low: float, high: float, given: str) -> Refusal:
    return Refusal("link.outside", "{name} is a number from {low} to {high}, got {given!r}", name=name, low=low, high=high, given=given[:40])


# ---------------------------------------------------------------- bytes in a link


def pack(data: bytes) -> str:
    """Bytes as the shortest text a link can carry: zlib, then base64url without padding."""
    return base64.urlsafe_b64encode(zlib.compress(data, 9)).decode().rstrip("=")


def unpack(given: str, limit: int) -> bytes:
    """What `pack` wrote, if it is no longer than `limit` bytes. Raises `Refusal` for anything else, however it was forged."""
    try:
        raw = base64.b64decode(given + "=" * (-len(given) % 4), altchars=b"-_", validate=True)
        inflate = zlib.decompressobj()
        data = inflate.decompress(raw, limit + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise Refusal("link.packed", "this part of the link is damaged: {given!r}", given=given[:40]) from error
    if len(data) > limit or not inflate.eof:
        raise Refusal("link.packed", "this part of the link is damaged: {given!r}", given=given[:40])
    return data


# ---------------------------------------------------------------- reading and writing


def get(field: Field[T]) -> T:
    """The field's value in this session, or its default."""
    return _values().get(field.name, field.default)


def put(field: Field[T], value: T) -> None:
    """Set the field. Raises what `field.read` raises if the value could not live in a link."""
    if value != field.default:
        field.read(field.write(value))
    _values()[field.name] = value
    _refusals().pop(field.name, None)


def reset(field: Field[Any]) -> None:
    """Back to the default."""
    _values().pop(field.name, None)
    _refusals().pop(field.name, None)


def refusal(field: Field[Any]) -> Refusal | None:
    """Why the last value the reader tried for this field was refused; `None` once a valid one is set."""
    return _refusals().get(field.name)


def bind(field: Field[T], then: Callable[[], None] | None = None, shown: T | None = None, accept: Callable[[Any], T] | None = None) -> dict[str, Any]:
    """`key` and `on_change` to splat into a native widget, which then shows and sets this field.

    An impossible value is kept out of the state (see `refusal`); an emptied choice means no change. `then` runs after a
    change; `shown` is what the widget shows instead of the state's value (a default that depends on the run); `accept` turns
    what the widget gives into the field's value (a text cut to length).
    """
    key = f"w:{field.name}"
    value = get(field) if shown is None else shown
    if key not in st.session_state or st.session_state[key] != value:
        _replaced()[key] = (st.session_state.get(key), time.monotonic())
        st.session_state[key] = value

    def changed() -> None:
        given = st.session_state[key]
        if given is None or given == value or _echoed(key, given):
            return
        try:
            put(field, given if accept is None else accept(given))
        except Refusal as refused:
            _refusals()[field.name] = refused
        else:
            if then is not None:
                then()

    return {"key": key, "on_change": changed}


def _echoed(key: str, given: Any) -> bool:
    """Whether what a browser gave is no wish. It sends every widget's value along with whatever the reader does; what it sends
    before it has heard of the server's change is what the widget held until then. A reader who goes back to that moves nothing else."""
    before, when = _replaced().get(key, (None, -math.inf))
    return given == before and time.monotonic() - when < ECHO and _moved() > 1


def _moved() -> int:
    """How many widgets the message that called this callback has changed; Streamlit counts them, but tells nobody."""
    session = getattr(get_session_state(), "_state")  # noqa: B009 – no public name leads there
    return sum(session._widget_changed(widget) for widget in session._new_widget_state)


def sent(key: str, name: str) -> Any:
    """What the component mounted under `key` last sent as `name`, straight from the browser and unchecked; `None` if nothing."""
    return (st.session_state.get(key) or {}).get(name)


def remember(name: str, factory: Callable[[], Any]) -> Any:
    """An object of this session that no link carries (a trainer, a timeline), made on first use."""
    kept = st.session_state.setdefault(_REMEMBERED, {})
    if name not in kept:
        kept[name] = factory()
    return kept[name]


def forget(name: str) -> None:
    """Drop a remembered object; the next `remember` makes a new one."""
    st.session_state.setdefault(_REMEMBERED, {}).pop(name, None)


def _values() -> dict[str, Any]:
    return st.session_state.setdefault(_VALUES, {})


def _replaced() -> dict[str, tuple[Any, float]]:
    return st.session_state.setdefault(_REPLACED, {})


def _refusals() -> dict[str, Refusal]:
    return st.session_state.setdefault(_REFUSED, {})
