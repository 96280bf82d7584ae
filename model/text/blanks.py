"""Blanks: where a reader leaves a word out, and the one token a model reads there."""

from __future__ import annotations

import re
from itertools import groupby

from model.text.tokenizer import Encoding, Tokenizer

WRITTEN = "___"
"""How a blank is written; two underscores do as well, and so do the blank tokens of published tokenizers."""
MARK = re.compile(r" ?(?:_{2,}|<\|blank\|>|\[MASK\]|<mask>)")


def encode(tokenizer: Tokenizer, text: str) -> Encoding:
    """The text as `tokenizer.encode` reads it, but each mark, with the space before it, as one blank. Where the tokenizer has no
    blank, marks are read as they stand."""
    encoding = tokenizer.encode(text)
    if tokenizer.blank is None:
        return encoding
    marks = [found.span() for found in MARK.finditer(text)]
    tokens: list[tuple[int, str, bool, tuple[int, int]]] = []
    every = zip(encoding.ids, encoding.pieces, encoding.known, encoding.spans, strict=True)
    for mark, group in groupby(every, lambda token: next((mark for mark in marks if mark[0] <= token[3][0] < mark[1]), None)):
        if mark is None:
            tokens += group
        else:
            space = " " if text[mark[0]] == " " else ""
            tokens.append((tokenizer.blank, space + WRITTEN, True, mark))
    ids, pieces, known, spans = zip(*tokens, strict=True) if tokens else ((), (), (), ())
    return Encoding(ids, pieces, known, spans)
