"""Models published by others: what their `config.json` says reads as the size listed, and weighs what `transformers` builds from it."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import torch

from model.config import Config, Everywhere, Sliding
from model.cost import parameters
from model.errors import Refusal
from model.families import find, published_as

transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()


def opt(width: int, layers: int, heads: int, **settings: Any) -> dict[str, Any]:
    plain = {"model_type": "opt", "hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "ffn_dim": 4 * width}
    return plain | {"vocab_size": 50_272, "max_position_embeddings": 2_048, "word_embed_proj_dim": width, "activation_function": "relu"} | settings


def bloom(width: int, layers: int, heads: int) -> dict[str, Any]:
    return {"model_type": "bloom", "hidden_size": width, "n_layer": layers, "n_head": heads, "vocab_size": 250_880, "seq_length": 2_048}


def neox(width: int, layers: int, heads: int, **settings: Any) -> dict[str, Any]:
    shape = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": 4 * width}
    rest = {"vocab_size": 50_304, "max_position_embeddings": 2_048, "rotary_pct": 0.25, "rotary_emb_base": 10_000, "hidden_act": "gelu"}
    return {"model_type": "gpt_neox"} | shape | rest | settings


def falcon(width: int, layers: int, heads: int, **settings: Any) -> dict[str, Any]:
    shape = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "vocab_size": 65_024}
    return {"model_type": "falcon", "alibi": False, "bias": False, "parallel_attn": True} | shape | settings


def gated(kind: str, shape: tuple[int, ...], **settings: Any) -> dict[str, Any]:
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size")
    return {"model_type": kind} | dict(zip(names, shape, strict=True)) | settings


def mistral(*shape: int) -> dict[str, Any]:
    return gated("mistral", shape, vocab_size=32_000, max_position_embeddings=32_768, rms_norm_eps=1e-5, rope_theta=10_000.0, sliding_window=4_096)


def qwen2(*shape: int, **settings: Any) -> dict[str, Any]:
    rest = {"vocab_size": 151_936, "max_position_embeddings": 131_072, "rope_theta": 1e6, "use_sliding_window": False, "sliding_window": 131_072}
    return gated("qwen2", shape, **rest, rms_norm_eps=settings.pop("eps", 1e-6)) | settings


def qwen3(*shape: int, **settings: Any) -> dict[str, Any]:
    rest = {"vocab_size": 151_936, "max_position_embeddings": 40_960, "rope_theta": 1e6, "head_dim": 128, "attention_bias": False}
    return gated("qwen3", shape, **rest, sliding_window=None, **settings)


def gemma(*shape: int) -> dict[str, Any]:
    return gated("gemma", shape, vocab_size=256_000, max_position_embeddings=8_192, head_dim=256, hidden_act="gelu", rope_theta=10_000.0)


def llama(*shape: int, **settings: Any) -> dict[str, Any]:
    return gated("llama", shape, **{"vocab_size": 32_000, "max_position_embeddings": 2_048, "rms_norm_eps": 1e-6} | settings)


def llama3(*shape: int, factor: float | None = None, **settings: Any) -> dict[str, Any]:
    known = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8_192}
    scaling = {"rope_type": "llama3", "factor": factor} | known if factor else None
    rest = {"vocab_size": 128_256, "max_position_embeddings": 131_072 if factor else 8_192, "rms_norm_eps": 1e-5, "rope_theta": 500_000.0}
    return llama(*shape, **rest, rope_scaling=scaling, **settings)


def bert(vocabulary: int, width: int, layers: int, heads: int) -> dict[str, Any]:
    shape = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "intermediate_size": 4 * width}
    return {"model_type": "bert", "vocab_size": vocabulary, "type_vocab_size": 2, "max_position_embeddings": 512} | shape


def albert(width: int, layers: int, heads: int, activation: str, dropout: float) -> dict[str, Any]:
    told = {"model_type": "albert", "embedding_size": 128, "hidden_act": activation, "hidden_dropout_prob": dropout}
    return bert(30_000, width, layers, heads) | told


def t5(width: int, layers: int, heads: int, size: int, hidden: int, **settings: Any) -> dict[str, Any]:
    shape = {"d_model": width, "num_layers": layers, "num_heads": heads, "d_kv": size, "d_ff": hidden}
    return {"model_type": "t5", "vocab_size": 32_128, "n_positions": 512} | shape | settings


GATED = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "dropout_rate": 0.0}

PUBLISHED: dict[str, dict[str, Any]] = {
    "bert-base-uncased": bert(30_522, 768, 12, 12),
    "bert-base-cased": bert(28_996, 768, 12, 12),
    "bert-large-uncased": bert(30_522, 1_024, 24, 16),
    "bert-large-cased": bert(28_996, 1_024, 24, 16),
    "albert-base-v1": albert(768, 12, 12, "gelu", 0.1),
    "albert-large-v1": albert(1_024, 24, 16, "gelu", 0.1),
    "albert-xlarge-v1": albert(2_048, 24, 16, "gelu", 0.1),
    "albert-xxlarge-v1": albert(4_096, 12, 64, "gelu", 0.0),
    "albert-base-v2": albert(768, 12, 12, "gelu_new", 0.0),
    "albert-large-v2": albert(1_024, 24, 16, "gelu_new", 0.0),
    "albert-xlarge-v2": albert(2_048, 24, 16, "gelu_new", 0.0),
    "albert-xxlarge-v2": albert(4_096, 12, 64, "gelu_new", 0.0),
    "t5-small": t5(512, 6, 8, 64, 2_048),
    "t5-base": t5(768, 12, 12, 64, 3_072),
    "t5-large": t5(1_024, 24, 16, 64, 4_096),
    "t5-3b": t5(1_024, 24, 32, 128, 16_384),
    "t5-11b": t5(1_024, 24, 128, 128, 65_536),
    "t5-v1.1-small": t5(512, 8, 6, 64, 1_024, **GATED),
    "t5-v1.1-base": t5(768, 12, 12, 64, 2_048, **GATED),
    "t5-v1.1-large": t5(1_024, 24, 16, 64, 2_816, **GATED),
    "t5-v1.1-xl": t5(2_048, 24, 32, 64, 5_120, **GATED),
    "t5-v1.1-xxl": t5(4_096, 24, 64, 64, 10_240, **GATED),
    "llama-7b": llama(4_096, 32, 32, 32, 11_008),
    "llama-13b": llama(5_120, 40, 40, 40, 13_824),
    "llama-33b": llama(6_656, 60, 52, 52, 17_920),
    "llama-65b": llama(8_192, 80, 64, 64, 22_016, rms_norm_eps=1e-5),
    "llama2-7b": llama(4_096, 32, 32, 32, 11_008, max_position_embeddings=4_096, rms_norm_eps=1e-5),
    "llama2-13b": llama(5_120, 40, 40, 40, 13_824, max_position_embeddings=4_096, rms_norm_eps=1e-5),
    "llama2-70b": llama(8_192, 80, 64, 8, 28_672, max_position_embeddings=4_096, rms_norm_eps=1e-5),
    "llama3-8b": llama3(4_096, 32, 32, 8, 14_336),
    "llama3-70b": llama3(8_192, 80, 64, 8, 28_672),
    "llama3.1-8b": llama3(4_096, 32, 32, 8, 14_336, factor=8.0),
    "llama3.1-70b": llama3(8_192, 80, 64, 8, 28_672, factor=8.0),
    "llama3.1-405b": llama3(16_384, 126, 128, 8, 53_248, factor=8.0),
    "llama3.2-1b": llama3(2_048, 16, 32, 8, 8_192, factor=32.0, tie_word_embeddings=True),
    "llama3.2-3b": llama3(3_072, 28, 24, 8, 8_192, factor=32.0, tie_word_embeddings=True),
    "gptj-6b": {"model_type": "gptj", "n_embd": 4_096, "n_layer": 28, "n_head": 16, "vocab_size": 50_400, "n_positions": 2_048, "rotary_dim": 64},
    "opt-125m": opt(768, 12, 12),
    "opt-350m": opt(1_024, 24, 16, word_embed_proj_dim=512, do_layer_norm_before=False),
    "opt-1.3b": opt(2_048, 24, 32),
    "opt-2.7b": opt(2_560, 32, 32),
    "opt-6.7b": opt(4_096, 32, 32),
    "opt-13b": opt(5_120, 40, 40),
    "opt-30b": opt(7_168, 48, 56),
    "opt-66b": opt(9_216, 64, 72),
    "opt-175b": opt(12_288, 96, 96),
    "bloom-560m": bloom(1_024, 24, 16),
    "bloom-1b1": bloom(1_536, 24, 16),
    "bloom-1b7": bloom(2_048, 24, 16),
    "bloom-3b": bloom(2_560, 30, 32),
    "bloom-7b1": bloom(4_096, 30, 32),
    "bloom-176b": bloom(14_336, 70, 112),
    "pythia-14m": neox(128, 6, 4),
    "pythia-31m": neox(256, 6, 8),
    "pythia-70m": neox(512, 6, 8),
    "pythia-160m": neox(768, 12, 12),
    "pythia-410m": neox(1_024, 24, 16),
    "pythia-1b": neox(2_048, 16, 8),
    "pythia-1.4b": neox(2_048, 24, 16),
    "pythia-2.8b": neox(2_560, 32, 32),
    "pythia-6.9b": neox(4_096, 32, 32, vocab_size=50_432),
    "pythia-12b": neox(5_120, 36, 40, vocab_size=50_688),
    "gpt-neox-20b": neox(6_144, 44, 64, vocab_size=50_432, hidden_act="gelu_fast"),
    "falcon-7b": falcon(4_544, 32, 71, multi_query=True),
    "falcon-40b": falcon(8_192, 60, 128, new_decoder_architecture=True, num_kv_heads=8),
    "falcon-180b": falcon(14_848, 80, 232, new_decoder_architecture=True, num_kv_heads=8),
    "mistral-7b": mistral(4_096, 32, 32, 8, 14_336),
    "gemma-2b": gemma(2_048, 18, 8, 1, 16_384),
    "gemma-7b": gemma(3_072, 28, 16, 16, 24_576),
    "qwen2-0.5b": qwen2(896, 24, 14, 2, 4_864, tie_word_embeddings=True),
    "qwen2-1.5b": qwen2(1_536, 28, 12, 2, 8_960, tie_word_embeddings=True),
    "qwen2-7b": qwen2(3_584, 28, 28, 4, 18_944, vocab_size=152_064),
    "qwen2-72b": qwen2(8_192, 80, 64, 8, 29_568, vocab_size=152_064, eps=1e-5),
    "qwen3-0.6b": qwen3(1_024, 28, 16, 8, 3_072, tie_word_embeddings=True),
    "qwen3-1.7b": qwen3(2_048, 28, 16, 8, 6_144, tie_word_embeddings=True),
    "qwen3-4b": qwen3(2_560, 36, 32, 8, 9_728, tie_word_embeddings=True),
    "qwen3-8b": qwen3(4_096, 36, 32, 8, 12_288),
    "qwen3-14b": qwen3(5_120, 40, 40, 8, 17_408),
    "qwen3-32b": qwen3(5_120, 64, 64, 8, 25_600),
}
each_size = pytest.mark.parametrize("name", PUBLISHED)


def read(given: dict[str, Any]) -> Config:
    family = published_as(given["model_type"])
    assert family is not None
    assert family.published is not None
    return family.published.config(given)


@each_size
def test_a_published_description_reads_as_the_size_listed(name: str) -> None:
    assert read(PUBLISHED[name]) == find(name).config


CLASSES = {
    "bert": transformers.AutoModelForMaskedLM,
    "albert": transformers.AutoModelForMaskedLM,
    "t5": transformers.AutoModelForSeq2SeqLM,
}


@each_size
def test_transformers_builds_as_many_parameters(name: str) -> None:
    given = dict(PUBLISHED[name])
    kind, alone = given.pop("model_type"), given.get("tie_word_embeddings") is False and "d_kv" in given
    with torch.device("meta"):
        built = CLASSES.get(kind, transformers.AutoModelForCausalLM).from_config(transformers.AutoConfig.for_model(kind, **given))
    # T5 1.1's output is tied by transformers as it builds, and untied as it loads.
    unembed = given["vocab_size"] * given["d_model"] if alone else 0
    assert parameters(find(name).config) == sum(parameter.numel() for parameter in built.parameters()) + unembed


@pytest.mark.parametrize("kind", sorted({given["model_type"] for given in PUBLISHED.values()}))
def test_no_size_is_left_unchecked(kind: str) -> None:
    family = published_as(kind)
    assert family is not None
    assert set(family.sizes) == {name for name, given in PUBLISHED.items() if given["model_type"] == kind}


FIGURES = {
    "bert-base-uncased": 109_514_298,
    "bert-base-cased": 108_340_804,
    "bert-large-uncased": 335_174_458,
    "albert-base-v2": 11_221_680,
    "t5-small": 60_506_624,
    "t5-base": 222_903_552,
    "t5-large": 737_668_096,
    "t5-3b": 2_851_598_336,
    "t5-11b": 11_307_321_344,
    "t5-v1.1-base": 247_577_856,
    "llama3-8b": 8_030_261_248,
    "llama3-70b": 70_553_706_496,
    "llama3.1-405b": 405_853_388_800,
    "llama3.2-1b": 1_235_814_400,
    "llama3.2-3b": 3_212_749_824,
    "alpaca-7b": 6_738_423_808,
    "gptj-6b": 6_050_882_784,
    "opt-125m": 125_239_296,
    "opt-350m": 331_196_416,
    "opt-1.3b": 1_315_758_080,
    "opt-2.7b": 2_651_596_800,
    "opt-6.7b": 6_658_473_984,
    "opt-13b": 12_853_473_280,
    "opt-30b": 29_974_540_288,
    "opt-66b": 65_719_701_504,
    "bloom-560m": 559_214_592,
    "bloom-1b1": 1_065_314_304,
    "bloom-1b7": 1_722_408_960,
    "bloom-3b": 3_002_557_440,
    "bloom-7b1": 7_069_016_064,
    "bloom-176b": 176_247_271_424,
    "pythia-70m": 70_426_624,
    "pythia-160m": 162_322_944,
    "pythia-410m": 405_334_016,
    "pythia-1b": 1_011_781_632,
    "pythia-1.4b": 1_414_647_808,
    "pythia-2.8b": 2_775_208_960,
    "pythia-6.9b": 6_857_302_016,
    "pythia-12b": 11_846_072_320,
    "gpt-neox-20b": 20_554_567_680,
    "falcon-7b": 6_921_720_704,
    "falcon-40b": 41_303_293_952,
    "mistral-7b": 7_241_732_096,
    "gemma-2b": 2_506_172_416,
    "gemma-7b": 8_537_680_896,
    "qwen2-7b": 7_615_616_512,
    "qwen3-8b": 8_190_735_360,
}


@pytest.mark.parametrize(("name", "count"), FIGURES.items())
def test_sizes_have_exactly_the_published_parameters(name: str, count: int) -> None:
    assert parameters(find(name).config) == count


ROUNDED = {"transformer-base": (65e6, 0.04), "transformer-big": (213e6, 0.01), "lamda-137b": (137e9, 0.01)}


@pytest.mark.parametrize("name", ROUNDED)
def test_where_papers_round_so_do_we(name: str) -> None:
    figure, share = ROUNDED[name]
    assert parameters(find(name).config) == pytest.approx(figure, rel=share)


def test_berts_bare_encoder_is_what_others_count() -> None:
    """BertModel has a pooler and no masked-LM head: 109,482,240 for the uncased base."""
    config = find("bert-base-uncased").config
    width = config.width
    pooler, transform = width * width + width, width * width + width + 2 * width
    assert parameters(config) - transform - config.vocabulary + pooler == 109_482_240


MARIAN = {"model_type": "marian", "vocab_size": 58_101, "d_model": 512, "scale_embedding": True, "activation_function": "swish"} | {
    f"{stack}_{name}": value for stack in ("encoder", "decoder") for name, value in (("layers", 6), ("attention_heads", 8), ("ffn_dim", 2_048))
}

REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "angles of no length": (PUBLISHED["llama-7b"] | {"rope_theta": 0}, "rope_theta as a number above 0"),
    "a stretch by nothing": (PUBLISHED["llama-7b"] | {"rope_scaling": {"type": "linear", "factor": 0}}, "factor as a number above 0"),
    "a negative epsilon": (PUBLISHED["llama-7b"] | {"rms_norm_eps": -1e-6}, "rms_norm_eps as a number from 0 on"),
    "an endless epsilon": (PUBLISHED["bert-base-cased"] | {"layer_norm_eps": float("inf")}, "layer_norm_eps.*inf"),
    "rotary numbers beyond the head": (PUBLISHED["gptj-6b"] | {"rotary_dim": 512}, "above 0 and up to 1; got 2"),
    "norms without gains": (PUBLISHED["opt-125m"] | {"layer_norm_elementwise_affine": False}, "layer_norm_elementwise_affine.*False"),
    "residuals after the norm": (PUBLISHED["bloom-560m"] | {"apply_residual_connection_post_layernorm": True}, "post_layernorm.*True"),
    "a rotation stretched by yarn": (PUBLISHED["pythia-70m"] | {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "yarn.*default"),
    "Falcon with penalties": (PUBLISHED["falcon-7b"] | {"alibi": True}, "alibi.*True"),
    "Falcon's new layout in series": (PUBLISHED["falcon-40b"] | {"parallel_attn": False}, "parallel_attn.*False"),
    "Falcon with three norms": (PUBLISHED["falcon-40b"] | {"num_ln_in_parallel_attn": 3}, "num_ln_in_parallel_attn to 3"),
    "old Falcon with two norms": (PUBLISHED["falcon-7b"] | {"num_ln_in_parallel_attn": 2}, "num_ln_in_parallel_attn to 2"),
    "a window of words": (PUBLISHED["mistral-7b"] | {"sliding_window": "wide"}, "sliding_window.*'wide'"),
    "windows in some layers": (PUBLISHED["qwen2-7b"] | {"use_sliding_window": True, "max_window_layers": 3}, "full_attention and sliding_attention"),
    "layers of another kind": (PUBLISHED["qwen3-8b"] | {"layer_types": ["chunked_attention"]}, "chunked_attention"),
    "BERT that writes": (PUBLISHED["bert-base-cased"] | {"is_decoder": True}, "is_decoder.*True"),
    "BERT with relative positions": (PUBLISHED["bert-base-cased"] | {"position_embedding_type": "relative_key"}, "relative_key"),
    "ALBERT with two groups": (PUBLISHED["albert-base-v2"] | {"num_hidden_groups": 2}, "num_hidden_groups to 2"),
    "ALBERT's block within the block": (PUBLISHED["albert-base-v2"] | {"inner_group_num": 3}, "inner_group_num to 3"),
    "a gate nobody knows": (PUBLISHED["t5-small"] | {"feed_forward_proj": "gated-mish"}, "'mish'"),
    "a gate that is no name": (PUBLISHED["t5-small"] | {"feed_forward_proj": 3}, "activation 3"),
    "distances without buckets": (PUBLISHED["t5-small"] | {"relative_attention_num_buckets": 3}, "buckets=3"),
    "LLaMA stretched as it goes": (PUBLISHED["llama-7b"] | {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "dynamic.*default"),
    "a translator of two vocabularies": (MARIAN | {"share_encoder_decoder_embeddings": False}, "share_encoder_decoder_embeddings.*False"),
    "a translator of unequal heads": (MARIAN | {"decoder_attention_heads": 4}, "encoder_attention_heads to 8 and decoder_attention_heads to 4"),
    "a translator of unequal width": (MARIAN | {"encoder_ffn_dim": 9}, "encoder_ffn_dim to 9 and decoder_ffn_dim to 2048"),
    "Gemma that looks ahead": (PUBLISHED["gemma-2b"] | {"use_bidirectional_attention": True}, "use_bidirectional_attention.*True"),
}


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_computed_is_refused_by_name(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        read(given)


JUNK: tuple[Any, ...] = (None, [], {}, "x", -1, 0, 10**12, 1.5, float("inf"), True, False, [1], {"a": 1})
OPTIONAL = ("rope_scaling", "rope_parameters", "rope_theta", "hidden_act", "activation_function", "activation", "tie_word_embeddings", "head_dim")


@pytest.mark.parametrize("kind", sorted({given["model_type"] for given in PUBLISHED.values()} | {"marian"}))
def test_whatever_a_description_says_it_is_read_or_refused(kind: str) -> None:
    given = next(given for given in (*PUBLISHED.values(), MARIAN) if given["model_type"] == kind)
    for name in {*given, *OPTIONAL} - {"model_type"}:
        for junk in JUNK:
            with contextlib.suppress(Refusal):
                assert parameters(read(given | {name: junk})) > 0


def test_windows_are_read_where_every_layer_has_one() -> None:
    everywhere, windowed = (read(PUBLISHED["qwen2-7b"] | {"use_sliding_window": True, "max_window_layers": n}) for n in (28, 0))
    assert everywhere.attention.reach == Everywhere()
    assert windowed.attention.reach == Sliding(window=131_072)
