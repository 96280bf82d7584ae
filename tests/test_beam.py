"""Beam search: the same texts and scores as `transformers`, the best there is where it is wide enough, greedy where it is not."""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.config import Attention, Config, EncoderDecoder, PlainMlp
from model.errors import Refusal
from model.generation import Beams, beam_search, generate
from model.trace import Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told
from tests.families.peers import ids_of, paired

transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()
torch.set_num_threads(1)

END, TOKENS, PROMPT = 5, 9, 6
COMMON: dict[str, Any] = {"vocab_size": 101, "bos_token_id": None, "pad_token_id": 0, "num_hidden_layers": 2}
PEERS: dict[str, dict[str, Any]] = {
    "gpt2": COMMON | {"n_positions": 40, "hidden_size": 30, "num_attention_heads": 5},
    "llama": COMMON | {"max_position_embeddings": 40, "intermediate_size": 50, "hidden_size": 36, "num_attention_heads": 6, "num_key_value_heads": 3},
    "t5": COMMON | {"d_model": 24, "d_kv": 6, "d_ff": 40, "num_layers": 2, "num_heads": 5, "relative_attention_num_buckets": 8},
}
STOPPING = {"likely": False, "full": True, "sure": "never"}
SETTINGS = [
    *product((1, 2, 3, 8), (1.0,), ("likely",), (True, False)),
    *product((4,), (-0.5, 0.0, 0.6, 2.0), STOPPING, (True,)),
]


def built(config: Config, deviation: float = 0.3) -> Transformer:
    """A model in float64 with every weight redrawn, none at its neutral value."""
    model, dice = Transformer(config).double().eval(), torch.Generator().manual_seed(1)
    for weight in model.parameters():
        weight.data = torch.randn(weight.shape, generator=dice, dtype=torch.float64) * deviation
    return model


# ---------------------------------------------------------------- the same as transformers


@pytest.fixture(scope="module", params=PEERS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A tiny random published model there and here, which finds the end token likely enough to matter."""
    kind: str = request.param
    form = transformers.AutoModelForSeq2SeqLM if kind == "t5" else transformers.AutoModelForCausalLM
    config = transformers.AutoConfig.for_model(kind, **PEERS[kind], **({"decoder_start_token_id": 3} if kind == "t5" else {}))
    folder: Path = tmp_path_factory.mktemp(kind)
    return kind, paired(form.from_config(config, attn_implementation="eager"), folder)


@pytest.mark.parametrize(("width", "penalty", "halt", "ends"), SETTINGS)
@torch.inference_mode()
def test_texts_and_scores_are_those_of_transformers(pair: Any, width: int, penalty: float, halt: Any, ends: bool) -> None:
    kind, models = pair
    stopping = {"early_stopping": STOPPING[halt], "length_penalty": penalty} if width > 1 else {}
    asked: dict[str, Any] = {"max_new_tokens": TOKENS, "num_beams": width, "num_return_sequences": width, "output_scores": True}
    for seed in range(3):
        ids = ids_of(1, PROMPT, seed=seed)
        end = _likely(models.ours, ids[0].tolist(), kind) if ends else None
        given = asked | stopping | {"do_sample": False, "return_dict_in_generate": True, "eos_token_id": end}
        theirs = models.theirs.generate(ids, attention_mask=torch.ones_like(ids), **given)
        how = Beams(width=width, tokens=TOKENS, length_penalty=penalty, halt=halt, stop=end)
        *_, last = beam_search(models.ours, [3] if kind == "t5" else ids[0], how, source=ids[0] if kind == "t5" else None)
        opening = 1 if kind == "t5" else PROMPT
        for row, found in enumerate(last.finished):
            written = theirs.sequences[row, opening:].tolist()
            assert written[: len(found.text.ids)] == list(found.text.ids)
            assert set(written[len(found.text.ids) :]) <= {0, end}
            if width > 1:
                assert found.score == pytest.approx(float(theirs.sequences_scores[row]), abs=1e-5)


def _likely(model: Transformer, ids: list[int], kind: str) -> int:
    """A token that the model would write early, though not first: with it as the end, texts of many lengths finish."""
    steps = list(generate(model, [3] if kind == "t5" else ids, tokens=4, source=ids if kind == "t5" else None))
    return steps[2].alternatives(1)[0][0]


# ---------------------------------------------------------------- what a search is


SMALL = Config(vocabulary=4, context=16, width=8, layers=1, attention=Attention(heads=2, kv_heads=2, size=4), mlp=PlainMlp(hidden=8))


@torch.inference_mode()
def _sums(model: Transformer, prompt: tuple[int, ...], length: int, stop: int | None) -> dict[tuple[int, ...], float]:
    """Every text of up to so many tokens there is, by whole forward passes, with its log-probability."""
    found: dict[tuple[int, ...], float] = {}
    for text in product(range(model.config.vocabulary), repeat=length):
        ended = text[: text.index(stop) + 1] if stop in text else text
        logs = model(torch.tensor([prompt + ended]))[0].log_softmax(-1)
        found[ended] = sum(float(logs[len(prompt) - 1 + at, id]) for at, id in enumerate(ended))
    return found


@pytest.mark.parametrize(("stop", "penalty"), [(None, 0.0), (2, 0.0), (2, 1.0)])
def test_a_search_wide_enough_finds_the_best_text_there_is(stop: int | None, penalty: float) -> None:
    model, prompt, length = built(SMALL, 0.8), (1, 3), 3
    how = Beams(width=SMALL.vocabulary**length, tokens=length, length_penalty=penalty, halt="sure", stop=stop)
    *_, last = beam_search(model, prompt, how)
    every = {text: how.score(total, len(text)) for text, total in _sums(model, prompt, length, stop).items()}
    assert {one.text.ids for one in last.finished} == set(every)
    for one, best in zip(last.finished, sorted(every.values(), reverse=True), strict=True):
        assert one.score == pytest.approx(every[one.text.ids], abs=1e-9) == pytest.approx(best, abs=1e-9)


WRITERS = [config for config in EVERY if config.main == "decoder"]
FEW = [*WRITERS[::9], *(config for config in WRITERS if isinstance(config.form, EncoderDecoder) or config.attention.window)]
SOURCE, GIVEN = (5, 9, 2, 30, 30, 1), (7, 3, 11, 3, 40)


@pytest.mark.parametrize("config", FEW, ids=told)
def test_cached_equals_uncached_and_one_beam_is_greedy(config: Config) -> None:
    model, source = built(config), SOURCE if isinstance(config.form, EncoderDecoder) else None
    tracer = Tracer(model)
    steps = list(beam_search(model, GIVEN, Beams(width=3, tokens=6), source=source))
    for one in steps[-1].finished:
        logits = tracer.trace((*GIVEN, *one.text.ids), source=source).logits.log_softmax(-1)
        expected = [float(logits[len(GIVEN) - 1 + at, id]) for at, id in enumerate(one.text.ids)]
        np.testing.assert_allclose(one.text.log_probabilities, expected, atol=1e-9)
    *_, alone = beam_search(model, GIVEN, Beams(width=1, tokens=6), source=source)
    assert alone.finished[0].text.ids == tuple(step.id for step in generate(model, GIVEN, tokens=6, source=source))


def test_every_step_accounts_for_every_beam() -> None:
    model = built(FEW[0])
    steps = list(beam_search(model, GIVEN, Beams(width=4, tokens=8, stop=17)))
    assert any(step.dead for step in steps)
    for step, after in pairwise(steps):
        assert step.alive == after.beams
        assert [text.log_probability for text in step.alive] == sorted((text.log_probability for text in step.alive), reverse=True)
        assert len(step.alive) == 4
        for number in step.dead:
            best = max((one for one in step.candidates if one.parent == number), key=lambda one: one.total)
            assert best.total <= step.bar
            assert best.fate in ("crowded", "late")
        for one in step.candidates:
            assert one.total == pytest.approx(step.beams[one.parent].log_probability + one.log_probability, abs=1e-12)


def test_what_cannot_be_searched_is_refused() -> None:
    model = built(SMALL)
    for width, tokens in ((0, 3), (3, 0)):
        with pytest.raises(Refusal, match="1 or more"):
            Beams(width=width, tokens=tokens)
    for penalty in (float("nan"), 1e308, -1e308):
        with pytest.raises(Refusal, match="from -50 to 50"):
            Beams(length_penalty=penalty)
    with pytest.raises(Refusal, match="no room"):
        list(beam_search(model, (1,) * 16, Beams()))
    *_, last = beam_search(model, (1,) * 14, Beams(tokens=30))
    assert {len(one.text.ids) for one in last.finished} == {2}
