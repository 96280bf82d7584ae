"""What every page is given and what every picture comes with."""

from __future__ import annotations

import functools
import html
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec

import numpy as np
import streamlit as st

from components import permalink, theme
from components.i18n import Words
from components.state import Field
from components.takeaway import numbers, picture
from components.takeaway.gallery import Exhibit, Gallery
from components.theme import Palette
from model.config import Decoder
from model.errors import Refusal

if TYPE_CHECKING:
    from pandas import DataFrame

    from components.compute import Specimen

Kind = Literal["sequential", "diverging"]
P = ParamSpec("P")
_log = logging.getLogger("vitrine")


@dataclass(frozen=True)
class Prompt:
    """The reader's text as the model reads it: `ids` and what they show, `known` false for pieces from outside the micro-world, `cut`
    tokens dropped at the end because the model's context holds no more.

    `opening` of the ids were not written by the reader but open every text of this model, and `closing` end it. `blanks` are the places
    of tokens to be filled in, `unread` what stands in the text and is no token of the model. For an encoder–decoder this is the target,
    about a `source`; `own` says that the model wrote it, likeliest token by likeliest token, because the reader left it empty.
    """

    text: str
    ids: tuple[int, ...]
    pieces: tuple[str, ...]
    known: tuple[bool, ...]
    cut: int
    opening: int = 1
    closing: int = 0
    blanks: tuple[int, ...] = ()
    source: Prompt | None = None
    own: bool = False
    unread: tuple[str, ...] = ()

    @property
    def source_ids(self) -> tuple[int, ...]:
        """The source's ids; none where there is no source."""
        return self.source.ids if self.source else ()

    @property
    def given(self) -> tuple[int, ...]:
        """The ids the reader gave: without what the model wrote itself."""
        return self.ids[: self.opening] if self.own else self.ids


UNREAD = Prompt("", (), (), (), 0)
"""What a page is given that reads no text."""


@dataclass(frozen=True)
class Session:
    """What a page needs to know of this run: the language, the colours, the model on show, the text it reads, and the other
    pages by name (what `st.switch_page` takes). Every exhibit drawn hangs in its gallery."""

    words: Words
    palette: Palette
    specimen: Specimen
    prompt: Prompt
    pages: Mapping[str, Any] = field(default_factory=dict)
    gallery: Gallery = field(default_factory=Gallery, compare=False)


@dataclass(frozen=True)
class Page:
    """A page: its name (address, prefix of its words and of its link parameters), its renderer, its fields, and whether it reads
    the reader's text; where it does not, the field for it stays away. Until the reader has written one, it opens with the example
    among `opens` that is for the form of the model on show, or else with the first of all."""

    name: str
    render: Callable[[Session], None]
    fields: tuple[Field[Any], ...]
    reads: bool = True
    opens: tuple[str, ...] = ()


# ---------------------------------------------------------------- blocks


@contextmanager
def guarded(words: Words) -> Iterator[None]:
    """Turn a `Refusal` into its sentence and any other failure into one calm sentence; the details go to the server's log."""
    try:
        yield
    except Refusal as refused:
        calm(words.refusal(refused))
    except Exception:
        _log.exception("a part of the screen failed")
        calm(words("shell.trouble.unexpected"))


def block(
    render: Callable[Concatenate[Session, P], Any] | None = None, *, run_every: float | None = None
) -> Callable[..., Any]:
    """An interactive part of a page, `@block` over `def part(session, …)`: a fragment that runs by itself (every `run_every`
    seconds if given), is guarded by itself, and keeps the address up to date."""
    if render is None:
        return functools.partial(block, run_every=run_every)

    @functools.wraps(render)
    def run(session: Session, *args: P.args, **kwargs: P.kwargs) -> None:
        with guarded(session.words), session.gallery.anew((render, *map(id, args), *map(id, kwargs.values()))):
            render(session, *args, **kwargs)
        permalink.publish()

    return st.fragment(run, run_every=run_every)


# ---------------------------------------------------------------- pictures and sentences


def exhibit(
    session: Session, key: str, draw: Callable[[], Any], reading: str, table: Callable[[], DataFrame], recipe: Callable[[], str] | None = None
) -> Any:
    """A picture, its reading in one sentence, and its numbers in a drawer (made only when it is opened).

    `draw` places the picture and what it returns is returned; `key` is unique on the page. `recipe` says, as lines of Python for a
    notebook, how to compute the numbers again with `model/`: given `model`, `tokenizer`, `ids`, `source` and `trace` they leave a dict of
    numpy arrays called `numbers`.
    """
    with st.container(key=f"exhibit-{key}", gap="small"):
        result = draw()
        session.gallery.hang(Exhibit(key, reading, table, recipe))
        read_aloud(reading)
        with st.container(key=f"drawer-{key}", horizontal=True, vertical_alignment="top", gap="small"):
            drawer = st.expander(session.words("shell.numbers.title"), key=f"numbers-{key}", on_change="rerun")
            away = st.popover(session.words("takeaway.button"), key=f"away-{key}", on_change="rerun", type="tertiary")
        frame = table() if drawer.open or away.open else None
        if frame is not None and drawer.open:
            with drawer:
                _numbers(session, key, frame)
        if frame is not None and away.open:
            with away:
                _files(session, key, frame)
    return result


def _numbers(session: Session, key: str, frame: DataFrame) -> None:
    st.dataframe(_sorted(session, key, frame), hide_index=True, height=min(38 + 35 * max(len(frame), 1), 320), key=f"table-{key}")
    _file(session.words("shell.numbers.download"), numbers.csv(frame), f"vitrine-{key}.csv", "text/csv", f"csv-{key}", width="content")


def _sorted(session: Session, key: str, frame: DataFrame) -> DataFrame:
    """The table by the column the reader chose: Streamlit's own heads sort for a pointer only."""
    ways: list[tuple[int, int] | None] = [None, *((column, way) for column in range(len(frame.columns)) for way in (1, -1))]
    named = lambda at: session.words("takeaway.listed") if at is None else f"{frame.columns[at[0]]} {'↑' if at[1] == 1 else '↓'}"  # noqa: E731
    chosen = st.selectbox(session.words("takeaway.sort"), ways, format_func=named, key=f"sort-{key}", width=320)
    return frame if chosen is None or chosen[0] >= len(frame.columns) else numbers.ordered(frame, *chosen)


def _files(session: Session, key: str, frame: DataFrame) -> None:
    """The picture and its numbers, a file each."""
    words, name = session.words, f"vitrine-{key}"
    picture.buttons(words, f"picture-{key}", key, name)
    _file(words("takeaway.csv"), numbers.csv(frame), f"{name}.csv", "text/csv", f"away-csv-{key}")
    beside = {"ids": session.prompt.ids} | ({"source": session.prompt.source_ids} if session.prompt.source else {})
    arrays = numbers.npz(frame, **{name: np.array(ids, np.int64) for name, ids in beside.items()})
    _file(words("takeaway.npz"), arrays, f"{name}.npz", "application/octet-stream", f"npz-{key}")


def _file(label: str, data: bytes, name: str, kind: str, key: str, width: Literal["content", "stretch"] = "stretch") -> None:
    st.download_button(label, data, file_name=name, mime=kind, key=key, on_click="ignore", width=width)


def titled(session: Session, name: str) -> None:
    """A page's title and its first paragraph: `lead` for a decoder, and for another form of model a `lead_` of its own."""
    form = session.specimen.config.form
    st.title(session.words(f"{name}.title"))
    st.markdown(session.words(f"{name}.lead" if isinstance(form, Decoder) else f"{name}.lead_{type(form).__name__.lower()}"))


def read_aloud(sentence: str) -> None:
    """One sentence under a picture, announced to screen readers when it changes. Plain text: markup in it is shown, not obeyed."""
    st.html(f'<p class="v-reading" aria-live="polite">{html.escape(sentence)}</p>')


def note(session: Session, sentence: str) -> None:
    """A calm notice: something was refused, cut or left out, and what would work. Plain text."""
    calm(sentence)


def calm(sentence: str) -> None:
    """The same, where there is no session yet."""
    st.html(f'<p class="v-note" role="status">{html.escape(sentence)}</p>')


def quoted(piece: str) -> str:
    """A token where Markdown is read, in headings and the labels of widgets, so that nothing of it is obeyed."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", piece)


def legend(session: Session, kind: Kind, low: float, high: float, label: str = "", digits: int | None = None) -> None:
    """The colour bar of a table between two numbers; a diverging one has its middle named too."""
    words = session.words
    marks = [low, high] if kind == "sequential" else [low, (low + high) / 2, high]
    numbers = "".join(f"<span>{html.escape(words.number(mark, digits))}</span>" for mark in marks)
    title = f'<span class="v-legend-label">{html.escape(label)}</span>' if label else ""
    st.html(f'<div class="v-legend v-legend-{kind}">{title}<i aria-hidden="true"></i><span class="v-legend-marks">{numbers}</span></div>')


def layout(session: Session) -> dict[str, Any]:
    """The layout every Plotly figure of this run shares (see `theme.layout`), with this language's separators."""
    return theme.layout(session.palette) | {"separators": ",." if session.words.language == "pt-BR" else ".,"}
