"""The model that ships is what its card says it is."""

from __future__ import annotations

import pytest
import torch

from model.checkpoints import EMBEDDED, Loaded, load
from model.generation import Greedy, generate
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
