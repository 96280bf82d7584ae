"""Filling several blanks: each way equals its definition, and the two numbers that compare them are what they say."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from model.config import Attention, Config, Encoder, Fixed, PlainMlp
from model.errors import Refusal
from model.generation import ORDERS, WAYS, Way, fill_blanks, filled, mask_predict
from model.transformer import Transformer

torch.set_num_threads(1)
BLANK = 0
TEXT: tuple[int, ...] = (5, BLANK, 7, BLANK, BLANK, 9, BLANK, 3, BLANK)
PLACES = [place for place, id in enumerate(TEXT) if id == BLANK]


@pytest.fixture(scope="module")
def model() -> Transformer:
    parts: dict[str, Any] = {"attention": Attention(heads=2, kv_heads=2, size=8), "mlp": PlainMlp(hidden=24)}
    config = Config(vocabulary=30, context=16, width=16, layers=2, form=Encoder(), initialisation=Fixed(deviation=0.6), **parts)
    return Transformer(config, seed=2).double().eval()


@torch.inference_mode()
def logs(model: Transformer, text: list[int], place: int) -> torch.Tensor:
    """The definition: one whole pass, the blank cut."""
    logits = model(torch.tensor([text]))[0, place].clone()
    logits[BLANK] = -torch.inf
    return logits.log_softmax(-1)


def test_rounds_are_mask_predict_written_out(model: Transformer) -> None:
    rounds, text = 3, list(TEXT)
    sure: dict[int, float] = {}
    passes = list(mask_predict(model, TEXT, BLANK, rounds=rounds))
    still = list(PLACES)
    for number, puts in enumerate(passes, start=1):
        assert [put.place for put in puts] == sorted(still)
        rows = {place: logs(model, text, place) for place in still}
        for put in puts:
            assert put.id == int(rows[put.place].argmax())
            assert put.log_probability == pytest.approx(float(rows[put.place].max()), abs=1e-9)
            text[put.place], sure[put.place] = put.id, put.log_probability
        still = sorted(PLACES, key=lambda place: sure[place])[: len(PLACES) * (rounds - number) // rounds]
        for place in still:
            text[place] = BLANK
    assert len(passes) == rounds
    assert still == []


def test_one_after_the_other_is_what_fill_blanks_does_and_at_once_is_one_pass(model: Transformer) -> None:
    for order in ORDERS:
        found = filled(model, TEXT, BLANK, order)
        steps = list(fill_blanks(model, TEXT, BLANK, order=order))
        assert [(puts[0].place, puts[0].id) for puts in found.passes] == [(step.place, step.id) for step in steps]
        assert found.log_probability == pytest.approx(sum(step.log_probability for step in steps), abs=1e-9)
    once = filled(model, TEXT, BLANK, "once")
    assert len(once.passes) == 1
    assert once.log_probability == pytest.approx(sum(float(logs(model, list(TEXT), place).max()) for place in PLACES), abs=1e-9)


@pytest.mark.parametrize("way", WAYS)
def test_the_pseudo_log_likelihood_opens_each_blank_alone(way: Way, model: Transformer) -> None:
    found = filled(model, TEXT, BLANK, way)
    text = [found.last[place].id if place in found.last else id for place, id in enumerate(TEXT)]
    expected = sum(float(logs(model, [*text[:place], BLANK, *text[place + 1 :]], place)[text[place]]) for place in PLACES)
    assert found.pseudo == pytest.approx(expected, abs=1e-9)
    assert list(found.last) == PLACES


def test_with_one_blank_every_way_is_the_same(model: Transformer) -> None:
    ways = [filled(model, (5, BLANK, 7), BLANK, way) for way in WAYS]
    assert len({(found.last[1].id, round(found.log_probability, 9), round(found.pseudo, 9)) for found in ways}) == 1
    assert all(found.pseudo == pytest.approx(found.log_probability, abs=1e-9) for found in ways)


def test_no_rounds_and_no_blanks_are_refused(model: Transformer) -> None:
    with pytest.raises(Refusal, match="1 round"):
        list(mask_predict(model, TEXT, BLANK, rounds=0))
    with pytest.raises(Refusal, match="nothing to fill"):
        filled(model, (5, 7), BLANK, "once")
