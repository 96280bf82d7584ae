"""Contrastive search equals its definition, written out with whole forward passes; without a penalty it is greedy decoding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from model.config import Config, EncoderDecoder
from model.errors import Refusal
from model.generation import Contrast, Trial, contrastive_search, distinct, generate, variety
from model.transformer import Transformer
from tests.configs import EVERY, told

torch.set_num_threads(1)
GIVEN, SOURCE = (7, 3, 11, 3, 40), (5, 9, 2, 30, 30, 1)
WRITERS = [config for config in EVERY if config.main == "decoder"]
FEW = [*WRITERS[::11], *(config for config in WRITERS if isinstance(config.form, EncoderDecoder) or config.attention.window)]


def built(config: Config) -> Transformer:
    model, dice = Transformer(config).double().eval(), torch.Generator().manual_seed(2)
    for weight in model.parameters():
        weight.data = torch.randn(weight.shape, generator=dice, dtype=torch.float64) * 0.3
    return model


@torch.inference_mode()
def read(model: Transformer, ids: tuple[int, ...], source: tuple[int, ...] | None) -> tuple[np.ndarray, np.ndarray]:
    """One whole pass: probabilities for the next token, and what the output read at every place, as a tap saw it."""
    kept: dict[str, torch.Tensor] = {}

    def keep(name: str, value: torch.Tensor) -> torch.Tensor:
        if name in ("decoder.norm", f"decoder.blocks.{model.config.depths['decoder'] - 1}.after"):
            kept[name] = value[0]
        return value

    memory = None if source is None else model.encode(torch.tensor([source]))
    logits = model(torch.tensor([ids]), memory=memory, tap=keep)[0, -1]
    return logits.softmax(-1).numpy(), (kept["decoder.norm"] if "decoder.norm" in kept else next(iter(kept.values()))).numpy()


def tried(model: Transformer, ids: tuple[int, ...], how: Contrast, source: tuple[int, ...] | None) -> list[Trial]:
    """The definition, candidate by candidate."""
    found, (shares, _) = [], read(model, ids, source)
    for id in np.argsort(-shares, kind="stable")[: how.top_k].tolist():
        _, hidden = read(model, (*ids, id), source)
        *before, last = hidden
        likeness = [float(last @ other / np.linalg.norm(last) / np.linalg.norm(other)) for other in before]
        score = (1 - how.alpha) * float(shares[id]) - how.alpha * max(likeness)
        found.append(Trial(id, math.log(shares[id]), max(likeness), int(np.argmax(likeness)), score))
    return found


@pytest.mark.parametrize("config", FEW, ids=told)
def test_each_step_equals_the_definition(config: Config) -> None:
    model, source = built(config), SOURCE if isinstance(config.form, EncoderDecoder) else None
    how, ids = Contrast(alpha=0.6, top_k=4, tokens=5), GIVEN
    for step in contrastive_search(model, GIVEN, how, source=source):
        expected = tried(model, ids, how, source)
        assert [(one.id, one.place) for one in step.trials] == [(one.id, one.place) for one in expected]
        for name in ("log_probability", "likeness", "score"):
            np.testing.assert_allclose([getattr(one, name) for one in step.trials], [getattr(one, name) for one in expected], atol=1e-9)
        assert step.id == max(expected, key=lambda one: one.score).id
        ids = (*ids, step.id)
    assert len(ids) == len(GIVEN) + 5


@pytest.mark.parametrize("config", FEW[:4], ids=told)
def test_without_a_penalty_it_is_greedy(config: Config) -> None:
    model = built(config)
    steps = list(contrastive_search(model, GIVEN, Contrast(alpha=0, tokens=8, stop=17)))
    assert [step.id for step in steps] == [step.id for step in generate(model, GIVEN, tokens=8, stop=17)]
    assert [step.id for step in contrastive_search(model, GIVEN, Contrast(alpha=1, top_k=1, tokens=8, stop=17))] == [step.id for step in steps]


def test_a_penalty_makes_a_text_that_repeats_itself_less() -> None:
    model = built(FEW[0])
    texts = [[step.id for step in contrastive_search(model, GIVEN, Contrast(alpha=alpha, top_k=8, tokens=40))] for alpha in (0.0, 0.9)]
    assert variety(texts[0]) <= variety(texts[1])


def test_variety_counts_runs() -> None:
    assert variety([1, 2, 3, 4, 5]) == variety([1]) == 1
    assert distinct([1, 2, 1, 2, 1], 2) == 2 / 4
    assert variety([1, 2, 1, 2, 1]) == pytest.approx(2 / 4 * 2 / 3 * 1)


def test_what_cannot_be_weighed_is_refused() -> None:
    for alpha, top_k, tokens in ((1.5, 3, 3), (-0.1, 3, 3), (math.nan, 3, 3), (0.5, 0, 3), (0.5, 3, 0)):
        with pytest.raises(Refusal):
            Contrast(alpha=alpha, top_k=top_k, tokens=tokens)
