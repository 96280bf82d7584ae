"""Skills and losses are measured rightly: against decoding one token at a time, against sums by hand, and on probes that can be answered."""

from __future__ import annotations

import math
import re
from itertools import islice

import pytest
import torch
from torch.nn import functional as F

from model.analysis.skills import ROW, accuracy, floor, loss, measure
from model.config import Attention, Config, PlainMlp
from model.text.lexicon import ADJECTIVES, NAMES, NOUNS, NUMBERS, Noun
from model.text.rows import RowStream, pack
from model.text.skills import SKILLS, Probe, held_out, probes
from model.text.tokenizer import Tokenizer
from model.text.world import Dials, people
from model.transformer import Transformer

TOKENIZER = Tokenizer.for_world()
PROBES = probes(60)
CLOSING = {"(": ")", "[": "]", "{": "}"}
GENDER = {name.text: name.gender for name in NAMES}


def tiny(seed: int) -> Transformer:
    attention = Attention(heads=2, kv_heads=2, size=16)
    config = Config(vocabulary=TOKENIZER.size, context=ROW, width=32, layers=2, attention=attention, mlp=PlainMlp(hidden=64))
    return Transformer(config, seed=seed).eval()


@pytest.fixture(scope="module")
def apprentice() -> Transformer:
    """A model that has read a little: it knows some answers and not others."""
    torch.set_num_threads(1)
    model, rows = tiny(1), RowStream(TOKENIZER, 64, seed=1, dials=Dials(weights=(("fact", 3.0), ("sound", 1.0), ("counting", 1.0))))
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.006, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    pace = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1, (step + 1) / 30, 3 * (1 - step / 500)))
    for _ in range(500):
        batch = rows.next(4)
        F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten(), ignore_index=TOKENIZER.pad).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        pace.step()
        optimiser.zero_grad()
    return model


@torch.inference_mode()
def decoded(model: Transformer, probe: Probe) -> bool:
    """Whether greedy decoding, one token after the other and nothing padded, writes one of the answers."""
    ids = [TOKENIZER.begin, *TOKENIZER.encode(probe.prompt).ids]
    whole = {probe.prompt + answer for answer in probe.answers}
    for _ in range(max(len(TOKENIZER.encode(text).ids) for text in whole) + 1 - len(ids)):
        ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return TOKENIZER.decode(ids[1:]) in whole


# ---------------------------------------------------------------- measuring


def test_accuracy_is_that_of_greedy_decoding(apprentice: Transformer) -> None:
    right = {name: [decoded(apprentice, probe) for probe in asked[:12]] for name, asked in PROBES.items()}
    assert {True, False} <= {answer for answers in right.values() for answer in answers}
    for name, answers in right.items():
        assert accuracy(apprentice, TOKENIZER, PROBES[name][:12]) == pytest.approx(sum(answers) / len(answers)), name


def test_the_apprentice_has_learned_what_it_read_and_nothing_else(apprentice: Transformer) -> None:
    skills = measure(apprentice, TOKENIZER, count=40)
    assert set(skills) == set(SKILLS)
    assert skills["facts"] > 0.8
    assert skills["translation"] == skills["biographies"] == 0.0


def test_one_wrong_token_anywhere_is_wrong(apprentice: Transformer) -> None:
    known = [probe for probe in PROBES["facts"] if decoded(apprentice, probe)]
    assert accuracy(apprentice, TOKENIZER, known) == 1.0
    assert accuracy(apprentice, TOKENIZER, [Probe(probe.prompt, tuple(f"{answer} sete" for answer in probe.answers)) for probe in known]) == 0.0
    assert accuracy(apprentice, TOKENIZER, [Probe(probe.prompt, (" sete",)) for probe in known]) == 0.0


def test_loss_is_the_sum_over_rows_read_one_by_one(apprentice: Transformer) -> None:
    documents = held_out(60)
    total, count = loss(apprentice, TOKENIZER, documents)
    by_hand, targets = 0.0, 0
    with torch.inference_mode():
        for row in pack(documents, TOKENIZER, ROW):
            ids = torch.tensor(row[: len(row) - row.count(TOKENIZER.pad)])
            surprise = -apprentice(ids[None, :-1])[0].double().log_softmax(-1)
            by_hand += sum(float(surprise[place, number]) for place, number in enumerate(ids[1:]))
            targets += len(ids) - 1
    assert count == targets == sum(len(TOKENIZER.encode(document.text).ids) + 1 for document in documents)
    assert total == pytest.approx(by_hand, rel=1e-5)


def test_a_document_alone_costs_what_its_own_tokens_cost(apprentice: Transformer) -> None:
    for document in held_out(5):
        ids = torch.tensor([TOKENIZER.begin, *TOKENIZER.encode(document.text).ids, TOKENIZER.begin])
        with torch.inference_mode():
            surprise = -apprentice(ids[None, :-1])[0].double().log_softmax(-1)
        expected = sum(float(surprise[place, number]) for place, number in enumerate(ids[1:]))
        assert loss(apprentice, TOKENIZER, [document]) == (pytest.approx(expected, rel=1e-5), len(ids) - 1)


def test_a_model_that_knows_nothing_pays_the_same_for_every_token() -> None:
    model = tiny(0)
    for weight in model.parameters():
        torch.nn.init.zeros_(weight)
    total, count = loss(model, TOKENIZER, held_out(40))
    assert total == pytest.approx(count * math.log(TOKENIZER.size), rel=1e-6)


def test_the_floor_is_the_documents_own_cost_and_lies_below_the_loss(apprentice: Transformer) -> None:
    documents = held_out(200)
    assert floor(documents) == pytest.approx(sum(-document.log_probability for document in documents))
    assert floor(documents) < loss(apprentice, TOKENIZER, documents)[0]


# ---------------------------------------------------------------- the probes can be answered, by rules of this file's own


def only(probe: Probe) -> str:
    assert len(probe.answers) == 1, probe
    return probe.answers[0].strip(" .")


def test_probes_are_the_same_every_time_and_no_more_than_asked() -> None:
    assert probes(60) == PROBES
    assert {name: len(asked) for name, asked in probes(7).items()} == dict.fromkeys(SKILLS, 7)


def test_a_prompt_has_one_set_of_answers() -> None:
    for asked in PROBES.values():
        answers: dict[str, set[str]] = {}
        for probe in asked:
            assert answers.setdefault(probe.prompt, set(probe.answers)) == set(probe.answers)


def test_an_answer_adds_tokens_to_its_prompt_and_changes_none() -> None:
    for probe in (probe for asked in PROBES.values() for probe in asked):
        prompt = TOKENIZER.encode(probe.prompt).ids
        wholes = [TOKENIZER.encode(probe.prompt + answer).ids for answer in probe.answers]
        assert all(whole[: len(prompt)] == prompt and len(whole) > len(prompt) for whole in wholes)
        assert len(set(map(len, wholes))) == 1
        assert len(wholes) == 1 or len(wholes[0]) == len(prompt) + 1, "several answers are told apart by their only token"


@pytest.mark.parametrize("name", ["copy", "spelling"])
def test_a_copy_is_what_stands_between_the_marks(name: str) -> None:
    for probe in PROBES[name]:
        assert only(probe) == probe.prompt.partition(": ")[2].removesuffix(" =")
        assert all(TOKENIZER.encode(probe.prompt).known) == (name == "copy")


def test_a_repetition_ends_with_the_round_it_began() -> None:
    for probe in PROBES["repeat"]:
        words = probe.prompt.partition(": ")[2].split()
        assert words[-1] == words[0]
        assert len(set(words)) == len(words) - 1
        assert only(probe).split() == words[1:-1]


def test_agreement_offers_every_adjective_in_the_form_of_the_noun() -> None:
    forms: dict[str, tuple[Noun, bool]] = {form: (noun, plural) for noun in NOUNS for form, plural in ((noun.pt, False), (noun.pt_plural, True))}
    for probe in PROBES["agreement"]:
        noun, plural = forms[probe.prompt.split()[-2]]
        assert set(probe.answers) == {f" {adjective.form(noun.gender, plural)}" for adjective in ADJECTIVES}
        assert probe.prompt.endswith("eram") == plural


def test_the_pronoun_is_the_heros() -> None:
    for probe in PROBES["coreference"]:
        assert only(probe) in ({"ela", "she"} if GENDER[probe.prompt.split()[0]] == "f" else {"ele", "he"})


def test_who_does_not_give_receives() -> None:
    for probe in PROBES["giving"]:
        first, second, giver = [word for word in re.findall(r"\w+", probe.prompt) if word in GENDER]
        assert {only(probe), giver} == {first, second}


def test_an_answer_to_a_question_is_listed_with_what_was_asked() -> None:
    for probe in PROBES["questions"]:
        told, _, asked = re.split(r" ([PQ]): ", probe.prompt)
        topic = re.sub(r"^(?:Onde está|O que está|Where is|What is) (.*)\? [RA]:$", r"\1", asked)
        sentences = [sentence for sentence in told.lower().removesuffix(".").split(". ") if topic in sentence]
        assert len(sentences) == 1
        assert only(probe) in sentences[0].replace(topic, "", 1)


def test_counting_goes_from_the_first_number_to_the_last() -> None:
    for probe in PROBES["counting"]:
        language = "pt" if probe.prompt.startswith("Conte") else "en"
        first, last = (NUMBERS[language].index(word) for word in re.findall(r"\w+", probe.prompt) if word in NUMBERS[language])
        assert only(probe).split() == list(NUMBERS[language][first : last + 1])


def test_the_bracket_that_closes_is_the_last_one_open() -> None:
    for probe in PROBES["brackets"]:
        still_open: list[str] = []
        for sign in re.findall(r"[^\w\s:]", probe.prompt):
            if sign in CLOSING:
                still_open.append(CLOSING[sign])
            else:
                assert still_open.pop() == sign
        assert only(probe) == still_open[-1]


def test_a_translation_names_the_same_thing_in_the_other_language() -> None:
    pairs = {form: english for noun in NOUNS for form, english in ((noun.pt, noun.en), (noun.pt_plural, noun.en_plural))}
    for probe in PROBES["translation"]:
        left, right = re.findall(r"\w+", probe.prompt), only(probe).split()
        pt, en = (left, right) if left[0] == "PT" else (right, left)
        assert [pairs[word] for word in pt if word in pairs] == [word for word in en if word in pairs.values()]


def test_biographies_are_those_of_the_people() -> None:
    lives = {person.name: (person.city, person.pet[0].split()[-1], person.pet[1].split()[-1], person.collects) for person in people(60)}
    for probe in PROBES["biographies"]:
        city, pet, english_pet, collected = lives[" ".join(probe.prompt.split()[:2])]
        assert only(probe) in (city, pet, english_pet, collected.pt_plural, collected.en_plural)


def test_a_novelty_is_remembered_by_the_word_that_no_lexicon_has() -> None:
    for probe in islice(PROBES["novelty"], 40):
        assert f" um {only(probe)} " in probe.prompt or f" a {only(probe)} " in probe.prompt
        assert not any(TOKENIZER.encode(only(probe)).known)
