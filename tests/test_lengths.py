"""Texts that begin elsewhere, and rows longer than in training, held to what the model itself says and to the grammar's own cost."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from model.analysis.lengths import beyond, elsewhere, long_rows, reread
from model.config import (
    Alibi,
    Attention,
    Config,
    Decoder,
    Encoder,
    EncoderDecoder,
    Evenly,
    Learned,
    NoPositions,
    PlainMlp,
    Positions,
    Relative,
    Rotary,
    Sinusoidal,
    Sliding,
)
from model.errors import Refusal
from model.text.skills import held_out
from model.text.tokenizer import Tokenizer
from model.transformer import Transformer

torch.set_num_threads(1)
IDS = (3, 17, 5, 5, 29, 8, 41)


def built(positions: Positions, **changes: object) -> Transformer:
    config = Config(vocabulary=61, context=64, width=20, layers=2, attention=Attention(heads=4, kv_heads=2, size=8), positions=positions)
    return Transformer(replace(config, **changes), seed=3).eval().requires_grad_(False)


# ---------------------------------------------------------------- the same text elsewhere


@pytest.mark.parametrize("form", [Decoder(), Encoder()])
@pytest.mark.parametrize("positions", [Learned(), Learned(spare=2), Sinusoidal()])
def test_a_text_begun_elsewhere_is_the_text_with_its_places_moved(positions: Positions, form: Decoder | Encoder) -> None:
    model, start = built(positions, form=form), 23
    here, there = elsewhere(model, IDS, (0, start))
    ids = torch.tensor([IDS])
    for found, places in ((here, range(7)), (there, range(start, start + 7))):
        logits = model(ids, places=torch.tensor([list(places)]))[0]
        said, targets = (logits[:-1], ids[0, 1:]) if form == Decoder() else (logits, ids[0])
        assert found.loss == pytest.approx(F.cross_entropy(said, targets, reduction="none").numpy(), abs=1e-5)
    assert here.moved.max() == 0
    assert there.moved.max() > 1e-3


@pytest.mark.parametrize("positions", [Rotary(), Rotary(stretch=Evenly(factor=2.0)), Alibi(), Relative(buckets=8, reach=16), NoPositions()])
def test_schemes_that_know_distances_alone_cost_the_same_anywhere(positions: Positions) -> None:
    for changes in ({}, {"form": EncoderDecoder(encoder_layers=1)}, {"attention": Attention(heads=4, kv_heads=4, size=8, reach=Sliding(window=3))}):
        model = built(positions, **changes)
        here, there = elsewhere(model, IDS, (0, 40), source=(4, 9, 2) if "form" in changes else ())
        assert there.loss == pytest.approx(here.loss, abs=1e-4)
        assert there.moved.max() < 1e-4


def test_a_start_that_leaves_no_room_is_refused_with_the_last_that_does() -> None:
    with pytest.raises(Refusal, match="can begin at 57 at most") as refused:
        elsewhere(built(Rotary()), IDS, (0, 58))
    assert refused.value.code == "length.start"


# ---------------------------------------------------------------- longer than in training


@pytest.fixture(scope="module")
def speaker() -> Transformer:
    """A small model of the micro-world's vocabulary, untrained."""
    attention = Attention(heads=2, kv_heads=2, size=8)
    config = Config(vocabulary=Tokenizer.for_world().size, context=256, width=16, layers=1, attention=attention, mlp=PlainMlp(hidden=32))
    return Transformer(config, seed=0).eval().requires_grad_(False)


def test_long_rows_know_every_document_and_its_cost() -> None:
    tokenizer, documents = Tokenizer.for_world(), held_out(120)
    long = long_rows(documents, tokenizer, 256)
    kept = long.documents[long.documents >= 0]
    sizes = [len(tokenizer.ids(document.text)) + 1 for document in documents[: len(long.nats)]]
    assert np.bincount(kept).tolist() == sizes
    assert long.nats.tolist() == [-document.log_probability for document in documents[: len(long.nats)]]
    assert len(long.nats) > 80
    for number in (0, len(long.nats) - 1):
        row, places = np.nonzero(long.documents == number)
        said = [int(id) for id in long.rows[int(row[0]), 1:][places]]
        assert said == [*tokenizer.ids(documents[number].text), tokenizer.begin]


def test_each_stretch_has_the_loss_and_the_floor_of_exactly_the_documents_that_end_in_it(speaker: Transformer) -> None:
    tokenizer = Tokenizer.for_world()
    long = long_rows(held_out(120), tokenizer, 256)
    found = beyond(speaker, long, width=32)
    assert found.ends.tolist() == list(range(32, 257, 32))
    loss, floor, tokens = np.zeros(8), np.zeros(8), np.zeros(8, int)
    for row, numbers in zip(long.rows, long.documents, strict=True):
        costs = F.cross_entropy(speaker(row[None, :-1])[0], row[1:], reduction="none").numpy()
        for number in set(numbers.tolist()) - {-1}:
            places = np.flatnonzero(numbers == number)
            stretch = int(places[-1]) // 32
            loss[stretch] += costs[places].sum()
            floor[stretch] += long.nats[number]
            tokens[stretch] += len(places)
    assert found.tokens.tolist() == tokens.tolist()
    assert found.loss == pytest.approx(loss / tokens, rel=1e-4)
    assert found.floor == pytest.approx(floor / tokens, rel=1e-5)
    assert found.mean(0, 256) == pytest.approx(loss.sum() / floor.sum(), rel=1e-4)
    assert found.mean(64, 128) == pytest.approx(loss[2:4].sum() / floor[2:4].sum(), rel=1e-4)
    assert math.isnan(found.mean(256, 512))
    assert (found.ratio > 1).all()


def test_rereading_changes_the_angles_and_no_weight(speaker: Transformer) -> None:
    ids = torch.arange(3, 60)[None]
    assert torch.equal(reread(speaker, Rotary())(ids), speaker(ids))
    other = reread(speaker, Rotary(stretch=Evenly(factor=4.0)))
    assert all(torch.equal(weight, speaker.get_parameter(name)) for name, weight in other.named_parameters())
    assert (other(ids) - speaker(ids)).abs().max() > 1e-4
