"""The grammar read backwards agrees with the grammar written forwards, to the last digit."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import astuple, replace
from functools import cache

import pytest

from model.analysis.filling import readable
from model.errors import Refusal
from model.text.chance import T
from model.text.kinds import FOLLOWING, KINDS
from model.text.lexicon import DEEDS, Adjective, Name, Noun, Place
from model.text.likelihood import LISTED, READ, Likelihood, Walk, everything
from model.text.tokenizer import Tokenizer
from model.text.world import Dials, World, known_pieces

LIKELIHOOD = Likelihood()
TOKENIZER = Tokenizer.for_world()


@pytest.mark.parametrize("kind", READ)
def test_a_text_is_as_probable_as_the_choices_that_wrote_it(kind: str) -> None:
    world = World(f"likelihood {kind}")
    documents = [document for _ in range(400) if readable((document := world.document(kind)).text, kind)]
    assert len(documents) > 200
    for document in documents:
        assert math.log(LIKELIHOOD.of(document.text, kind)) == pytest.approx(document.log_probability)


class Seen(Walk):
    """A walk that leaves out what stands nowhere in a text: short enough to look for every way to write it."""

    nats: float

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words = set(re.findall(r"\w+", text))
        self.following = len(re.findall(r"[.!]", text)) - 1

    def pick(self, options: Sequence[T]) -> T:
        fitting = [option for option in options if not forms(option) or forms(option) & self.words]
        self.nats += math.log(len(options)) - math.log(max(1, len(fitting)))
        return super().pick(fitting or list(options)[:1])

    def weigh(self, options: Sequence[T], weights: Sequence[float]) -> T:
        if tuple(options) != FOLLOWING[0]:
            return super().weigh(options, weights)
        self.nats -= math.log(weights[self.following] / sum(weights))
        return options[self.following]


@cache
def forms(option: object) -> set[str]:
    """The words that writing this option may use, one of them at least, genders and prepositions left away; none for what is no word."""
    if isinstance(option, Name | Noun | Adjective | Place):
        return {word for field in astuple(option) for word in str(field).split() if len(word) > 2}
    return set(option) if isinstance(option, tuple) and option in DEEDS else set()


def short(text: str) -> bool:
    """Whether every way to write a text is soon tried: of stories, those with one more sentence at most."""
    return len(text.rstrip(".!").split(". ")) <= 2 or "?" in text


def ways(text: str, kind: str) -> float:
    """The probability of a text, by trying everything the grammar does with the text's words."""
    total, maker = 0.0, World(0).maker
    for language in ("pt", "en"):
        walk = Seen(text)
        walking = replace(maker, chance=walk)
        more = True
        while more:
            found = KINDS[kind](walking, language)
            total += (found == text) * math.exp(-walk.nats) / 2
            more = walk.onward()
    return total


@pytest.mark.parametrize("kind", ["story", "giving", "question"])
def test_a_text_with_one_token_exchanged_is_read_as_the_grammar_would_have_written_it(kind: str) -> None:
    """Most exchanges make nonsense, some make another document: the probability says which, and how much."""
    world, dice = World(f"exchanged {kind}"), random.Random(2)
    vocabulary, read = sorted(known_pieces()), set()
    for text in [text for _ in range(100) if short(text := world.document(kind).text)][:8]:
        pieces = [TOKENIZER.piece(number) for number in TOKENIZER.ids(text)]
        for place in range(len(pieces)):
            for piece in vocabulary:
                other = "".join([*pieces[:place], piece, *pieces[place + 1 :]])[1:]
                if LIKELIHOOD.of(other, kind) > 0:
                    read.add(other)
    for other in dice.sample(sorted(read), 7):
        assert LIKELIHOOD.of(other, kind) == pytest.approx(ways(other, kind)), other


@pytest.mark.parametrize("text", ["A bola está no rio X P: Onde está a bola? R: no rio.", "Ana viu uma bola azul no rio.XDepois ela foi ao rio."])
def test_nothing_stands_between_two_sentences(text: str) -> None:
    assert LIKELIHOOD.of(text, "question") == LIKELIHOOD.of(text, "story") == 0.0


@pytest.mark.parametrize("kind", ["copy", "again", "brackets"])
def test_a_list_with_one_token_exchanged_is_impossible_but_for_the_opening(kind: str) -> None:
    world = World(f"exchanged {kind}")
    documents = [text for _ in range(12) if readable(text := world.document(kind).text, kind)]
    for text in documents:
        pieces = [TOKENIZER.piece(number) for number in TOKENIZER.ids(text)]
        for place in range(2, len(pieces)):
            for piece in known_pieces() - {pieces[place]}:
                assert LIKELIHOOD.of("".join([*pieces[:place], piece, *pieces[place + 1 :]])[1:], kind) == 0.0


@pytest.mark.parametrize("kind", sorted(set(LISTED) - {"translation"}))
def test_the_texts_of_a_small_kind_share_all_of_the_probability(kind: str) -> None:
    texts = [text for language in ("pt", "en") for text in everything(lambda maker, tongue=language: KINDS[kind](maker, tongue), World(0).maker)]
    assert math.fsum(LIKELIHOOD.of(text, kind) for text in texts) == pytest.approx(1.0)


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("text", ["", ".", "Ana", "Ana viu uma bola", "Repita:  = .", "Feche: ( .", "O céu é azul. Ana viu.", "P: R: ."])
def test_what_nobody_wrote_is_impossible(kind: str, text: str) -> None:
    assert LIKELIHOOD.of(text, kind) == 0.0


def test_the_dials_of_the_world_turn_the_probability() -> None:
    mostly = Likelihood(Dials(portuguese=0.9))
    assert mostly.of("O céu é azul.", "fact") == pytest.approx(1.8 * LIKELIHOOD.of("O céu é azul.", "fact"))
    biased = Likelihood(Dials(bias=0.9))
    assert biased.of("Ana works as a nurse.", "job") == pytest.approx(9 * biased.of("Ana works as a doctor.", "job"))


def test_one_hidden_token_leaves_no_doubt_about_the_kind() -> None:
    """So the chances at a blank are those among the documents of one kind."""
    world, dice = World("doubt"), random.Random(1)
    kinds: dict[tuple[str, ...], str] = {}
    for _ in range(6_000):
        document = world.document()
        pieces = [TOKENIZER.piece(number) for number in TOKENIZER.ids(document.text)]
        for place in dice.sample(range(len(pieces)), min(4, len(pieces))):
            shown = (*pieces[:place], "?", *pieces[place + 1 :])
            assert kinds.setdefault(shown, document.kind) == document.kind


def test_a_kind_that_invents_words_is_refused() -> None:
    with pytest.raises(Refusal, match="not that of novelty"):
        LIKELIHOOD.of("Ana made a zuteka in the park. They all want the zuteka.", "novelty")
