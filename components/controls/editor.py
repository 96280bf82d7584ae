"""Widgets for any configuration declared with `model.space`: an interval becomes a slider, a choice a switch, a list or, where it is one
of numbers, a slider; a union a list with the chosen part's own settings below it.

What the reader sets is a wish. A wish that the configuration grants replaces the settled value; one that it refuses stays
on the screen with its sentence beside the field that was touched last, and the settled value remains.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components import state
from components.i18n import Words
from model.errors import Refusal
from model.space import Choice, Interval, Parts, Setting, settings

T = TypeVar("T")

MOST_SEGMENTS = 3
MOST_NOTCHES = 130


@dataclass(frozen=True, slots=True)
class Edited(Generic[T]):
    """What came of an edit: the settled value, and why the reader's last wish was refused, if it was."""

    value: T
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class Wish:
    """A part as the reader wants it, possible or not: a valid part of that kind, and the values wanted in it."""

    template: Any
    values: dict[str, Any]

    def grant(self) -> Any:
        """The part itself. Raises `Refusal` if it cannot be."""
        wanted = {name: value.grant() if isinstance(value, Wish) else value for name, value in self.values.items()}
        return dataclasses.replace(self.template, **wanted)

    def flat(self, path: str = "") -> Iterator[tuple[str, Any]]:
        """Every setting by its dotted path; a part counts with the name of its kind, so that a change of kind is a change."""
        for name, value in self.values.items():
            here = f"{path}.{name}" if path else name
            if isinstance(value, Wish):
                yield here, type(value.template).__name__
                yield from value.flat(here)
            else:
                yield here, value


@dataclass
class _Memory:
    """What the editor remembers between runs: the value it last settled on, the last wish, and where it was touched last."""

    settled: Any = None
    revision: int = 0
    seen: dict[str, Any] = field(default_factory=dict)
    touched: str = ""

    def follow(self, value: Any) -> None:
        """A value that changed elsewhere (a preset, a link) gets fresh widgets."""
        if value != self.settled:
            self.settled, self.revision, self.seen = value, self.revision + 1, {}

    def notice(self, wish: Wish) -> None:
        now = dict(wish.flat())
        changed = [path for path, value in now.items() if self.seen and self.seen.get(path, value) != value]
        self.touched = changed[-1] if changed else self.touched
        self.seen = now


def edit(words: Words, key: str, value: T, columns: int = 3, prefix: str = "settings") -> Edited[T]:
    """Draw the widgets of `value`, a declared dataclass, and return what they make of it. Each part that is itself a configuration is
    spread over `columns` under a heading of its own; where there is none, the whole is.

    Words come from `{prefix}.{path}.name` and `.help`, kinds and options from `{prefix}.kinds.…` and `{prefix}.options.…`.
    """
    memory: _Memory = state.remember(f"editor.{key}", _Memory)
    memory.follow(value)
    form = _Form(words, f"{key}.{memory.revision}", prefix)
    wish = form.chapters(value, columns) if any(map(_is_chapter, settings(type(value)))) else form.spread("", value, columns)
    memory.notice(wish)
    try:
        memory.settled = wish.grant()
    except Refusal as refusal:
        form.refuse(memory.touched, refusal)
        return Edited(value, refusal)
    return Edited(memory.settled, None)


class _Form:
    """One drawing of the widgets. Widget keys are the settings' paths."""

    def __init__(self, words: Words, key: str, prefix: str) -> None:
        self.words, self.key, self.prefix = words, key, prefix
        self.places: dict[str, DeltaGenerator] = {}
        self.kinds: dict[str, str] = {}

    # ------------------------------------------------------------ parts

    def chapters(self, value: Any, columns: int) -> Wish:
        """The whole: each part that is itself a configuration under a heading of its own, in columns."""
        wanted: dict[str, Any] = {}
        for setting in settings(type(value)):
            part = getattr(value, setting.name)
            if _is_chapter(setting):
                st.markdown(f"##### {self.name(setting.name)}")
                wanted[setting.name] = self.spread(setting.name, part, columns)
            else:
                wanted[setting.name] = self.setting(setting.name, setting, part)
        return Wish(value, wanted)

    def spread(self, path: str, part: Any, columns: int) -> Wish:
        declared = list(settings(type(part)))
        wanted: dict[str, Any] = {}
        for column, share in zip(st.columns(columns, gap="medium"), deal(declared, columns), strict=True):
            with column:
                for setting in share:
                    here = f"{path}.{setting.name}" if path else setting.name
                    wanted[setting.name] = self.setting(here, setting, getattr(part, setting.name))
        return Wish(part, wanted)

    def part(self, path: str, template: Any) -> Wish:
        found = settings(type(template))
        return Wish(template, {s.name: self.setting(f"{path}.{s.name}", s, getattr(template, s.name)) for s in found})

    # ------------------------------------------------------------ settings

    def setting(self, path: str, setting: Setting, value: Any) -> Any:
        place = self.places[path] = st.container(gap="small")
        with place:
            match setting.space:
                case Parts((_,)):
                    return self.group(path, value)
                case Parts(options):
                    return self.union(path, options, value)
                case Choice(options):
                    return self.choice(path, options, value)
                case Interval() as interval:
                    return self.interval(path, setting.kind, interval, value)

    def group(self, path: str, value: Any) -> Wish:
        with st.container(border=True, gap="small"):
            st.markdown(f"**{self.name(path)}**", help=self.help(path))
            return self.part(path, value)

    def union(self, path: str, options: Sequence[type], value: Any) -> Wish:
        kinds = {option.__name__: option for option in options}
        with st.container(border=True, gap="small"):
            chosen = self.kinds[path] = self.pick(path, list(kinds), type(value).__name__, "kinds")
            template = value if type(value).__name__ == chosen else carry(value, kinds[chosen])
            st.caption(self.words(f"{self.prefix}.kinds.{chosen}.help"))
            return self.part(path, template)

    def choice(self, path: str, options: Sequence[Any], value: Any) -> Any:
        if set(options) == {False, True}:
            return st.toggle(self.name(path), value=value, key=self.widget(path), help=self.help(path))
        if len(options) > MOST_SEGMENTS and all(isinstance(option, int | float) for option in options):
            say = partial(self.words.number, digits=0)
            return st.select_slider(self.name(path), sorted({*options, value}), value, format_func=say, key=self.widget(path), help=self.help(path))
        return self.pick(path, options, value, "options")

    def pick(self, path: str, options: Sequence[Any], value: Any, kind: str) -> Any:
        def say(option: Any) -> str:
            return self.words(f"{self.prefix}.{kind}.{option}.name") if isinstance(option, str) else str(option)

        label, key, tip = self.name(path), self.widget(path), self.help(path)
        if len(options) <= MOST_SEGMENTS:
            return st.segmented_control(label, options, default=value, required=True, format_func=say, key=key, help=tip)
        return st.selectbox(label, options, index=list(options).index(value), format_func=say, key=key, help=tip)

    def interval(self, path: str, kind: type, interval: Interval, value: Any) -> Any:
        label, key, tip = self.name(path), self.widget(path), self.help(path)
        places = notches(interval, kind, value)
        if places is not None:
            return st.select_slider(label, places, value=value, format_func=partial(written, self.words), key=key, help=tip)
        low, high = min(kind(interval.low), value), max(kind(interval.high), value)
        return st.number_input(label, low, high, value, kind(interval.step or 1), key=key, help=tip)

    # ------------------------------------------------------------ words

    def name(self, path: str) -> str:
        return self.words(f"{self.prefix}.{path}.name")

    def help(self, path: str) -> str:
        return self.words(f"{self.prefix}.{path}.help")

    def widget(self, path: str) -> str:
        """A widget's key; another kind of part has widgets of its own, even where a setting's name is the same."""
        return f"{self.key}.{self.kinds.get(path.rpartition('.')[0], '')}.{path}"

    def refuse(self, path: str, refusal: Refusal) -> None:
        """The sentence beside the field; where nothing was touched yet, it stands below the whole."""
        place = self.places.get(path, st)
        place.error(self.words.refusal(refusal))


def carry(old: Any, kind: type[T]) -> T:
    """A part of another kind, with what both kinds declare alike taken over from the old one."""
    before = {setting.name: setting.space for setting in settings(type(old))}
    return kind(**{setting.name: getattr(old, setting.name) for setting in settings(kind) if before.get(setting.name) == setting.space})


# ---------------------------------------------------------------- layout and notches


def _is_chapter(setting: Setting) -> bool:
    """Whether a setting is a configuration itself, without alternatives."""
    return isinstance(setting.space, Parts) and len(setting.space.options) == 1


def weight(setting: Setting) -> int:
    """How many rows a setting takes at most, so that choosing another part never moves a field to another column."""
    if not isinstance(setting.space, Parts):
        return 1
    return 1 + max(sum(map(weight, settings(option))) for option in setting.space.options)


def deal(declared: Sequence[Setting], columns: int) -> list[list[Setting]]:
    """The settings in `columns` piles of about equal height, their order kept."""
    total = sum(map(weight, declared))
    piles: list[list[Setting]] = [[] for _ in range(columns)]
    above = 0
    for setting in declared:
        middle = above + weight(setting) / 2
        piles[min(int(middle / total * columns), columns - 1)].append(setting)
        above += weight(setting)
    return piles


def notches(interval: Interval, kind: type, value: Any) -> list[Any] | None:
    """The places of a slider, `value` among them; `None` where there would be too many for one."""
    if interval.log:
        places = {kind(place) for place in decades(interval.low, interval.high)}
    elif interval.step and (interval.high - interval.low) / interval.step <= MOST_NOTCHES:
        count = round((interval.high - interval.low) / interval.step)
        places = {kind(round(interval.low + n * interval.step, 9)) for n in range(count + 1)}
    else:
        return None
    return sorted(places | {value})


def decades(low: float, high: float) -> list[float]:
    """1, 1.5, 2, 3, 4, 5, 6, 8 × powers of ten from `low` to `high`: steps that feel even on a logarithmic slider."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    places = (float(f"{step}e{power}") for power in powers for step in (1, 1.5, 2, 3, 4, 5, 6, 8))
    return [place for place in places if low <= place <= high]


def written(words: Words, value: float) -> str:
    """A setting's number as short as it can be exact: 0.008, 1.5, 64, "10 k"."""
    if value >= 10_000:
        return words.count(value)
    return words.number(value, next(digits for digits in range(7) if digits == 6 or math.isclose(value, round(value, digits), abs_tol=1e-12)))
