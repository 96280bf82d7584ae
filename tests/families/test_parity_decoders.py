"""Decoders published by others compute here what they compute in `transformers`: every logit, attention map and hidden state.

The peers are tiny and odd on purpose: heads that are no power of two, head sizes that do not divide the width, layers three; and
every weight is drawn anew, norms and biases too, so that none of them is without effect.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from model.layers.frame import own_mask
from model.trace import Trace, Tracer
from model.verbs import check
from tests.families.peers import CLOSE, LENGTH, VOCABULARY, Pair, far, filled, ids_of, paired

transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

torch.set_num_threads(1)

LAYERS = 3

COMMON = {"vocab_size": VOCABULARY, "bos_token_id": 0, "eos_token_id": None, "pad_token_id": None, "num_hidden_layers": LAYERS}
GPT2 = COMMON | {"model_type": "gpt2", "n_positions": 40}
GPTJ = COMMON | {"model_type": "gptj", "n_positions": 40}
OPT = COMMON | {"model_type": "opt", "max_position_embeddings": 40, "ffn_dim": 50}
BLOOM = COMMON | {"model_type": "bloom"}
NEOX = COMMON | {"model_type": "gpt_neox", "max_position_embeddings": 40, "intermediate_size": 50}
FALCON = COMMON | {"model_type": "falcon", "max_position_embeddings": 40}
GATED = COMMON | {"max_position_embeddings": 40, "intermediate_size": 50}
LLAMA, MISTRAL, GEMMA, QWEN2, QWEN3 = (GATED | {"model_type": kind} for kind in ("llama", "mistral", "gemma", "qwen2", "qwen3"))


def shape(width: int, heads: int, **settings: Any) -> dict[str, Any]:
    return {"hidden_size": width, "num_attention_heads": heads} | settings


def turning(base: float, **settings: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": base} | settings}


WAVES = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 20}

CASES: dict[str, dict[str, Any]] = {
    "gpt2, 5 heads": GPT2 | {"n_embd": 35, "n_head": 5},
    "gpt2, untied, narrow MLP, exact GELU": GPT2
    | {"n_embd": 21, "n_head": 3, "n_inner": 40, "tie_word_embeddings": False, "activation_function": "gelu"},
    "llama, 6 heads": LLAMA | shape(36, 6),
    "llama, multi-query, tied, stretched evenly": LLAMA
    | shape(30, 5, num_key_value_heads=1, tie_word_embeddings=True, **turning(50.0, rope_type="linear", factor=2.5)),
    "llama, grouped, stretched by wavelength": LLAMA | shape(72, 6, num_key_value_heads=3, **turning(50.0, **WAVES)),
    "llama, biased, free head size": LLAMA | shape(35, 7, head_dim=6, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-3),
    "gptj": GPTJ | {"n_embd": 50, "n_head": 5, "rotary_dim": 4},
    "gptj, whole heads, narrow MLP, exact GELU": GPTJ | {"n_embd": 42, "n_head": 7, "rotary_dim": 6, "n_inner": 50, "activation_function": "gelu"},
    "gptj, tied, turning a share that rounds": GPTJ | {"n_embd": 132, "n_head": 3, "rotary_dim": 30, "tie_word_embeddings": True},
    "opt": OPT | shape(35, 5),
    "opt, after-norm, narrow tokens": OPT | shape(36, 6, word_embed_proj_dim=20, do_layer_norm_before=False),
    "opt, untied, narrow tokens, GELU": OPT | shape(36, 6, word_embed_proj_dim=20, tie_word_embeddings=False, activation_function="gelu"),
    "opt, no biases, no last norm": OPT | shape(21, 3, enable_bias=False, _remove_final_layer_norm=True),
    "bloom, 5 heads": BLOOM | shape(35, 5),
    "bloom, 12 heads": BLOOM | shape(36, 12),
    "bloom, untied, 1 head": BLOOM | shape(10, 1, tie_word_embeddings=False),
    "neox": NEOX | shape(40, 5, **turning(500.0, partial_rotary_factor=0.25)),
    "neox, half turned, in series": NEOX | shape(36, 3, use_parallel_residual=False, **turning(500.0, partial_rotary_factor=0.5)),
    "neox, tied, no biases": NEOX | shape(42, 3, attention_bias=False, tie_word_embeddings=True, **turning(500.0, partial_rotary_factor=1.0)),
    "falcon, multi-query": FALCON | shape(42, 7),
    "falcon, grouped": FALCON | shape(36, 6, num_kv_heads=3, new_decoder_architecture=True, ffn_hidden_size=50),
    "falcon, grouped, one norm, untied": FALCON
    | shape(36, 6, num_kv_heads=2, new_decoder_architecture=True, num_ln_in_parallel_attn=1, tie_word_embeddings=False),
    "falcon, in series, biased, all heads": FALCON | shape(30, 5, parallel_attn=False, bias=True, multi_query=False),
    "mistral, window of 7": MISTRAL | shape(36, 6, num_key_value_heads=3, sliding_window=7, **turning(500.0)),
    "mistral, no window, free head size, tied": MISTRAL
    | shape(35, 6, num_key_value_heads=2, head_dim=8, sliding_window=None, tie_word_embeddings=True),
    "gemma, multi-query": GEMMA | shape(35, 3, num_key_value_heads=1, head_dim=14),
    "gemma, untied, biased": GEMMA | shape(33, 6, num_key_value_heads=3, head_dim=8, tie_word_embeddings=False, attention_bias=True),
    "qwen2": QWEN2 | shape(42, 7, num_key_value_heads=1, **turning(500.0)),
    "qwen2, tied, window everywhere": QWEN2
    | shape(36, 6, num_key_value_heads=3, tie_word_embeddings=True, use_sliding_window=True, sliding_window=5, max_window_layers=0),
    "qwen3, free head size": QWEN3 | shape(35, 6, num_key_value_heads=3, head_dim=10, **turning(500.0)),
    "qwen3, tied, biased": QWEN3 | shape(36, 5, num_key_value_heads=1, head_dim=8, tie_word_embeddings=True, attention_bias=True),
}


@pytest.fixture(scope="module", params=CASES.values(), ids=list(CASES))
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    given, folder = dict(request.param), tmp_path_factory.mktemp("peer")
    config = transformers.AutoConfig.for_model(given.pop("model_type"), **given)
    return paired(transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager"), folder)


def test_every_stored_array_has_its_place(pair: Pair) -> None:
    assert set(pair.report.loaded) == set(load_file(pair.folder / "model.safetensors"))
    assert pair.report.skipped == ()
    assert pair.report.parameters == pair.theirs.num_parameters()


@pytest.mark.parametrize("form", ["whole, fp32", "sharded, bf16"])
def test_the_check_a_person_runs_agrees(pair: Pair, form: str, tmp_path: Path) -> None:
    folder = pair.folder
    if form == "sharded, bf16":
        folder = tmp_path
        transformers.AutoModelForCausalLM.from_pretrained(pair.folder, dtype=torch.bfloat16).save_pretrained(folder, max_shard_size="10KB")
        assert len(list(folder.glob("*.safetensors"))) > 1
    result = check.run(Namespace(checkpoint=folder))
    assert result["stored"] == (["BF16"] if form == "sharded, bf16" else ["F32"])
    assert result["max_difference"] < CLOSE


@torch.no_grad()
def test_logits_maps_and_hidden_states_are_theirs(pair: Pair) -> None:
    ids = ids_of(1, LENGTH)
    theirs = pair.theirs(ids, output_attentions=True, output_hidden_states=True)
    trace = Tracer(pair.ours).trace(ids[0], keep=("*",))
    assert far(trace.logits, theirs.logits[0]) < CLOSE
    for layer in range(LAYERS):
        assert far(trace.pattern(layer), theirs.attentions[layer][0]) < CLOSE
        assert far(trace[f"decoder.blocks.{layer}.before"], theirs.hidden_states[layer][0]) < CLOSE
    assert far(last(trace), theirs.hidden_states[LAYERS][0]) < CLOSE


def last(trace: Trace) -> Tensor:
    """What they call the last hidden state: what the output reads."""
    sites = ("head.narrow", "decoder.norm", f"decoder.blocks.{LAYERS - 1}.after")
    return next(trace[site] for site in sites if site in trace.sites)


@torch.no_grad()
def test_generation_from_a_cache_takes_their_steps(pair: Pair) -> None:
    read, past, cache = ids_of(1, 7), pair.ours.past(), None
    for _ in range(12):
        theirs = pair.theirs(read, past_key_values=cache, use_cache=True)
        logits, cache = pair.ours(read, past=past), theirs.past_key_values
        assert far(logits, theirs.logits) < CLOSE
        read = logits[:, -1:].argmax(-1)


@pytest.mark.usefixtures("narrow_masks")
@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_padding_changes_nothing_for_what_is_real(pair: Pair, side: str) -> None:
    lengths, ids = (23, 16, 3), ids_of(3, 23)
    real = torch.stack([filled(length, 23, side) for length in lengths])
    places = (real.cumsum(-1) - 1).clamp_min(0)
    told = {"position_ids": places} if pair.theirs.config.model_type == "gpt2" else {}
    theirs = pair.theirs(ids, attention_mask=real.long(), output_attentions=True, **told)
    mask = own_mask("decoder", pair.ours.config.attention.window, 23, 23) & real[:, None]
    seen: dict[str, Tensor] = {}
    ours = pair.ours(ids, mask=mask, places=places, tap=lambda name, value: seen.setdefault(name, value))
    assert far(ours[real], theirs.logits[real]) < CLOSE
    for layer, pattern in enumerate(theirs.attentions):
        looked = seen[f"decoder.blocks.{layer}.attn.pattern"].transpose(1, 2)
        assert far(looked[real], pattern.transpose(1, 2)[real]) < CLOSE
