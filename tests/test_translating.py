"""Exact match is that of decoding greedily, one token after the other; a target costs what its tokens cost."""

from __future__ import annotations

import pytest
import torch

from model.analysis.translating import examine
from model.config import Attention, Config, EncoderDecoder
from model.text.pairs import Pair, Pairs
from model.text.tokenizer import Tokenizer
from model.text.world import Dials
from model.training import Recipe, Steps, Translation, train
from model.training.objective import source
from model.transformer import Transformer

TOKENIZER = Tokenizer.for_world()
SMALL = Dials(weights=(("fact", 1.0), ("sound", 2.0)))


@pytest.fixture(scope="module")
def apprentice() -> Transformer:
    """A model that has read a little: it translates some sentences and not others."""
    torch.set_num_threads(1)
    attention = Attention(heads=2, kv_heads=2, size=16)
    config = Config(vocabulary=TOKENIZER.size, context=64, width=32, layers=1, form=EncoderDecoder(encoder_layers=1), attention=attention)
    model = Transformer(config, seed=1)
    recipe = Recipe(learning_rate=0.015, batch=4, context=64, warmup=10, budget=Steps(count=120), precision="float32")
    for _ in train(model, source(Translation(), 64, seed=1, dials=SMALL), recipe):
        pass
    return model


def asked() -> list[Pair]:
    pairs = Pairs("examination", Dials(weights=(("fact", 3.0), ("sound", 3.0), ("giving", 1.0))))
    return [pairs.pair() for _ in range(40)]


@torch.inference_mode()
def decoded(model: Transformer, pair: Pair) -> tuple[str, float]:
    """What the model writes greedily, nothing padded, and what the right target costs it, one token at a time."""
    begin = TOKENIZER.begin
    memory = model.encode(torch.tensor([[begin, *TOKENIZER.ids(pair.source)]]))
    written = [begin]
    while len(written) < 60 and (len(written) == 1 or written[-1] != begin):
        written.append(int(model(torch.tensor([written]), memory=memory)[0, -1].argmax()))
    right, cost = [begin, *TOKENIZER.ids(pair.target), begin], 0.0
    for end in range(1, len(right)):
        cost -= float(model(torch.tensor([right[:end]]), memory=memory)[0, -1].double().log_softmax(-1)[right[end]])
    return TOKENIZER.decode(written[1:-1]), cost


def test_exact_is_what_greedy_decoding_writes(apprentice: Transformer) -> None:
    pairs = asked()
    told = [decoded(apprentice, pair) for pair in pairs]
    right, nats, tokens = examine(apprentice, TOKENIZER, pairs)
    assert {True, False} == set(right)
    assert right == [text == pair.target for (text, _), pair in zip(told, pairs, strict=True)]
    assert nats == pytest.approx(sum(cost for _, cost in told), rel=1e-4)
    assert tokens == sum(len(TOKENIZER.ids(pair.target)) + 1 for pair in pairs)
