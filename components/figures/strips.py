"""Rows of tokens with what training does to each: hidden, exchanged, asked for, counted; and who may look at whom.

Plain markup, and every piece of text is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Token:
    """A token: what is written on it, its kind ("" or one of the legend's), a line below, and whether that line is a right guess."""

    text: str
    kind: str = ""
    below: str = ""
    right: bool | None = None


def strip(rows: Sequence[Sequence[Token]], titles: Sequence[str] = ()) -> str:
    """The rows on one plate, each with a title where there are any."""
    heads = [f"<b>{html.escape(title)}</b>" for title in titles] or [""] * len(rows)
    drawn = (f"<p>{head}{''.join(map(_token, row))}</p>" for head, row in zip(heads, rows, strict=True))
    return f'<div class="v-plate v-strip">{"".join(drawn)}</div>'


def legend(kinds: Sequence[tuple[str, str]]) -> str:
    """What each kind of token is: its kind and its words."""
    keys = "".join(f'<li><span class="v-token v-{kind}">{MARKS[kind]}</span>{html.escape(told)}</li>' for kind, told in kinds)
    return f'<ul class="v-strip-legend">{keys}</ul>'


MARKS = {"hidden": "___", "exchanged": "⇄", "kept": "=", "counted": "✓", "no": "", "yes": "", "ahead": "", "answer": ""}
"""The sign that stands on a token of a kind, so that its colour is not all that tells it."""


def grid(title: str, pieces: Sequence[str], allowed: NDArray[np.bool_], answers: NDArray[np.bool_], said: Mapping[str, str]) -> str:
    """Who may look at whom, a row each that looks: (tokens, tokens); `answers` are the cells where what is to be said stands. `said`:
    yes, ahead, no, answer, as they are read aloud, and way: which looks at which."""
    heads = "".join(f'<th scope="col"><span>{html.escape(piece)}</span></th>' for piece in pieces)
    ahead = np.triu(np.ones_like(allowed), 1)
    rows = "".join(
        f'<tr><th scope="row">{html.escape(piece)}</th>{"".join(map(partial(_cell, said), row, later, told))}</tr>'
        for piece, row, later, told in zip(pieces, allowed.tolist(), ahead.tolist(), answers.tolist(), strict=True)
    )
    caption = f"<caption>{html.escape(title)} <small>{html.escape(said['way'])}</small></caption>"
    return f'<div class="v-plate v-sight"><table>{caption}<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(said: Mapping[str, str], may: bool, ahead: bool, answer: bool) -> str:
    kind = "no" if not may else "answer" if answer else "ahead" if ahead else "yes"
    return f'<td class="v-{kind}"><span>{html.escape(said[kind])}</span></td>'


def _token(token: Token) -> str:
    sign = {"exchanged": "⇄ ", "kept": "= "}.get(token.kind, "")
    verdict = {None: "", True: " v-hit", False: " v-miss"}[token.right]
    below = f'<small class="{verdict.strip()}">{html.escape(token.below)}</small>' if token.below else ""
    kind = f" v-{token.kind}" if token.kind else ""
    return f'<span class="v-token{kind}"><i>{html.escape(sign + token.text)}</i>{below}</span> '
