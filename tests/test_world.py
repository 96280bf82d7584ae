"""The micro-world's probabilities are exact: what it can write adds up to one, in only one way."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import islice, product

import pytest

from model.errors import Refusal
from model.text import kinds
from model.text.chance import Chance
from model.text.kinds import KINDS
from model.text.lexicon import NAMES, NOUNS, PLACES
from model.text.likelihood import Walk
from model.text.skills import HELD_OUT_SEED, held_out, probes
from model.text.spelling import CONSONANTS, VOWELS, invent
from model.text.world import USUAL, Dials, World, known_pieces, known_words, people


def everything(kind: str) -> dict[str, list[float]]:
    """All texts of a kind in both languages, each with the probabilities of its derivations."""
    world, walk = World(0), Walk()
    maker = type(world.maker)(walk, world.maker.people, world.maker.bias, world.maker.invent)
    found: dict[str, list[float]] = {}
    for language in ("pt", "en"):
        more = True
        while more:
            found.setdefault(KINDS[kind](maker, language), []).append(math.exp(-walk.nats) / 2)
            more = walk.onward()
    return found


@pytest.mark.parametrize("kind", ["fact", "sound", "counting", "biography", "job", "giving"])
def test_all_texts_of_a_kind_add_up_to_one_and_each_is_written_one_way(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among six people: who they are, nobody's texts depend on, as long as their names differ."""
    assert len({name.text for name in NAMES}) == len(NAMES)
    monkeypatch.setattr(kinds, "NAMES", NAMES[:6])
    found = everything(kind)
    assert math.isclose(sum(map(sum, found.values())), 1.0, rel_tol=1e-9)
    assert all(len(ways) == 1 for ways in found.values())


def test_no_text_belongs_to_two_kinds() -> None:
    world, kinds_of = World(3), {}
    for kind in (*KINDS, None):
        for _ in range(1_500):
            document = world.document(kind)
            kinds_of.setdefault(document.text, set()).add((document.kind, document.language))
    assert all(len(kinds) == 1 for kinds in kinds_of.values())


def test_frequent_texts_come_as_often_as_they_say() -> None:
    world = World(5, Dials(weights=(("sound", 1.0), ("fact", 1.0))))
    documents = list(islice(world.documents(), 20_000))
    told = {document.text: math.exp(document.log_probability) for document in documents}
    seen = Counter(document.text for document in documents)
    assert math.isclose(sum(told.values()), 1.0, rel_tol=1e-9)
    for text, probability in told.items():
        deviation = math.sqrt(probability * (1 - probability) / len(documents))
        assert abs(seen[text] / len(documents) - probability) < 5 * deviation


def test_the_same_seed_writes_the_same_documents() -> None:
    one, two, other = (list(islice(World(seed).documents(), 50)) for seed in (4, 4, 5))
    assert one == two
    assert one != other


def test_every_kind_is_written_about_as_often_as_its_weight_says() -> None:
    seen = Counter(document.kind for document in islice(World(1).documents(), 20_000))
    for kind, weight in USUAL.items():
        assert abs(seen[kind] / 20_000 - weight / sum(USUAL.values())) < 0.015


def test_the_sky_is_blue() -> None:
    assert {document.text for document in islice(World(2, Dials(weights=(("fact", 1.0),))).documents(), 2_000)} >= {
        "O céu é azul.",
        "The sky is blue.",
    }


def test_dials_turn_what_they_say() -> None:
    def share(dials: Dials, of) -> float:
        return sum(map(of, islice(World(8, dials).documents(), 4_000))) / 4_000

    assert share(Dials(portuguese=0.8), lambda d: d.language == "pt") == pytest.approx(0.8, abs=0.03)
    assert share(Dials(noise=0.2), lambda d: d.kind == "noise" and d.text.startswith(("Ruído:", "Noise:"))) == pytest.approx(0.2, abs=0.03)
    jobs = Dials(bias=0.9, weights=(("job", 1.0),), portuguese=1.0)
    women = tuple(name.text for name in NAMES if name.gender == "f")
    documents = [d.text for d in islice(World(8, jobs).documents(), 4_000) if d.text.startswith(women)]
    assert sum("enfermeira" in text or "professora" in text for text in documents) / len(documents) == pytest.approx(0.9, abs=0.03)


def test_the_forgotten_are_never_written_about() -> None:
    dials = Dials(biographies=20, forget=(0, 7), weights=(("biography", 1.0),))
    texts = " ".join(document.text for document in islice(World(0, dials).documents(), 3_000))
    forgotten = {people(20)[0].name, people(20)[7].name}
    assert not any(name in texts for name in forgotten)
    assert all(person.name in texts for person in people(20) if person.name not in forgotten)
    assert people(20) == people(60)[:20]


def test_emphasis_keeps_the_parts_in_proportion() -> None:
    weights = dict(Dials().emphasise(("copy", "again"), 0.5).weights)
    total = sum(weights.values())
    assert (weights["copy"] + weights["again"]) / total == pytest.approx(0.5)
    assert weights["story"] / weights["fact"] == pytest.approx(USUAL["story"] / USUAL["fact"])


@pytest.mark.parametrize(
    ("dials", "sentence"),
    [
        ({"portuguese": 1.5}, "share from 0 to 1, got 1.5"),
        ({"biographies": 9_999}, "names for 240 people, got 9999"),
        ({"weights": (("poem", 1.0),)}, "got poem"),
        ({"weights": (("copy", 1.0), ("copy", 1.0))}, "got copy, copy"),
        ({"weights": (("copy", float("nan")),)}, "got copy"),
        ({"weights": (("biography", 1.0),), "biographies": 0}, "got nothing to write"),
        ({"forget": (60,)}, "from 0 to 59, got 60"),
    ],
)
def test_impossible_dials_are_refused(dials: dict, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        Dials(**dials)


def test_a_kind_or_an_emphasis_that_cannot_be_is_refused() -> None:
    with pytest.raises(Refusal, match="not poem"):
        World(0).document("poem")
    with pytest.raises(Refusal, match="not biography"):
        World(0, Dials(biographies=0)).document("biography")
    with pytest.raises(Refusal, match=r"got 0\.5 for poem"):
        Dials().emphasise(("poem",), 0.5)
    with pytest.raises(Refusal, match=r"got 1\.5 for copy"):
        Dials().emphasise(("copy",), 1.5)


def test_invented_words_are_no_words_of_the_world_and_their_odds_add_up() -> None:
    chance, known = Chance(1), known_words()
    words = {invent(chance, known) for _ in range(5_000)}
    assert not words & known
    shapes = ((r"[a-zà-ÿ]+", "syllables"), (r"\d\w{1,3}", "code"), (r"[^\x00-ͯ]", "sign"))
    assert all(sum(bool(re.fullmatch(pattern, word)) for pattern, _ in shapes) == 1 for word in words)
    chance.nats = 0.0
    while len(word := invent(chance, known)) != 4 or word[0] not in CONSONANTS:
        chance.nats = 0.0
    taken = sum(len(w) == 4 and all(a in CONSONANTS and b in VOWELS for a, b in zip(w[::2], w[1::2], strict=True)) for w in known)
    assert chance.nats == pytest.approx(-math.log(0.8) + math.log(2) + math.log((len(CONSONANTS) * len(VOWELS)) ** 2 - taken))


def test_brackets_close_and_are_at_most_four_deep() -> None:
    world, partner = World(6), {")": "(", "]": "[", "}": "{"}
    deepest = 0
    for _ in range(2_000):
        stack: list[str] = []
        for sign in world.document("brackets").text.partition(":")[2].strip(" ."):
            if sign in partner:
                assert stack.pop() == partner[sign]
            elif sign != " ":
                stack.append(sign)
            deepest = max(deepest, len(stack))
        assert not stack
    assert deepest == 4


def test_portuguese_agrees() -> None:
    ending = {("f", False): "a", ("m", False): "o", ("f", True): "as", ("m", True): "os"}
    world = World(9)
    text = " ".join(world.document("story").text for _ in range(3_000))
    for noun, plural in product(NOUNS, (False, True)):
        wrong = {suffix for key, suffix in ending.items() if key != (noun.gender, plural)}
        assert not re.search(rf"\b{noun.form('pt', plural)} (?:vermelh|amarel|pret|branc|rox|pequen|nov|bonit)(?:{'|'.join(wrong)})\b", text)


def test_every_piece_written_is_a_known_piece() -> None:
    texts = " ".join(" " + d.text for d in islice(World(12).documents(), 5_000) if d.kind not in ("copy", "novelty"))
    assert set(re.findall(r" ?\w+| ?[^\w\s]", texts)) <= known_pieces()
    assert {place.pt for place in PLACES} <= known_words()


def test_the_held_out_documents_are_nobodys_training_seed() -> None:
    assert [d.text for d in held_out(20)] == [d.text for d in islice(World(HELD_OUT_SEED).documents(), 20)]
    assert len(held_out()) == 2_000


def test_every_skill_has_probes_with_one_right_length() -> None:
    for asked in probes(40).values():
        assert asked
        for probe in asked:
            assert probe.prompt
            assert all(answer.startswith(" ") for answer in probe.answers)
