"""What heads are asked: seeded texts of the micro-world, in each of them who should look at whom, and what should be said there.

A link is a query and the keys that its attention should fall on. Where a word is to be foretold, the query is the place that foretells
it: the token before it in a decoder, its blank in an encoder. All texts come from seeds that no training uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from model.config import Config, Encoder, EncoderDecoder
from model.text.chance import Chance
from model.text.lexicon import ADJECTIVES, NAMES, NOUNS, Gender
from model.text.pairs import held_out_pairs
from model.text.skills import LANGUAGES, held_out
from model.text.tokenizer import Tokenizer
from model.text.world import Dials, World

SEED = "heads"
TRIES = 30
"""How many texts are written, at most, for each that is sought."""

VERBS = ("era", "eram")
FORMS: dict[str, tuple[Gender, bool]] = {noun.form("pt", plural): (noun.gender, plural) for noun in NOUNS for plural in (False, True)}
"""The gender and number (plural or not) of each Portuguese noun, by its form."""
PRONOUNS = frozenset(name.pronoun(language) for name in NAMES for language in LANGUAGES)

Skill = Literal["documents", "repeats", "agreement", "coreference"]
COUNTS: dict[Skill, int] = {"documents": 160, "repeats": 64, "agreement": 64, "coreference": 64}
"""How many texts each set holds: more of those that differ most."""
Ids = tuple[int, ...]
Link = tuple[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Question:
    """One text as a model is shown it, begin token first, and for an encoder–decoder its source.

    `answers` are the places that foretell and the ids that are right there, any of them; `links` what a head of this skill looks at.
    """

    ids: tuple[int, ...]
    answers: tuple[tuple[int, tuple[int, ...]], ...]
    links: tuple[Link, ...] = ()
    source: tuple[int, ...] = ()


# ---------------------------------------------------------------- who should look at whom


def previous(length: int) -> list[Link]:
    """Every token but the first, and the one before it."""
    return [(query, (query - 1,)) for query in range(1, length)]


def first(length: int, start: int = 1) -> list[Link]:
    """Every token from `start` on, and the first: the attention sink (Xiao et al. 2023, arXiv:2309.17453)."""
    return [(query, (0,)) for query in range(start, length)]


def current(length: int) -> list[Link]:
    """Every token but the first, and itself."""
    return [(query, (query,)) for query in range(1, length)]


def duplicate(ids: Sequence[int]) -> list[Link]:
    """Every token that came before, and all its earlier occurrences (the duplicate token heads of Wang et al. 2022, arXiv:2211.00593)."""
    return [(query, keys) for query, id in enumerate(ids) if (keys := tuple(key for key in range(query) if ids[key] == id))]


def induction(ids: Sequence[int]) -> list[Link]:
    """Every token that came before and goes on as it did then, and the tokens that followed its earlier occurrences (Olsson et al. 2022,
    arXiv:2209.11895: prefix matching, from a repeated token to the one after its earlier occurrence)."""
    found = []
    for query, keys in duplicate(ids[:-1]):
        followed = tuple(key + 1 for key in keys if key + 1 < query and ids[key + 1] == ids[query + 1])
        if followed:
            found.append((query, followed))
    return found


# ---------------------------------------------------------------- the sets


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text that a model is asked for: its place, where a head of the skill finds what it needs, and the ids that are right."""

    place: int
    keys: tuple[int, ...]
    right: tuple[int, ...]


def questions(config: Config, tokenizer: Tokenizer, dials: Dials | None = None, counts: Mapping[Skill, int] = COUNTS) -> dict[Skill, list[Question]]:
    """The sets that make sense for a model of this form, each of up to so many texts, all of which fit its context:

    documents: held-out documents of every kind, asked for every next token. repeats: different random words of both languages and the
    same words again (`kinds.again`), asked for the second copy but its first word. agreement: Portuguese stories, asked after "era" or
    "eram" for any adjective in the right gender and number. coreference: stories, asked for their pronouns. An encoder is asked for one
    such word a text, hidden, any of them as likely. An encoder–decoder is asked for documents only, the other halves of pairs that no
    training reads: it repeats and tells nothing but its source.
    """
    if isinstance(config.form, EncoderDecoder):
        return {"documents": _fitting(_pairs(tokenizer, dials, counts["documents"]), config.context, counts["documents"])}
    blank = tokenizer.pad if tokenizer.blank is None else tokenizer.blank
    hidden = blank if isinstance(config.form, Encoder) else None
    sets: dict[Skill, tuple[Iterable[str], Callable[[Tokenizer, Ids], list[Word]]]] = {
        "documents": ((document.text for document in held_out(counts["documents"], dials)), _every),
        "repeats": (_written("again", counts["repeats"], dials), _repeated),
        "agreement": (_written("story", counts["agreement"], dials), _agreeing),
        "coreference": (_written("story", counts["coreference"], dials), _pronouns),
    }
    chance = Chance(SEED)
    asked: dict[Skill, Iterator[Question]] = {skill: _asked(texts, words, tokenizer, hidden, chance) for skill, (texts, words) in sets.items()}
    fitting: dict[Skill, list[Question]] = {skill: _fitting(found, config.context, counts[skill]) for skill, found in asked.items()}
    return fitting


def _written(kind: str, count: int, dials: Dials | None) -> Iterator[str]:
    """Texts of one kind, at most `TRIES` for each that is sought."""
    world = World(SEED, dials)
    return (world.document(kind).text for _ in range(TRIES * count))


def _asked(
    texts: Iterable[str], words: Callable[[Tokenizer, Ids], list[Word]], tokenizer: Tokenizer, hidden: int | None, chance: Chance
) -> Iterator[Question]:
    """A question for each text that holds such words."""
    for text in texts:
        ids = (tokenizer.begin, *tokenizer.ids(text))
        if found := words(tokenizer, ids):
            yield _foretold(ids, found) if hidden is None else _blanked(ids, chance.pick(found), hidden)


def _foretold(ids: Ids, words: Sequence[Word]) -> Question:
    """A text that a decoder reads, each word asked for at the token before it."""
    answers = tuple((word.place - 1, word.right) for word in words)
    seen = ((word.place - 1, tuple(key for key in word.keys if key < word.place)) for word in words)
    return Question(ids, answers, tuple((query, keys) for query, keys in seen if keys))


def _blanked(ids: Ids, word: Word, hidden: int) -> Question:
    """A text that an encoder reads, one word hidden and asked for where it stood."""
    shown = (*ids[: word.place], hidden, *ids[word.place + 1 :])
    return Question(shown, ((word.place, word.right),), ((word.place, word.keys),) if word.keys else ())


def _fitting(found: Iterable[Question], context: int, count: int) -> list[Question]:
    return list(islice((question for question in found if max(len(question.ids), len(question.source)) <= context), count))


def _pairs(tokenizer: Tokenizer, dials: Dials | None, count: int) -> Iterator[Question]:
    for pair in held_out_pairs(count, dials):
        ids, source = ((tokenizer.begin, *tokenizer.ids(text)) for text in (pair.target, pair.source))
        yield replace(_foretold(ids, [*_every(tokenizer, ids), Word(len(ids), (), (tokenizer.begin,))]), source=source)


# ---------------------------------------------------------------- the words asked for


def _every(tokenizer: Tokenizer, ids: Ids) -> list[Word]:
    return [Word(place, (), (ids[place],)) for place in range(1, len(ids))]


def _repeated(tokenizer: Tokenizer, ids: Ids) -> list[Word]:
    return [Word(query + 1, keys, (ids[query + 1],)) for query, keys in induction(ids)]


def _agreeing(tokenizer: Tokenizer, ids: Ids) -> list[Word]:
    """Adjectives after "era" and "eram", and every mention of their noun."""
    pieces = [tokenizer.piece(id).strip() for id in ids]
    found = []
    for place in range(3, len(ids)):
        if pieces[place - 1] in VERBS and (form := FORMS.get(pieces[place - 2])):
            right = tuple(dict.fromkeys(tokenizer.ids(adjective.form(*form))[0] for adjective in ADJECTIVES))
            found.append(Word(place, _mentions(ids, ids[place - 2]), right))
    return found


def _pronouns(tokenizer: Tokenizer, ids: Ids) -> list[Word]:
    """Pronouns, and every mention of the name that the story begins with."""
    pieces = [tokenizer.piece(id).strip() for id in ids]
    return [Word(place, _mentions(ids, ids[1]), (ids[place],)) for place, piece in enumerate(pieces) if piece.lower() in PRONOUNS]


def _mentions(ids: Ids, of: int) -> tuple[int, ...]:
    return tuple(place for place, id in enumerate(ids) if id == of)


# ---------------------------------------------------------------- for a model of another world

PLACES, COPIES, LONG = 24, 8, 12
"""A reader's text hides at most so many words of it, one a time; so many texts of random tokens repeat so many tokens."""


def plain(config: Config, ids: Ids, source: Ids = (), blank: int | None = None, opening: int = 1, closing: int = 0) -> dict[Skill, list[Question]]:
    """The sets for a model that cannot read the micro-world: as documents, one text `ids`, asked for every next token, by an encoder for some
    of its words, each hidden behind `blank` (or shown, where the model has none such); as repeats, random tokens and the same again,
    framed as the text is. An encoder–decoder repeats nothing."""
    end, encoder = len(ids) - closing, isinstance(config.form, Encoder)
    start = opening if encoder else 1
    words = [Word(place, (), (ids[place],)) for place in range(start, end if encoder else len(ids))]
    if encoder:
        read = [_shown(ids, word, blank) for word in words[:: max(1, -(-len(words) // PLACES))]]
    else:
        read = [replace(_foretold(ids, words), source=source)] if words else []
    if isinstance(config.form, EncoderDecoder):
        return {"documents": read}
    return {"documents": read, "repeats": list(_random(config, ids[:opening], ids[end:], blank))}


def _random(config: Config, opening: Ids, closing: Ids, blank: int | None) -> Iterator[Question]:
    chance = Chance(SEED)
    long = min(LONG, (config.context - len(opening) - len(closing)) // 2, config.vocabulary // 2)
    for _ in range(COPIES if long > 1 else 0):
        drawn = chance.random.sample(range(config.vocabulary), long)
        ids, second = (*opening, *drawn, *drawn, *closing), len(opening) + long
        words = [Word(place, (place - long,), (ids[place],)) for place in range(second + 1, second + long)]
        yield _shown(ids, chance.pick(words), blank) if isinstance(config.form, Encoder) else _foretold(ids, words)


def _shown(ids: Ids, word: Word, blank: int | None) -> Question:
    return _blanked(ids, word, ids[word.place] if blank is None else blank)
