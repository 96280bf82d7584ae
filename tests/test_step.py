"""Why a token was chosen: the lens of its step is the lens of the whole text there, and every filter's account adds up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from model.analysis.lens import lens
from model.analysis.step import step_lens
from model.config import Config, EncoderDecoder
from model.generation import Greedy, Sample, stages
from model.generation.account import CUTS, TEMPERATURES, chances, removals
from model.trace import Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told

IDS, SOURCE = (1, 5, 3, 2, 7), (4, 2, 6)


@pytest.mark.parametrize("config", EVERY[::5], ids=told)
def test_the_lens_of_a_step_is_the_lens_of_its_text_at_that_position(config: Config) -> None:
    model = Transformer(config, seed=2).eval()
    source = SOURCE if isinstance(model.config.form, EncoderDecoder) else None
    trace = Tracer(model).trace(torch.tensor(IDS), source=None if source is None else torch.tensor(source))
    whole = lens(trace, count=1)
    for position in (0, 3):
        found = step_lens(model, IDS, position, IDS[1], source=source)
        assert found.points == whole.points
        np.testing.assert_allclose(found.chance, whole.chance[:, position, 0], atol=1e-5)
        answer = trace.logits[position].double().softmax(-1)
        np.testing.assert_allclose([found.chance[-1], found.hit[-1]], [answer.max(), answer[IDS[1]]], atol=1e-6)
        assert found.rank[-1] == 1 + int((answer > answer[IDS[1]]).sum())


def test_a_token_that_may_not_be_chosen_counts_nowhere() -> None:
    model = Transformer(EVERY[0], seed=2).eval()
    plain = step_lens(model, IDS, 2, 1)
    first = int(plain.top[-1])
    cut = step_lens(model, IDS, 2, 1, cut=first)
    assert first not in cut.top
    np.testing.assert_allclose(cut.hit[-1], plain.hit[-1] / (1 - plain.chance[-1]), rtol=1e-6)
    assert 0 <= cut.settled <= len(cut.points)


LOGITS = np.random.default_rng(4).normal(size=80) * 2
CHOOSERS: list[Any] = [
    Sample(),
    Greedy(presence_penalty=1),
    Sample(temperature=0.7, top_k=20, top_p=0.8, min_p=0.05, typical=0.9, frequency_penalty=0.3),
]


@pytest.mark.parametrize("choose", CHOOSERS)
def test_what_the_filters_removed_and_left_is_every_token(choose: Any) -> None:
    token = int(LOGITS.argmax())
    found, line = removals(LOGITS, choose, (1, 2, 2), token), stages(LOGITS, choose, (1, 2, 2))
    assert sum(each.removed for each in found) + found[-1].left == len(LOGITS)
    for each, stage in zip(found, line, strict=True):
        gone = np.flatnonzero((stage.after == 0) & (stage.before > 0))
        assert (each.removed, each.after) == (len(gone), stage.after[token])
        assert each.mass == pytest.approx(stage.before[gone].sum())
        assert each.likeliest == (gone[stage.before[gone].argmax()] if len(gone) else None)
        assert each.lost == (stage.before[gone].max() if len(gone) else 0)


def test_chances_are_what_each_setting_would_have_left() -> None:
    token = int(np.argsort(-LOGITS)[3])
    found = chances(LOGITS, Sample(repetition_penalty=1.4, top_k=1), (token, 5), token)
    for row, temperature in enumerate(TEMPERATURES):
        for column, cut in enumerate(CUTS):
            given: Any = {"repetition_penalty": 1.4, "temperature": temperature} | cut
            assert found[row, column] == pytest.approx(stages(LOGITS, Sample(**given), (token, 5))[-1].after[token])
    assert chances(LOGITS, Greedy(), (), token)[3, 0] == pytest.approx(stages(LOGITS, Sample(), ())[0].before[token])
