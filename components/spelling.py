"""A configuration in a link: only what differs from one that both sides know, setting by setting.

`config.width~128~config.positions~NoPositions` is readable, survives any address bar, and holds nothing but values that the
editor itself could show; whatever else stands there is refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypeVar

from model.errors import Refusal
from model.space import Choice, Interval, Parts, Setting, settings

T = TypeVar("T")

LIMIT = 1_600
MARK = "~"


def spell(value: Any, known: Any) -> str:
    """How `value` differs from `known`, a configuration of the same class; "" if it does not."""
    return MARK.join(word for path, new in differences(value, known) for word in (path, _word(new)))


def _word(value: Any) -> str:
    """A value as it stands in a link; twelve figures are more than any slider sets."""
    if isinstance(value, type):
        return value.__name__
    return format(value, ".12g") if isinstance(value, float) else str(value)


def differences(value: Any, known: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each setting that differs, by its dotted path, with its new value; another part is its class, then what differs from its defaults."""
    for setting in settings(type(value)):
        here = f"{path}.{setting.name}" if path else setting.name
        new, old = getattr(value, setting.name), getattr(known, setting.name)
        if isinstance(setting.space, Parts):
            if type(new) is not type(old):
                yield here, type(new)
                old = type(new)()
            yield from differences(new, old, here)
        elif new != old:
            yield here, new


def parse(given: str, known: T) -> T:
    """The configuration that `spell` wrote against the same `known`.

    Raises `Refusal` for anything that it cannot have written: unknown settings, values outside their declared space, text
    that is too long, and what the configuration itself refuses.
    """
    words = given.split(MARK) if given else []
    wanted = dict(zip(words[::2], words[1::2], strict=False))
    if len(given) > LIMIT or not given.isascii() or len(words) != 2 * len(wanted):
        raise Refusal("link.settings", "these settings cannot be read: {given!r}", given=given[:40])
    value = _apply(known, wanted, "")
    if wanted:
        raise Refusal("link.unknown_setting", "there is no setting {given!r} here", given=next(iter(wanted))[:40])
    return value


def _apply(known: Any, wanted: dict[str, str], path: str) -> Any:
    changed: dict[str, Any] = {}
    for setting in settings(type(known)):
        here = f"{path}.{setting.name}" if path else setting.name
        old = getattr(known, setting.name)
        if isinstance(setting.space, Parts):
            changed[setting.name] = _apply(_kind(setting.space, wanted.pop(here, ""), old), wanted, here)
        elif here in wanted:
            changed[setting.name] = _value(setting, wanted.pop(here))
    return dataclasses.replace(known, **changed)


def _kind(space: Parts, given: str, old: Any) -> Any:
    return _option("kind", given, {kind.__name__: kind for kind in space.options})() if given else old


def _value(setting: Setting, given: str) -> Any:
    match setting.space:
        case Choice(options):
            return _option(setting.name, given, {str(option): option for option in options})
        case Interval() as interval:
            return _number(setting, given, interval)
    raise AssertionError(f"a part is no value: {setting}")


def _option(name: str, given: str, options: dict[str, Any]) -> Any:
    if given not in options:
        raise Refusal("link.option", "{name} is one of {options}, got {given!r}", name=name, options=", ".join(options), given=given[:40])
    return options[given]


def _number(setting: Setting, given: str, interval: Interval) -> float:
    with suppress(ValueError):
        value = setting.kind(given)
        if value in interval:
            return value
    sentence = "{name} is a number from {low} to {high}, got {given!r}"
    raise Refusal("link.outside", sentence, name=setting.name, low=interval.low, high=interval.high, given=given[:40])
