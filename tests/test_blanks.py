"""Blanks are filled one at a time: each from everything around it, in the order asked for, and a list of picks fills them so again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.config import Attention, Config, Decoder, Encoder, Free, PlainMlp
from model.errors import Refusal
from model.generation import Choose, Fill, Filler, Greedy, Order, Picked, Sample, fill_blanks, otherwise, pick, softmax
from model.trace import Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told

torch.set_num_threads(1)
BLANK = 60
TEXT = (7, BLANK, 11, BLANK, 40, 3, BLANK, BLANK)
TINY = Config(
    vocabulary=61, context=16, width=24, layers=2, form=Encoder(), attention=Attention(heads=4, kv_heads=4, size=6), mlp=PlainMlp(hidden=40)
)
WAYS: list[tuple[Choose, Order]] = [
    (Greedy(), "surest"),
    (Greedy(), "left"),
    (Sample(temperature=2, seed=5), "surest"),
    (Sample(top_k=4, seed=1), "left"),
]


def built(config: Config = TINY, seed: int = 0) -> Transformer:
    """A model in float64, every weight redrawn, wide enough that it has opinions."""
    model = Transformer(config, seed=seed).double().eval()
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=dice, dtype=torch.float64) * 0.4)
    return model


def text_before(steps: list[Fill], number: int) -> list[int]:
    """The text as it stood before a filling."""
    filled = {step.place: step.id for step in steps[:number]}
    return [filled.get(place, id) for place, id in enumerate(TEXT)]


@pytest.mark.parametrize("config", [config for config in EVERY if config.main == "encoder"], ids=told)
def test_every_guess_is_one_pass_over_the_text_as_it_stands(config: Config) -> None:
    model = built(config)
    steps = list(fill_blanks(model, TEXT, BLANK, Sample(temperature=3, seed=2)))
    assert sorted(step.place for step in steps) == [1, 3, 6, 7]
    for step in steps:
        trace = Tracer(model).trace(text_before(steps, step.index))
        np.testing.assert_allclose(np.delete(step.logits, BLANK), np.delete(trace.logits[step.place].numpy(), BLANK), atol=1e-9)
        rows = torch.stack([trace.pattern(layer)[:, step.place] for layer in range(config.layers)])
        np.testing.assert_allclose(step.pattern, rows, atol=1e-9)
        assert step.history == tuple(id for id in text_before(steps, step.index) if id != BLANK)


def test_the_surest_blank_is_filled_first_and_the_rest_are_guessed_again() -> None:
    steps = list(fill_blanks(built(), TEXT, BLANK))
    for step in steps:
        tops = [softmax(step.guesses.at(place)).max() for place in step.guesses.places]
        assert step.place == step.guesses.places[int(np.argmax(tops))]
        assert step.rank == 1
        assert step.probability == pytest.approx(max(tops))
    first, second = steps[:2]
    assert abs(first.guesses.at(second.place)[:BLANK] - second.logits[:BLANK]).max() > 1e-3


def test_from_the_left_is_from_the_left() -> None:
    assert [step.place for step in fill_blanks(built(), TEXT, BLANK, order="left")] == [1, 3, 6, 7]


def test_a_blank_is_never_filled_by_a_blank() -> None:
    model = built(replace(TINY, output=Free(bias=True)))
    with torch.no_grad():
        model.head.unembed.bias[BLANK] = 100  # pyright: ignore
    assert (Tracer(model).trace(TEXT).logits.argmax(-1) == BLANK).all()
    for step in fill_blanks(model, TEXT, BLANK, Sample(temperature=2)):
        assert step.id != BLANK
        assert softmax(step.logits)[BLANK] == 0


@pytest.mark.parametrize(("choose", "order"), WAYS)
def test_the_same_seed_fills_alike_and_a_step_can_be_thrown_again(choose: Choose, order: Order) -> None:
    one, other = ([(step.place, step.id) for step in fill_blanks(built(), TEXT, BLANK, choose, order)] for _ in range(2))
    assert one == other
    for step in fill_blanks(built(), TEXT, BLANK, choose, order):
        assert pick(step.logits, choose, step.history, step.place) == step.id


def test_another_seed_fills_otherwise() -> None:
    texts = {tuple(step.id for step in fill_blanks(built(), TEXT, BLANK, Sample(temperature=2, seed=seed), "left")) for seed in range(6)}
    assert len(texts) > 1


@pytest.mark.parametrize(("choose", "order"), WAYS)
def test_what_was_filled_otherwise_fills_the_text_so_again(choose: Choose, order: Order) -> None:
    filler = Filler(built(), TEXT, BLANK)
    filler.fill(Picked(9), place=6)
    filler.fill(Sample(temperature=3, seed=11))
    filler.fill(Picked(12), place=filler.open[-1])
    filler.fill(Greedy())
    picks = otherwise(filler.steps, choose, order)
    assert picks[0] == (6, 9)
    again = list(fill_blanks(built(), TEXT, BLANK, choose, order, picks))
    assert [(step.place, step.id) for step in again] == [(step.place, step.id) for step in filler.steps]
    assert not otherwise(list(fill_blanks(built(), TEXT, BLANK, choose, order)), choose, order)


def test_a_filling_taken_back_leaves_no_trace() -> None:
    model = built()
    straight = list(fill_blanks(model, TEXT, BLANK))
    filler = Filler(model, TEXT, BLANK)
    filler.fill(Picked(5), place=7)
    filler.fill(Greedy())
    filler.rewind(0)
    assert filler.ids == TEXT
    assert filler.open == (1, 3, 6, 7)
    again = list(filler.follow(Greedy(), 4))
    assert [(step.place, step.id) for step in again] == [(step.place, step.id) for step in straight]
    for one, other in zip(again, straight, strict=True):
        np.testing.assert_array_equal(one.logits, other.logits)
    assert filler.ids == tuple(text_before(straight, 4))
    assert not filler.open


def test_alternatives_are_the_likeliest_others() -> None:
    for step in fill_blanks(built(), TEXT, BLANK, Sample(temperature=3, seed=4)):
        probabilities = softmax(step.logits)
        others = sorted((share, id) for id, share in enumerate(probabilities) if id != step.id)[::-1][:5]
        assert step.alternatives(5) == [(id, pytest.approx(share)) for share, id in others]


@pytest.mark.parametrize(
    ("config", "ids", "code"),
    [
        (TINY, (1, 2, 3), "blanks.none"),
        (TINY, (), "generation.empty"),
        (TINY, (1, 99), "generation.id"),
        (TINY, (BLANK,) * 17, "length.context"),
        (replace(TINY, form=Decoder()), TEXT, "blanks.form"),
    ],
)
def test_what_cannot_be_filled_is_refused_at_once(config: Config, ids: tuple[int, ...], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        fill_blanks(built(config), ids, BLANK)
    assert refused.value.code == code


def test_what_is_no_open_blank_and_what_no_token_are_refused() -> None:
    filler = Filler(built(), (1, BLANK), BLANK)
    for choose, place, code in ((Greedy(), 0, "blanks.place"), (Picked(BLANK), 1, "blanks.blank"), (Picked(61), 1, "generation.id")):
        with pytest.raises(Refusal) as refused:
            filler.fill(choose, place)
        assert refused.value.code == code
    filler.fill(Greedy())
    with pytest.raises(Refusal, match="all 1 are"):
        filler.fill(Greedy())


def test_damaged_weights_are_told() -> None:
    model = built()
    with torch.no_grad():
        model.encoder.blocks[1].mlp.down.weight[0, 0] = torch.nan  # pyright: ignore
    with pytest.raises(Refusal, match="weights damaged"):
        next(fill_blanks(model, TEXT, BLANK))
