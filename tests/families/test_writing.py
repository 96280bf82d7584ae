"""Published models write here what they write in `transformers`: the same tokens, greedily, from a KV cache on either side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.config import Sliding
from model.generation import generate
from tests.families.peers import VOCABULARY, ids_of, paired

transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

torch.set_num_threads(1)

PROMPT, TOKENS, WINDOW = 7, 16, 5
COMMON: dict[str, Any] = {"vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": None, "pad_token_id": 0, "num_hidden_layers": 2}
GATED = COMMON | {"max_position_embeddings": 40, "intermediate_size": 50, "hidden_size": 36, "num_attention_heads": 6}
DECODERS: dict[str, dict[str, Any]] = {
    "gpt2": COMMON | {"n_positions": 40, "hidden_size": 30, "num_attention_heads": 5},
    "llama": GATED | {"num_key_value_heads": 3},
    "mistral": GATED | {"num_key_value_heads": 2, "sliding_window": WINDOW},
    "bloom": COMMON | {"hidden_size": 30, "num_attention_heads": 5},
    "gemma": GATED | {"num_key_value_heads": 1, "head_dim": 8},
    "falcon": COMMON | {"max_position_embeddings": 40, "hidden_size": 30, "num_attention_heads": 5, "new_decoder_architecture": False},
    "opt": COMMON | {"max_position_embeddings": 40, "ffn_dim": 50, "hidden_size": 30, "num_attention_heads": 5, "word_embed_proj_dim": 20},
    "gptj": COMMON | {"n_positions": 40, "hidden_size": 32, "num_attention_heads": 4, "rotary_dim": 4},
    "gpt_neox": COMMON | {"max_position_embeddings": 40, "intermediate_size": 50, "hidden_size": 40, "num_attention_heads": 5},
    "qwen2": GATED | {"num_key_value_heads": 3},
    "qwen3": GATED | {"num_key_value_heads": 3, "head_dim": 10},
}
T5 = {"d_model": 24, "d_kv": 6, "d_ff": 40, "num_layers": 2, "num_heads": 5, "relative_attention_num_buckets": 8}
MARIAN_STACKS = {f"{stack}_{name}": value for stack in ("encoder", "decoder") for name, value in (("attention_heads", 5), ("ffn_dim", 40))}
TRANSLATORS: dict[str, dict[str, Any]] = {
    "t5": T5,
    "t5, gated, untied": T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "marian": MARIAN_STACKS | {"d_model": 30, "encoder_layers": 2, "decoder_layers": 3, "max_position_embeddings": 40, "forced_eos_token_id": None},
}
START = 3
ASKED: dict[str, Any] = {"max_new_tokens": TOKENS, "do_sample": False, "output_logits": True, "return_dict_in_generate": True}


@pytest.mark.parametrize("kind", DECODERS)
@torch.inference_mode()
def test_a_text_is_continued_as_in_transformers(kind: str, tmp_path: Path) -> None:
    theirs = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(kind, **DECODERS[kind]), attn_implementation="eager")
    pair = paired(theirs, tmp_path)
    if kind == "mistral":
        assert pair.ours.config.attention.reach == Sliding(window=WINDOW)
    for seed in range(3):
        ids = ids_of(1, PROMPT, seed=seed)
        told = pair.theirs.generate(ids, attention_mask=torch.ones_like(ids), **ASKED)
        _agree(list(generate(pair.ours, ids[0], tokens=TOKENS)), told, PROMPT)


@pytest.mark.parametrize("name", TRANSLATORS)
@torch.inference_mode()
def test_a_source_is_written_about_as_in_transformers(name: str, tmp_path: Path) -> None:
    sizes = {setting: value for setting, value in COMMON.items() if setting != "num_hidden_layers"}
    config = transformers.AutoConfig.for_model(name.partition(",")[0], **sizes, **TRANSLATORS[name], decoder_start_token_id=START)
    pair = paired(transformers.AutoModelForSeq2SeqLM.from_config(config, attn_implementation="eager"), tmp_path)
    for seed in range(3):
        source = ids_of(1, PROMPT, seed=seed)
        told = pair.theirs.generate(source, attention_mask=torch.ones_like(source), **ASKED)
        _agree(list(generate(pair.ours, [START], tokens=TOKENS, source=source[0])), told, 1)


def _agree(steps: list[Any], told: Any, opening: int) -> None:
    """The same tokens, from the same logits."""
    assert [step.id for step in steps] == told.sequences[0, opening:].tolist()
    for step, logits in zip(steps, told.logits, strict=True):
        np.testing.assert_allclose(step.logits, logits[0], atol=1e-5)
