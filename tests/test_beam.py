"""Beam search: the same texts and scores as `transformers`, the best there is where it is wide enough, greedy where it is not."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.config import Attention, Config, EncoderDecoder, Fixed, PlainMlp
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
