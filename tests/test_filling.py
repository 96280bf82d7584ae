"""A blank's exact chances, and a model's figures beside them: held against counting, an oracle and bounds that nothing can cross."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from model.analysis import filling
from model.analysis.filling import Blank, blanks, forecasts, hits, measure, parted, posterior
from model.config import Attention, Config, Encoder, PlainMlp
from model.text.kinds import KINDS
from model.text.likelihood import READ, Likelihood, everything
from model.text.tokenizer import BLANK, Tokenizer
from model.text.world import World
from model.transformer import Transformer

WORDS = Tokenizer.for_world(BLANK)
ASKED = {kind: blanks(WORDS, kind, 40) for kind in (*READ, "novelty")}
KNOWN, UNKNOWN = parted(ASKED)


@pytest.fixture(scope="module")
def novice() -> Transformer:
    torch.set_num_threads(1)
    attention = Attention(heads=2, kv_heads=2, size=16)
    config = Config(vocabulary=WORDS.size, context=128, width=32, layers=2, form=Encoder(), attention=attention, mlp=PlainMlp(hidden=64))
    return Transformer(config, seed=1).eval()


@contextmanager
def oracle(monkeypatch: pytest.MonkeyPatch, asked: list[Blank]) -> Iterator[None]:
    """Forecasts that are the chances themselves."""
    rows = torch.full((len(asked), WORDS.size), -math.inf)
    for row, blank in zip(rows, asked, strict=True):
        for id, chance in blank.chances.items():
            row[id] = math.log(chance)
    with monkeypatch.context() as patch:
        patch.setattr(filling, "forecasts", lambda model, tokenizer, found: rows)
        yield


def test_the_blank_is_one_token_more_and_changes_no_id() -> None:
    usual = Tokenizer.for_world()
    assert (usual.size, usual.blank, WORDS.size, WORDS.blank) == (756, None, 757, 756)
    for kind in KINDS:
        text = World(4).document(kind).text
        assert WORDS.encode(text) == usual.encode(text)
    assert WORDS.ids("<|blank|>").count(756) == 0, "a text can never hide a token by itself"


def test_chances_add_up_and_hold_what_stood_there() -> None:
    assert set(KNOWN) == set(READ)
    assert set(UNKNOWN) == {"novelty", "copy"}, "copies of invented words have no known chances"
    for blank in (blank for found in KNOWN.values() for blank in found):
        assert math.fsum(blank.chances.values()) == pytest.approx(1)
        assert blank.chances[blank.answer] > 0
        assert blank.place > 0


@pytest.mark.parametrize("kind", ["fact", "sound", "counting", "biography", "job"])
def test_chances_are_those_of_counting_all_texts(kind: str) -> None:
    texts: dict[tuple[int, ...], float] = {}
    for language in ("pt", "en"):
        for text, probability in everything(lambda maker, tongue=language: KINDS[kind](maker, tongue), World(0).maker).items():
            texts[WORDS.begin, *WORDS.ids(text)] = probability
    for blank in ASKED[kind]:
        hidden = lambda ids, place=blank.place: (*ids[:place], *ids[place + 1 :])  # noqa: E731
        fitting = {ids[blank.place]: p for ids, p in texts.items() if len(ids) == len(blank.ids) and hidden(ids) == hidden(blank.ids)}
        whole = sum(fitting.values())
        assert blank.chances == pytest.approx({id: p / whole for id, p in fitting.items()})


@pytest.mark.parametrize(
    ("text", "place", "count"),
    [
        ("Ana viu uma bola azul no parque.", 1, 20),
        ("Ana viu uma bola azul no parque. Depois ela foi ao rio.", 1, 10),
        ("Ana viu uma bola azul no parque. Depois ela foi ao rio.", 10, 1),
        ("Ana viu uma bola azul no parque. Pedro disse: que bola azul!", 1, 19),
        ("Ana saw a blue ball in the park.", 4, 10),
        ("Ana saw a blue ball in the park.", 6, 1),
    ],
)
def test_a_hero_is_anyone_until_a_pronoun_tells(text: str, place: int, count: int) -> None:
    chances = posterior(Likelihood(), WORDS, [WORDS.begin, *WORDS.ids(text)], place, "story")
    assert sorted(chances.values()) == pytest.approx([1 / count] * count)


def test_no_model_is_right_more_often_or_pays_less_than_is_possible(novice: Transformer) -> None:
    for kind, asked in KNOWN.items():
        found = measure(novice, WORDS, asked)
        assert found.blanks == len(asked)
        assert 0 <= found.accuracy <= found.best <= 1, kind
        assert found.loss > found.floor >= 0, kind


def test_whoever_knows_the_chances_reaches_the_bounds(novice: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    for asked in KNOWN.values():
        with oracle(monkeypatch, asked):
            found = measure(novice, WORDS, asked)
        assert found.accuracy == pytest.approx(found.best)
        assert found.loss == pytest.approx(found.floor, abs=1e-5)


def test_a_forecast_is_the_same_alone_and_beside_longer_documents(novice: Transformer) -> None:
    asked = [ASKED["fact"][0], ASKED["story"][0], ASKED["copy"][1]]

    def by_itself(blank: Blank) -> Tensor:
        ids = [*blank.ids[: blank.place], WORDS.blank, *blank.ids[blank.place + 1 :]]
        with torch.inference_mode():
            return novice(torch.tensor([ids]))[0, blank.place].log_softmax(-1)

    torch.testing.assert_close(forecasts(novice, WORDS, asked), torch.stack([by_itself(blank) for blank in asked]), atol=1e-5, rtol=1e-5)


def test_what_stood_there_is_not_shown(novice: Transformer) -> None:
    asked = ASKED["giving"]
    others = [replace(blank, ids=(*blank.ids[: blank.place], 5, *blank.ids[blank.place + 1 :])) for blank in asked]
    assert torch.equal(forecasts(novice, WORDS, asked), forecasts(novice, WORDS, others))


def test_hits_are_counted(novice: Transformer) -> None:
    asked = ASKED["novelty"]
    guesses = forecasts(novice, WORDS, asked).argmax(-1).tolist()
    lucky = [replace(blank, answer=guess) for blank, guess in zip(asked, guesses, strict=True)]
    assert hits(novice, WORDS, lucky) == 1.0
    assert hits(novice, WORDS, [*lucky[:10], *(replace(blank, answer=-1) for blank in lucky[10:])]) == pytest.approx(10 / 40)
