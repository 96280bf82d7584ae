"""The models that ship are what their cards say they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.checkpoints import DRAFT, EMBEDDED, MASKED, TRANSLATOR, Loaded, load
from model.config import Encoder, EncoderDecoder
from model.generation import Greedy, generate
from model.text.likelihood import READ
from model.training.session import preset, read
from model.verbs.evaluate import figures

AT_LEAST = {"copy": 0.95, "repeat": 0.80, "agreement": 0.98, "facts": 0.98, "coreference": 0.98, "translation": 0.98}


@pytest.fixture(scope="module")
def embedded() -> Loaded:
    return load(EMBEDDED)


@pytest.fixture(scope="module")
def measured(embedded: Loaded) -> dict:
    torch.set_num_threads(1)
    return figures(embedded)


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in EMBEDDED.iterdir()) <= 8_000_000


def test_evaluating_it_reproduces_its_card(embedded: Loaded, measured: dict) -> None:
    card = embedded.card
    assert card is not None
    assert card["preset"]["recipe"]["budget"]["kind"] == "Tokens"
    assert card["tokens_seen"] >= card["preset"]["recipe"]["budget"]["count"]
    for name in ("loss", "floor", "ratio"):
        assert measured[name] == pytest.approx(card[name], rel=1e-3), name
    assert measured["skills"] == pytest.approx(card["skills"], abs=0.011)


def test_it_stands_close_above_the_exact_floor(measured: dict) -> None:
    assert 1.0 < measured["ratio"] <= 1.06


@pytest.mark.parametrize(("skill", "least"), AT_LEAST.items())
def test_it_can_do_what_it_was_taught(measured: dict, skill: str, least: float) -> None:
    assert measured["skills"][skill] >= least


@pytest.mark.parametrize(("prompt", "expected"), [("O céu é", " azul."), ("o céu é", " azul."), ("The sky is", " blue.")])
def test_the_sky_is_blue(embedded: Loaded, prompt: str, expected: str) -> None:
    tokenizer = embedded.tokenizer
    assert tokenizer is not None
    ids = [tokenizer.begin, *tokenizer.encode(prompt).ids]
    steps = list(generate(embedded.model, ids, choose=Greedy(), tokens=5, stop=tokenizer.begin))
    assert tokenizer.decode([*ids[1:], *(step.id for step in steps if step.id != tokenizer.begin)]) == prompt + expected


# ---------------------------------------------------------------- the draft


def test_the_draft_is_small_and_reads_by_the_same_tokenizer(embedded: Loaded) -> None:
    assert sum(file.stat().st_size for file in DRAFT.iterdir()) <= 500_000
    draft = load(DRAFT)
    assert draft.tokenizer is not None
    assert embedded.tokenizer is not None
    assert draft.tokenizer.agrees(embedded.tokenizer)
    assert replace(draft.model.config, vocabulary=preset("live").config.vocabulary) == preset("live").config


def test_evaluating_the_draft_reproduces_its_card() -> None:
    draft = load(DRAFT)
    assert draft.card is not None
    measured = figures(draft)
    for name in ("loss", "floor", "ratio"):
        assert measured[name] == pytest.approx(draft.card[name], rel=1e-3), name
    assert measured["skills"] == pytest.approx(draft.card["skills"], abs=0.011)
    assert measured["ratio"] < 1.4


# ---------------------------------------------------------------- the encoder


@pytest.fixture(scope="module")
def masked() -> Loaded:
    return load(MASKED)


@pytest.fixture(scope="module")
def blanks(masked: Loaded) -> dict:
    torch.set_num_threads(1)
    return figures(masked)


@pytest.mark.parametrize("folder", [MASKED, TRANSLATOR])
def test_each_of_the_other_two_is_at_most_four_megabytes(folder: Path) -> None:
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 4_000_000


@pytest.mark.parametrize("folder", [MASKED, TRANSLATOR, DRAFT])
def test_their_presets_are_the_ones_they_were_trained_by(folder: Path) -> None:
    card = load(folder).card
    assert card is not None
    assert read(card["preset"]) == preset(folder.name)
    assert card["tokens_seen"] >= card["preset"]["recipe"]["budget"]["count"]


def test_evaluating_the_encoder_reproduces_its_card(masked: Loaded, blanks: dict) -> None:
    assert isinstance(masked.model.config.form, Encoder)
    assert masked.card is not None
    assert set(blanks["kinds"]) == set(READ)
    for kind, found in blanks["kinds"].items():
        assert found == pytest.approx(masked.card["kinds"][kind], rel=1e-2, abs=6e-3), kind
    for name in ("accuracy", "best", "loss", "floor", "ratio"):
        assert blanks[name] == pytest.approx(masked.card[name], rel=5e-3), name
    assert blanks["unread"] == pytest.approx(masked.card["unread"], abs=0.011)


def test_it_fills_blanks_almost_as_well_as_anyone_can(blanks: dict) -> None:
    assert blanks["best"] - 0.01 <= blanks["accuracy"] <= blanks["best"]
    for kind, found in blanks["kinds"].items():
        assert found["best"] - 0.03 <= found["accuracy"] <= found["best"], kind
        assert found["loss"] > found["floor"], kind


@pytest.mark.parametrize(
    ("text", "place", "word"), [("O céu é azul.", 4, " azul"), ("The sky is blue.", 4, " blue"), ("Ana viu uma bola azul no parque.", 3, " uma")]
)
def test_a_blank_is_filled_from_both_sides(masked: Loaded, text: str, place: int, word: str) -> None:
    words = masked.tokenizer
    assert words is not None
    assert words.blank is not None
    ids = [words.begin, *words.ids(text)]
    assert words.piece(ids[place]) == word
    ids[place] = words.blank
    with torch.inference_mode():
        assert words.piece(int(masked.model(torch.tensor([ids]))[0, place].argmax())) == word


# ---------------------------------------------------------------- the translator


@pytest.fixture(scope="module")
def translator() -> Loaded:
    return load(TRANSLATOR)


@pytest.fixture(scope="module")
def translated(translator: Loaded) -> dict:
    torch.set_num_threads(1)
    return figures(translator)


def test_evaluating_the_translator_reproduces_its_card(translator: Loaded, translated: dict) -> None:
    assert isinstance(translator.model.config.form, EncoderDecoder)
    assert translator.card is not None
    assert translated["pairs"] == translator.card["pairs"] >= 500
    assert translated["exact"] == pytest.approx(translator.card["exact"], abs=0.002)
    assert translated["loss"] == pytest.approx(translator.card["loss"], rel=2e-2)
    for part in ("directions", "kinds"):
        assert translated[part] == pytest.approx(translator.card[part], abs=0.02)


def test_it_translates_what_it_never_read_without_a_mistake(translated: dict) -> None:
    assert translated["exact"] >= 0.98
    assert min(translated["directions"].values()) >= 0.975


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("Ana viu uma bola azul no parque. Depois ela foi ao rio.", "Ana saw a blue ball in the park. Then she went to the river."),
        ("the small owls are on the beach", "as corujas pequenas estão na praia"),
        ("Pedro made a zuteka at the school. They all want the zuteka.", "Pedro inventou um zuteka na escola. Todos querem o zuteka."),
    ],
)
def test_a_sentence_is_translated(translator: Loaded, source: str, target: str) -> None:
    words = translator.tokenizer
    assert words is not None
    written = [words.begin]
    with torch.inference_mode():
        memory = translator.model.encode(torch.tensor([[words.begin, *words.ids(source)]]))
        while len(written) < 40 and (len(written) == 1 or written[-1] != words.begin):
            written.append(int(translator.model(torch.tensor([written]), memory=memory)[0, -1].argmax()))
    assert words.decode(written[1:-1]) == target
