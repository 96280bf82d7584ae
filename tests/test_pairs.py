"""Sentence pairs: one document in two languages, one right translation each way, and held-out pairs that no training row holds."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import islice

import pytest
import torch

from model.errors import Refusal
from model.text.kinds import KINDS
from model.text.lexicon import ADJECTIVES, NAMES, NOUNS
from model.text.pairs import OTHER, UNTRANSLATED, WHOLE, Pairs, PairStream, both, held_out_pairs, pack, table
from model.text.tokenizer import Tokenizer
from model.text.world import USUAL, Dials, World

TOKENIZER = Tokenizer.for_world()
PAIRS = list(islice(iter(Pairs(3)), 12_000))
TRANSLATED = sorted(set(KINDS) - set(UNTRANSLATED))


def test_every_kind_but_the_mixed_one_is_translated_from_both_languages() -> None:
    assert {(pair.kind, pair.language) for pair in PAIRS} == {(kind, language) for kind in TRANSLATED for language in OTHER}
    for kind in TRANSLATED:
        expected = USUAL[kind] / (sum(USUAL.values()) - sum(USUAL[kind] for kind in UNTRANSLATED))
        assert sum(pair.kind == kind for pair in PAIRS) / len(PAIRS) == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("kind", sorted(set(TRANSLATED) - {"translation"}))
def test_both_texts_are_documents_of_the_world_written_by_the_same_choices(kind: str) -> None:
    maker = World(1).maker
    for _ in range(60):
        dice = maker.chance.random.getstate()
        texts = both(maker, kind)
        for language, text in texts.items():
            maker.chance.random.setstate(dice)
            maker.chance.nats = 0.0
            assert KINDS[kind](maker, language) == text
            cost = maker.chance.nats
            assert cost == pytest.approx(cost_of(maker, kind, OTHER[language], dice))


def cost_of(maker, kind, language, dice) -> float:
    maker.chance.random.setstate(dice)
    maker.chance.nats = 0.0
    KINDS[kind](maker, language)
    return maker.chance.nats


def test_a_source_has_one_right_target() -> None:
    targets: dict[str, set[str]] = {}
    for pair in PAIRS:
        targets.setdefault(pair.source, set()).add(pair.target)
        targets.setdefault(pair.target, set()).add(pair.source)
    assert all(len(found) == 1 for found in targets.values())


def test_a_translation_speaks_of_the_same_people_and_things_in_the_same_order() -> None:
    english = {form: noun.en for noun in NOUNS for form in (noun.pt, noun.pt_plural, noun.en, noun.en_plural)}
    english |= {form: quality.en for quality in ADJECTIVES for form in (quality.m, quality.f, quality.m_plural, quality.f_plural, quality.en)}
    english |= {name.text: name.text for name in NAMES}
    for pair in PAIRS:
        told = [sorted(english[word] for word in re.findall(r"\w+", text) if word in english) for text in (pair.source, pair.target)]
        assert told[0] == told[1], pair


def test_the_same_seed_writes_the_same_pairs() -> None:
    assert list(islice(iter(Pairs(3)), 200)) == PAIRS[:200]
    assert list(islice(iter(Pairs(4)), 200)) != PAIRS[:200]


def test_a_pair_is_held_out_in_both_directions_or_in_none() -> None:
    for pair in PAIRS[:2_000]:
        assert replace(pair, source=pair.target, target=pair.source, language=OTHER[pair.language]).held_out == pair.held_out
    open_kinds = [pair for pair in PAIRS if pair.kind not in WHOLE]
    assert sum(pair.held_out for pair in open_kinds) / len(open_kinds) == pytest.approx(1 / 25, abs=0.01)
    assert not any(pair.held_out for pair in PAIRS if pair.kind in WHOLE)


def test_training_never_reads_a_held_out_pair() -> None:
    asked = held_out_pairs(400)
    assert len(set(asked)) == 400
    assert all(pair.held_out for pair in asked)
    wanted = {(tuple(TOKENIZER.ids(pair.source)), tuple(TOKENIZER.ids(pair.target))) for pair in asked}
    wanted |= {(target, source) for source, target in wanted}
    rows = pack((pair for pair in Pairs("training 0") if not pair.held_out), TOKENIZER, 128)
    read = {(tuple(source), tuple(target)) for row in islice(rows, 1_000) for source, target in row}
    assert not read & wanted


def test_rows_hold_whole_pairs_the_target_a_step_behind_what_is_said() -> None:
    ids = [(TOKENIZER.ids(pair.source), TOKENIZER.ids(pair.target)) for pair in PAIRS[:5]]
    rows = table([ids[:2], ids[2:]], TOKENIZER, 200)
    begin, pad = TOKENIZER.begin, TOKENIZER.pad
    for row, held in enumerate((ids[:2], ids[2:])):
        for number, (source, target) in enumerate(held):
            assert rows.source[row][rows.source_pair[row] == number].tolist() == [begin, *source]
            assert rows.target[row][rows.target_pair[row] == number].tolist() == [begin, *target]
            assert rows.said[row][rows.target_pair[row] == number].tolist() == [*target, begin]
        assert set(rows.source[row][rows.source_pair[row] == -1].tolist()) == {pad}
        assert set(rows.said[row][rows.target_pair[row] == -1].tolist()) == {pad}


def test_rows_are_well_filled_and_go_on_where_they_stood() -> None:
    stream, again = (PairStream(TOKENIZER, 128, seed=2) for _ in range(2))
    read = stream.next(60)
    assert (read.source_pair >= 0).float().mean() > 0.85
    expected = stream.next(3)
    again.restore({"rows": 60})
    found = again.next(3)
    assert all(torch.equal(getattr(found, name), getattr(expected, name)) for name in ("source", "source_pair", "target", "target_pair", "said"))
    assert again.state() == stream.state() == {"rows": 63}


def test_what_cannot_be_translated_is_refused() -> None:
    with pytest.raises(Refusal, match="not again"):
        Pairs(0).pair("again")
    with pytest.raises(Refusal, match="nothing but again"):
        Pairs(0, Dials(weights=(("again", 1.0),)))
    with pytest.raises(Refusal, match="a row only 8"):
        PairStream(TOKENIZER, 8).next(1)
