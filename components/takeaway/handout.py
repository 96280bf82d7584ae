"""A page as one HTML file that needs no network: its pictures, its sentences, its tables.

The server writes all of it but the pictures, which exist in the reader's browser only: where one belongs stands a `slot`, which the browser
fills before it saves the file. Whatever comes from a reader or a token is escaped; a policy in the file itself lets nothing be fetched.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.i18n import Words
from components.takeaway import numbers
from components.takeaway.gallery import Exhibit
from components.takeaway.view import View

if TYPE_CHECKING:
    from pandas import DataFrame

ROWS = 500  # listed; the file to download has all
OPEN = 12  # rows up to which a table stands open
HERE = Path(__file__).parent
STYLE = (HERE / "handout.css").read_text(encoding="utf-8")
SCRIPT = (HERE / "handout.js").read_text(encoding="utf-8")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; font-src data:"


def slot(key: str) -> str:
    """Where the picture of an exhibit belongs; the browser looks for it, and no escaped text can look like it."""
    return f"<!--picture:{re.sub('[^a-zA-Z0-9_-]', '-', key)}-->"


def handout(view: View, exhibits: Iterable[Exhibit]) -> str:
    """The whole document, its pictures still to be put into their slots."""
    title = html.escape(f"{view.title} · {view.words('shell.name')}")
    sections = "\n".join(_section(view.words, *each) for each in enumerate(exhibits, 1))
    return f"""<!DOCTYPE html>
<html lang="{view.words.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{_about(view)}
{sections}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _about(view: View) -> str:
    name = lambda what: view.words(f"takeaway.about.{what}")  # noqa: E731
    texts = [(name("text" if reading is view.main else "source"), reading.text) for reading in view.texts if reading.text]
    facts = [*texts, (name("model"), view.model), (name("day"), view.day), (name("address"), view.address)]
    return "<dl>" + "".join(f'<dt>{html.escape(what)}</dt><dd dir="auto">{html.escape(value)}</dd>' for what, value in facts) + "</dl>"


def _section(words: Words, number: int, exhibit: Exhibit) -> str:
    frame, title = exhibit.table(), words("takeaway.figure", number=number)
    return (
        f'<section aria-labelledby="figure-{number}"><h2 id="figure-{number}">{title}</h2>'
        f"<figure>{slot(exhibit.key)}<figcaption>{html.escape(exhibit.reading)}</figcaption></figure>"
        f"{_drawer(words, frame, exhibit.key, title)}</section>"
    )


def _drawer(words: Words, frame: DataFrame, key: str, title: str) -> str:
    shown, data = frame.head(ROWS), base64.b64encode(numbers.csv(frame)).decode()
    rest = f'<p class="dim">{words("takeaway.rows", shown=words.number(ROWS), all=words.number(len(frame)))}</p>' if len(frame) > ROWS else ""
    link = f'<p><a download="vitrine-{html.escape(key)}.csv" href="data:text/csv;base64,{data}">{words("takeaway.csv")}</a></p>'
    told = html.escape(f"{title}: {words('shell.numbers.title')}")
    table = f'<div class="scroll" tabindex="0" role="region" aria-label="{told}">{_table(words, shown)}</div>'
    return f"<details{' open' if len(frame) <= OPEN else ''}><summary>{words('shell.numbers.title')}</summary>{table}{rest}{link}</details>"


def _table(words: Words, frame: DataFrame) -> str:
    columns = [numbers.array(frame[title].to_numpy()) for title in frame.columns]
    kinds = [' class="n"' if column.dtype.kind in "iuf" else "" for column in columns]
    named = zip(frame.columns, kinds, strict=True)
    heads = "".join(f'<th scope="col"{kind}><button type="button">{html.escape(str(name))}</button></th>' for name, kind in named)
    rows = "".join(f"<tr>{''.join(_cell(words, value) for value in row)}</tr>" for row in zip(*(column.tolist() for column in columns), strict=True))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(words: Words, value: Any) -> str:
    if isinstance(value, bool | str):
        return f'<td dir="auto">{html.escape(str(value))}</td>'
    return f'<td class="n" data-v="{value!r}">{words.number(value) if np.isfinite(value) else "–"}</td>'
