"""Any text is tokenised, shown and given back."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.errors import Refusal
from model.text.rows import Lesson, RowStream, pack, table
from model.text.tokenizer import Tokenizer
from model.text.world import Dials, Document, World

TOKENIZER = Tokenizer.for_world()
ODD = [
    "",
    " ",
    "  ",
    "olá, mundo!",
    "😀👨‍👩‍👧",
    "مرحبا",
    "<script>alert(1)</script>",
    "**a** $x^2$",
    "a\tb\nc\r\n",
    "\x00\x07",
    "e\u0301",
    "<|doc|>",
    "<0x41>",
    "\u200b",
]


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=80))
@settings(max_examples=300, deadline=None)
def test_what_is_encoded_decodes(text: str) -> None:
    encoding = TOKENIZER.encode(text)
    assert TOKENIZER.decode(encoding.ids) == text
    assert tuple(TOKENIZER.ids(text)) == encoding.ids
    assert len(encoding.ids) == len(encoding.pieces) == len(encoding.known) == len(encoding.spans)
    assert all(0 <= number < TOKENIZER.size for number in encoding.ids)
    assert all(0 <= start <= end <= len(text) for start, end in encoding.spans)


@pytest.mark.parametrize("text", ODD)
def test_odd_text_is_text(text: str) -> None:
    encoding = TOKENIZER.encode(text)
    assert TOKENIZER.decode(encoding.ids) == text
    assert TOKENIZER.begin not in encoding.ids


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert TOKENIZER.decode(TOKENIZER.encode("a\ud800b").ids) == "a?b"


def test_a_word_is_the_same_token_wherever_it_stands() -> None:
    first, later = TOKENIZER.encode("azul"), TOKENIZER.encode("o céu é azul")
    assert first.ids[0] == later.ids[-1]
    assert later.pieces == (" o", " céu", " é", " azul")
    assert all(later.known)


def test_words_from_outside_are_marked_and_spelled() -> None:
    encoding = TOKENIZER.encode("o dragão azul")
    assert encoding.known == (True, *[False] * 7, True)
    assert "".join(encoding.pieces) == " o dragão azul"
    assert encoding.spans[1:3] == ((1, 2), (2, 3))


def test_every_document_of_the_world_is_known_but_for_its_inventions() -> None:
    for document in islice(World(1).documents(), 1_000):
        if document.kind not in ("copy", "novelty"):
            assert all(TOKENIZER.encode(document.text).known)


def test_the_short_way_to_ids_is_the_long_way() -> None:
    for document in islice(World(2).documents(), 2_000):
        for text in (document.text, document.text.replace(" ", "  ", 1), document.text + " e\u0301", document.text.lower()):
            assert tuple(TOKENIZER.ids(text)) == TOKENIZER.encode(text).ids


def test_a_saved_tokenizer_reads_the_same(tmp_path: Path) -> None:
    TOKENIZER.save(tmp_path / "tokenizer.json")
    again = Tokenizer.load(tmp_path / "tokenizer.json")
    text = "O céu é azul. dragão 😀"
    assert again.encode(text) == TOKENIZER.encode(text)
    assert (again.begin, again.pad, again.size) == (TOKENIZER.begin, TOKENIZER.pad, TOKENIZER.size)


def test_a_broken_tokenizer_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(Refusal, match="is not a tokenizer"):
        Tokenizer.load(tmp_path / "tokenizer.json")


def test_rows_hold_whole_documents_between_begin_tokens() -> None:
    documents = list(islice(World(3).documents(), 60))
    rows = list(pack(documents, TOKENIZER, 96))
    assert all(len(row) == 97 for row in rows)
    ids = [number for row in rows for number in row if number != TOKENIZER.pad]
    written = [number for d in documents for number in (TOKENIZER.begin, *TOKENIZER.encode(d.text).ids)]
    doubled = [number for row in rows for number in row[: row.index(TOKENIZER.pad) - 1 if TOKENIZER.pad in row else -1]]
    assert doubled == written
    assert len(ids) == len(written) + len(rows)


def test_a_document_longer_than_a_row_is_refused() -> None:
    with pytest.raises(Refusal, match="a row only 8"):
        list(pack([Document("um " * 30, "noise", "pt", 0.0)], TOKENIZER, 8))


def test_a_stream_goes_on_where_it_stood() -> None:
    lessons = (Lesson(40, Dials().emphasise(("copy",), 0.9)),)
    stream, again = (RowStream(TOKENIZER, 64, seed=2, lessons=lessons) for _ in range(2))
    stream.next(5)
    state = stream.state()
    expected = stream.next(7)
    again.restore(state)
    assert torch.equal(again.next(7), expected)
    assert not torch.equal(RowStream(TOKENIZER, 64, seed=3).next(5), RowStream(TOKENIZER, 64, seed=2).next(5))


def test_early_lessons_give_way_to_the_usual_world() -> None:
    lessons = (Lesson(50, Dials(weights=(("sound", 1.0),))),)
    stream = RowStream(TOKENIZER, 64, seed=2, dials=Dials(weights=(("fact", 1.0),)), lessons=lessons)
    rows = [TOKENIZER.decode([number for number in row.tolist() if number != TOKENIZER.pad]) for row in stream.next(12)]
    assert " diz " in rows[0] or " says " in rows[0]
    assert all(" diz " not in row and " says " not in row for row in rows[-4:])


def test_a_table_holds_every_row() -> None:
    documents = list(islice(World(3).documents(), 40))
    assert table(documents, TOKENIZER, 80).tolist() == list(pack(documents, TOKENIZER, 80))
