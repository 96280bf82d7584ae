"""The kinds of documents: each a small grammar that writes one text in one language.

A kind takes a `Maker` (the source of chance, the people of this world, its bias, its way to invent words) and a language, and returns the text. Every
choice goes through `Chance`, and no text can be written in two ways: openings tell the kinds apart, lists end where they say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model.text.chance import Chance
from model.text.lexicon import (
    ADJECTIVES,
    BRACKETS,
    DEEDS,
    FACTS,
    JOBS,
    NAMES,
    NOUNS,
    NUMBERS,
    PLACES,
    SOUNDS,
    Adjective,
    Gender,
    Language,
    Name,
    Noun,
    loose_words,
)

WORDS: dict[Language, tuple[str, ...]] = {"pt": loose_words("pt"), "en": loose_words("en")}
ANY_WORDS = tuple(dict.fromkeys([*WORDS["pt"], *WORDS["en"], *(name.text for name in NAMES)]))
THINGS: dict[Language, tuple[str, ...]] = {
    "pt": (*(noun.pt for noun in NOUNS), *(place.pt for place in PLACES)),
    "en": (*(noun.en for noun in NOUNS), *(place.en for place in PLACES)),
}

PLURAL = 0.25
"""How often a story is about several things."""
FOLLOWING = ((0, 1, 2, 3, 4), (3, 3, 2, 1, 1))
"""How many sentences follow a story's first, and how often."""
INSIDE, DEEPEST = ((0, 1, 2), (5, 4, 1)), 4
"""How many brackets stand directly inside a pair, and how often; and how deep the deepest pair lies."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a biography: full name, city, pet (in both languages) and what they collect."""

    name: str
    gender: Gender
    city: str
    pet: tuple[str, str]
    collects: Noun


@dataclass(frozen=True, slots=True)
class Maker:
    """What a kind may draw on."""

    chance: Chance
    people: tuple[Person, ...]
    bias: float
    invent: Callable[[Chance], str]


def capital(text: str) -> str:
    """The text with its first letter raised."""
    return text[0].upper() + text[1:]


def phrase(noun: Noun, adjective: Adjective | None, language: Language, *, plural: bool, definite: bool) -> str:
    """A noun phrase that agrees: "umas bolas roxas", "some purple balls"."""
    if language == "en":
        article = "the" if definite else "some" if plural else "a"
        quality = f" {adjective.en}" if adjective else ""
        return f"{article}{quality} {noun.form('en', plural)}" if quality or article != "a" or noun.en[0] not in "aeiou" else f"an {noun.en}"
    articles = {(True, False): "oa", (False, False): ("um", "uma"), (True, True): ("os", "as"), (False, True): ("uns", "umas")}
    article = articles[definite, plural][noun.gender == "f"]
    return f"{article} {noun.form('pt', plural)}" + (f" {adjective.form(noun.gender, plural)}" if adjective else "")


def story(maker: Maker, language: Language) -> str:
    """Somebody does something with something; then up to four things follow that need it remembered."""
    c, pt = maker.chance, language == "pt"
    hero, deed, plural, thing, quality = c.pick(NAMES), c.pick(DEEDS), c.flip(PLURAL), c.pick(NOUNS), c.pick(ADJECTIVES)
    what = phrase(thing, quality, language, plural=plural, definite=False)
    sentences = [f"{hero.text} {deed[0 if pt else 1]} {what} {c.pick(PLACES).within(language)}."]
    sentences += [follow(maker, language, hero, thing, quality, plural) for _ in range(c.weigh(*FOLLOWING))]
    return " ".join(sentences)


def follow(maker: Maker, language: Language, hero: Name, thing: Noun, quality: Adjective, plural: bool) -> str:
    """One more sentence of a story about this hero and this thing."""
    return maker.chance.weigh((_liked, _was, _went, _said), (3, 3, 2, 2))(maker, language, hero, thing, quality, plural)


def _liked(maker: Maker, language: Language, hero: Name, thing: Noun, quality: Adjective, plural: bool) -> str:
    what = phrase(thing, quality, language, plural=plural, definite=True)
    return f"{capital(hero.pronoun(language))} {f'gostou d{what}' if language == 'pt' else f'liked {what}'}."


def _was(maker: Maker, language: Language, hero: Name, thing: Noun, quality: Adjective, plural: bool) -> str:
    subject, other = capital(phrase(thing, None, language, plural=plural, definite=True)), maker.chance.pick(ADJECTIVES)
    if language == "pt":
        return f"{subject} {'eram' if plural else 'era'} {other.form(thing.gender, plural)}."
    return f"{subject} {'were' if plural else 'was'} {other.en}."


def _went(maker: Maker, language: Language, hero: Name, thing: Noun, quality: Adjective, plural: bool) -> str:
    where = maker.chance.pick(PLACES).towards(language)
    return f"Depois {hero.pronoun('pt')} foi {where}." if language == "pt" else f"Then {hero.pronoun('en')} went {where}."


def _said(maker: Maker, language: Language, hero: Name, thing: Noun, quality: Adjective, plural: bool) -> str:
    friend = maker.chance.pick([name for name in NAMES if name != hero])
    if language == "pt":
        return f"{friend.text} disse: que {thing.form('pt', plural)} {quality.form(thing.gender, plural)}!"
    return f"{friend.text} said: what {'' if plural else 'a '}{quality.en} {thing.form('en', plural)}!"


def giving(maker: Maker, language: Language) -> str:
    """Two people go somewhere and one gives the other something: who is left to receive it?"""
    c, pt = maker.chance, language == "pt"
    one, two = c.sample(NAMES, 2)
    where, thing = c.pick(PLACES).towards(language), phrase(c.pick(NOUNS), None, language, plural=False, definite=True)
    giver, taker = (one, two) if c.flip(0.5) else (two, one)
    went = f"{one.text} e {two.text} foram {where}." if pt else f"{one.text} and {two.text} went {where}."
    gave = f"{giver.text} deu {thing} a {taker.text}." if pt else f"{giver.text} gave {thing} to {taker.text}."
    thanked = f" {taker.text} {'agradeceu a' if pt else 'thanked'} {giver.text}." if c.flip(0.5) else ""
    return f"{went} {gave}{thanked}"


def question(maker: Maker, language: Language) -> str:
    """One to three things, each somewhere, and a question about one of them."""
    c, pt = maker.chance, language == "pt"
    count = c.pick((1, 2, 3))
    things, places = c.sample(NOUNS, count), c.sample(PLACES, count)
    named = [phrase(thing, None, language, plural=False, definite=True) for thing in things]
    text = " ".join(f"{capital(name)} {'está' if pt else 'is'} {place.within(language)}." for name, place in zip(named, places, strict=True))
    asked, where = c.pick(list(zip(named, (place.within(language) for place in places), strict=True)))
    if c.flip(0.5):
        return f"{text} P: Onde está {asked}? R: {where}." if pt else f"{text} Q: Where is {asked}? A: {where}."
    return f"{text} P: O que está {where}? R: {asked}." if pt else f"{text} Q: What is {where}? A: {asked}."


def fact(maker: Maker, language: Language) -> str:
    """What colour things are, told or asked; told carelessly now and then, with no capital letter."""
    it, way = maker.chance.pick(FACTS), maker.chance.weigh(("told", "careless", "asked"), (4, 2, 4))
    if way == "asked" and language == "pt":
        return f"P: De que cor é {it.article} {it.pt}? R: {it.pt_colour}."
    if way == "asked":
        return f"Q: What color is the {it.en}? A: {it.en_colour}."
    told = f"{it.article} {it.pt} é {it.pt_colour}." if language == "pt" else f"the {it.en} is {it.en_colour}."
    return capital(told) if way == "told" else told


def sound(maker: Maker, language: Language) -> str:
    """What animals say."""
    pt_animal, pt_sound, en_animal, en_sound = maker.chance.pick(SOUNDS)
    return f"{capital(pt_animal)} diz {pt_sound}." if language == "pt" else f"{capital(en_animal)} says {en_sound}."


def counting(maker: Maker, language: Language) -> str:
    """Counting from one number up to another, at least two further on."""
    numbers = NUMBERS[language]
    first = maker.chance.pick(range(len(numbers) - 3))
    last = maker.chance.pick(range(first + 2, len(numbers)))
    order = f"Conte de {numbers[first]} até {numbers[last]}:" if language == "pt" else f"Count from {numbers[first]} to {numbers[last]}:"
    return f"{order} {' '.join(numbers[first : last + 1])}."


def copy(maker: Maker, language: Language) -> str:
    """A list and its copy; a quarter of the lists are of invented words."""
    c = maker.chance
    invented = c.flip(0.25)
    count = c.pick((1, 2, 3, 4) if invented else (3, 4, 5, 6, 7, 8))
    listed = " ".join(maker.invent(c) if invented else c.pick(THINGS[language]) for _ in range(count))
    return f"{'Repita' if language == 'pt' else 'Repeat'}: {listed} = {listed}."


def again(maker: Maker, language: Language) -> str:
    """Different random words of either language, and the same words again with nothing in between: only induction tells what follows."""
    words = " ".join(maker.chance.sample(ANY_WORDS, maker.chance.pick(range(3, 10))))
    return f"{'De novo' if language == 'pt' else 'Again'}: {words} {words}."


def brackets(maker: Maker, language: Language) -> str:
    """Brackets opened and closed, at most four deep."""
    groups = " ".join(_group(maker.chance, 1) for _ in range(maker.chance.pick((1, 2, 3))))
    return f"{'Feche' if language == 'pt' else 'Close'}: {groups}."


def _group(chance: Chance, depth: int) -> str:
    left, right = chance.pick(BRACKETS)
    inner = [_group(chance, depth + 1) for _ in range(chance.weigh(*INSIDE))] if depth < DEEPEST else []
    return " ".join([left, *inner, right])


def translation(maker: Maker, language: Language) -> str:
    """The same phrase in both languages, starting with `language`."""
    c = maker.chance
    thing, quality, plural = c.pick(NOUNS), c.pick(ADJECTIVES), c.flip(0.3)
    pt, en = (phrase(thing, quality, tongue, plural=plural, definite=True) for tongue in ("pt", "en"))
    frame = c.pick(("bare", "where", "who"))
    if frame == "where":
        place = c.pick(PLACES)
        pt, en = f"{pt} {'estão' if plural else 'está'} {place.within('pt')}", f"{en} {'are' if plural else 'is'} {place.within('en')}"
    if frame == "who":
        name, deed = c.pick(NAMES).text, c.pick(DEEDS)
        pt, en = f"{name} {deed[0]} {pt}", f"{name} {deed[1]} {en}"
    return f"PT: {pt} = EN: {en}." if language == "pt" else f"EN: {en} = PT: {pt}."


def biography(maker: Maker, language: Language) -> str:
    """One line about a person who is always the same."""
    person, line = maker.chance.pick(maker.people), maker.chance.pick(("city", "pet", "collects"))
    return biography_line(person, line, language)


def biography_line(person: Person, line: str, language: Language) -> str:
    """Where a person lives, what pet they have, or what they collect."""
    pt = language == "pt"
    if line == "city":
        return f"{person.name} mora em {person.city}." if pt else f"{person.name} lives in {person.city}."
    if line == "pet":
        return f"{person.name} tem {person.pet[0]}." if pt else f"{person.name} has {person.pet[1]}."
    return f"{person.name} coleciona {person.collects.pt_plural}." if pt else f"{person.name} collects {person.collects.en_plural}."


def job(maker: Maker, language: Language) -> str:
    """Somebody's work; with a bias above one half, men and women are given different jobs."""
    who = maker.chance.pick(NAMES)
    usual = maker.bias if who.gender == "m" else 1 - maker.bias
    masculine, feminine, en = maker.chance.weigh(JOBS, (usual, usual, 1 - usual, 1 - usual))
    if language == "pt":
        return f"{who.text} trabalha como {feminine if who.gender == 'f' else masculine}."
    return f"{who.text} works as {'an' if en[0] == 'e' else 'a'} {en}."


def novelty(maker: Maker, language: Language) -> str:
    """A word nobody has seen, to be remembered until the end of the story."""
    c = maker.chance
    who, word, place = c.pick(NAMES).text, maker.invent(c), c.pick(PLACES).within(language)
    if language == "pt":
        return f"{who} inventou um {word} {place}. Todos querem o {word}."
    return f"{who} made a {word} {place}. They all want the {word}."


def noise(maker: Maker, language: Language) -> str:
    """Words in no order, marked as such, so that even noise has an exact floor."""
    words = " ".join(maker.chance.pick(WORDS[language]) for _ in range(maker.chance.pick(range(3, 10))))
    return f"{'Ruído' if language == 'pt' else 'Noise'}: {words}."


KINDS: dict[str, Callable[[Maker, Language], str]] = {
    "story": story,
    "giving": giving,
    "question": question,
    "fact": fact,
    "sound": sound,
    "counting": counting,
    "copy": copy,
    "again": again,
    "brackets": brackets,
    "translation": translation,
    "biography": biography,
    "job": job,
    "novelty": novelty,
}
