"""Encoders, and encoders with decoders, compute here what they compute in `transformers`: every logit, attention map and hidden
state, what the decoder sees of the source among them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from model.config import EncoderDecoder
from model.trace import Tracer
from model.verbs import check
from tests.families.peers import CLOSE, LENGTH, VOCABULARY, Pair, far, filled, ids_of, paired

transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

torch.set_num_threads(1)

SOURCE = 17
SPECIAL = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": None, "decoder_start_token_id": 0, "forced_eos_token_id": None}
SIDES = {"encoder_layers": 3, "decoder_layers": 2, "max_position_embeddings": 40}
MARIAN = SPECIAL | SIDES | {"model_type": "marian", "vocab_size": VOCABULARY, "decoder_vocab_size": VOCABULARY}
T5 = SPECIAL | {"model_type": "t5", "vocab_size": VOCABULARY, "num_layers": 3, "num_decoder_layers": 2}
BLANKS = {"vocab_size": VOCABULARY, "max_position_embeddings": 40, "num_hidden_layers": 3, "intermediate_size": 50}
BERT, ALBERT = (BLANKS | {"model_type": kind} for kind in ("bert", "albert"))


def marian(width: int, heads: int, hidden: int, **settings: Any) -> dict[str, Any]:
    equal = {f"{stack}_{name}": n for stack in ("encoder", "decoder") for name, n in (("attention_heads", heads), ("ffn_dim", hidden))}
    return MARIAN | {"d_model": width} | equal | settings


def t5(width: int, heads: int, size: int, **settings: Any) -> dict[str, Any]:
    return T5 | {"d_model": width, "num_heads": heads, "d_kv": size, "d_ff": 50} | settings


def sized(width: int, heads: int, **settings: Any) -> dict[str, Any]:
    return {"hidden_size": width, "num_attention_heads": heads} | settings


BOTH: dict[str, dict[str, Any]] = {
    "original, scaled embedding": marian(30, 5, 50, scale_embedding=True, activation_function="relu"),
    "original, swish": marian(42, 3, 40, activation_function="swish"),
    "original, untied": marian(30, 3, 40) | {"apart": True},
    "t5": t5(35, 5, 6, relative_attention_num_buckets=8, relative_attention_max_distance=20),
    "t5, wide heads, small epsilon": t5(24, 3, 14, layer_norm_epsilon=1e-3),
    "t5 1.1": t5(35, 7, 6, feed_forward_proj="gated-gelu", tie_word_embeddings=False) | {"apart": True},
    "t5, gated SiLU": t5(36, 6, 5, feed_forward_proj="gated-silu"),
}
ALONE: dict[str, dict[str, Any]] = {
    "bert": BERT | sized(35, 5),
    "bert, three segments, ReLU, large epsilon": BERT | sized(36, 6, type_vocab_size=3, hidden_act="relu", layer_norm_eps=1e-2),
    "bert, untied": BERT | sized(21, 3, tie_word_embeddings=False),
    "albert": ALBERT | sized(36, 6, embedding_size=10),
    "albert, exact GELU, as wide": ALBERT | sized(21, 3, embedding_size=21, hidden_act="gelu"),
    "albert, untied": ALBERT | sized(35, 5, embedding_size=12, tie_word_embeddings=False),
}


def built(given: dict[str, Any]) -> Any:
    """The peer a description asks for, its output set `apart` from the embedding, which they tie as they build and untie as they load."""
    given = dict(given)
    apart = given.pop("apart", False)
    config = transformers.AutoConfig.for_model(given.pop("model_type"), **given)
    kind = transformers.AutoModelForSeq2SeqLM if config.is_encoder_decoder else transformers.AutoModelForMaskedLM
    peer = kind.from_config(config, attn_implementation="eager")
    if apart:
        peer.lm_head.weight = nn.Parameter(torch.empty_like(peer.lm_head.weight))
    return peer


@pytest.fixture(scope="module", params=BOTH.values(), ids=list(BOTH))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return paired(built(request.param), tmp_path_factory.mktemp("peer"))


@pytest.fixture(scope="module", params=ALONE.values(), ids=list(ALONE))
def alone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return paired(built(request.param), tmp_path_factory.mktemp("peer"))


@pytest.fixture(params=[*BOTH, *ALONE])
def any_pair(request: pytest.FixtureRequest, tmp_path: Path) -> Pair:
    return paired(built((BOTH | ALONE)[request.param]), tmp_path)


def test_every_stored_array_has_its_place(any_pair: Pair) -> None:
    report = any_pair.report
    assert {*report.loaded, *report.skipped} == set(load_file(any_pair.folder / "model.safetensors"))
    assert set(report.skipped) <= {"cls.predictions.bias", "predictions.bias"}
    assert report.missing == ()


def test_the_check_a_person_runs_agrees_on_shards_of_bf16(any_pair: Pair, tmp_path: Path) -> None:
    kind = type(any_pair.theirs)
    folder = tmp_path / "halved"
    kind.from_pretrained(any_pair.folder, dtype=torch.bfloat16).save_pretrained(folder, max_shard_size="10KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    for place, stored in ((any_pair.folder, "F32"), (folder, "BF16")):
        result = check.run(Namespace(checkpoint=place))
        assert result["stored"] == [stored]
        assert result["max_difference"] < CLOSE


# ---------------------------------------------------------------- an encoder alone


@torch.no_grad()
def test_an_encoders_logits_maps_and_hidden_states_are_theirs(alone: Pair) -> None:
    ids = ids_of(1, LENGTH)
    theirs = alone.theirs(ids, output_attentions=True, output_hidden_states=True)
    trace = Tracer(alone.ours).trace(ids[0], keep=("*",))
    layers = alone.ours.config.layers
    assert far(trace.logits, theirs.logits[0]) < CLOSE
    for layer in range(layers):
        assert far(trace.pattern(layer), theirs.attentions[layer][0]) < CLOSE
        assert far(trace[f"encoder.blocks.{layer}.before"], theirs.hidden_states[layer][0]) < CLOSE
    assert far(trace[f"encoder.blocks.{layers - 1}.after"], theirs.hidden_states[layers][0]) < CLOSE


@torch.no_grad()
def test_segments_are_theirs(alone: Pair) -> None:
    ids, segments = ids_of(2, LENGTH), ids_of(2, LENGTH, seed=3) % alone.ours.config.embedding.segments
    assert segments.max() > 0
    assert far(alone.ours(ids, segments=segments), alone.theirs(ids, token_type_ids=segments).logits) < CLOSE


@pytest.mark.usefixtures("narrow_masks")
@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_padding_changes_nothing_for_what_an_encoder_reads(alone: Pair, side: str) -> None:
    ids, real = ids_of(3, 23), torch.stack([filled(length, 23, side) for length in (23, 16, 3)])
    theirs = alone.theirs(ids, attention_mask=real.long(), output_attentions=True)
    seen: dict[str, Tensor] = {}
    ours = alone.ours(ids, mask=real[:, None].expand(-1, 23, -1), tap=lambda name, value: seen.setdefault(name, value))
    assert far(ours[real], theirs.logits[real]) < CLOSE
    for layer, pattern in enumerate(theirs.attentions):
        assert far(looked(seen, f"encoder.blocks.{layer}.attn", real), pattern.transpose(1, 2)[real]) < CLOSE


def looked(seen: dict[str, Tensor], branch: str, real: Tensor) -> Tensor:
    """A map's rows of real tokens: (tokens, heads, S)."""
    return seen[f"{branch}.pattern"].transpose(1, 2)[real]


# ---------------------------------------------------------------- an encoder and a decoder


@torch.no_grad()
def test_both_stacks_maps_and_hidden_states_are_theirs(both: Pair) -> None:
    ids, source = ids_of(1, LENGTH), ids_of(1, SOURCE, seed=3)
    theirs = both.theirs(input_ids=source, decoder_input_ids=ids, output_attentions=True, output_hidden_states=True)
    trace = Tracer(both.ours).trace(ids[0], source=source[0], keep=("*",))
    assert far(trace.logits, theirs.logits[0]) < CLOSE
    for stack, layers in both.ours.config.depths.items():
        maps, hidden = getattr(theirs, f"{stack}_attentions"), getattr(theirs, f"{stack}_hidden_states")
        for layer in range(layers):
            assert far(trace.pattern(layer, "attn", stack), maps[layer][0]) < CLOSE
            assert far(trace[f"{stack}.blocks.{layer}.before"], hidden[layer][0]) < CLOSE
        final = f"{stack}.norm" if both.ours.config.final_norm else f"{stack}.blocks.{layers - 1}.after"
        assert far(trace[final], hidden[layers][0]) < CLOSE
    for layer, pattern in enumerate(theirs.cross_attentions):
        assert far(trace.pattern(layer, "cross"), pattern[0]) < CLOSE


@torch.no_grad()
def test_translation_from_a_cache_takes_their_steps(both: Pair) -> None:
    source, read, past, cache = ids_of(2, SOURCE, seed=3), ids_of(2, 3), both.ours.past(batch=2), None
    memory = both.ours.encode(source)
    encoded = both.theirs.get_encoder()(source)
    for _ in range(12):
        theirs = both.theirs(encoder_outputs=encoded, decoder_input_ids=read, past_key_values=cache, use_cache=True)
        logits, cache = both.ours(read, memory=memory, past=past), theirs.past_key_values
        assert far(logits, theirs.logits) < CLOSE
        read = logits[:, -1:].argmax(-1)


@pytest.mark.usefixtures("narrow_masks")
@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_padding_changes_nothing_on_either_side(both: Pair, side: str) -> None:
    ids, source = ids_of(3, 23), ids_of(3, SOURCE, seed=3)
    told, heard = (torch.stack([filled(n, width, side) for n in lengths]) for width, lengths in ((23, (23, 16, 3)), (SOURCE, (5, SOURCE, 2))))
    theirs = both.theirs(
        input_ids=source, attention_mask=heard.long(), decoder_input_ids=ids, decoder_attention_mask=told.long(), output_attentions=True
    )
    seen: dict[str, Tensor] = {}
    tap = lambda name, value: seen.setdefault(name, value)  # noqa: E731
    memory = both.ours.encode(source, mask=heard[:, None].expand(-1, SOURCE, -1), across=heard[:, None].expand(-1, 23, -1), tap=tap)
    ours = both.ours(ids, memory=memory, mask=torch.ones(23, 23, dtype=torch.bool).tril() & told[:, None], tap=tap)
    assert far(ours[told], theirs.logits[told]) < CLOSE
    for layer, pattern in enumerate(theirs.encoder_attentions):
        assert far(looked(seen, f"encoder.blocks.{layer}.attn", heard), pattern.transpose(1, 2)[heard]) < CLOSE
    for layer, (within, across) in enumerate(zip(theirs.decoder_attentions, theirs.cross_attentions, strict=True)):
        assert far(looked(seen, f"decoder.blocks.{layer}.attn", told), within.transpose(1, 2)[told]) < CLOSE
        assert far(looked(seen, f"decoder.blocks.{layer}.cross", told), across.transpose(1, 2)[told]) < CLOSE


def test_a_translators_depths_are_its_own(both: Pair) -> None:
    assert both.ours.config.form == EncoderDecoder(encoder_layers=3)
    assert both.ours.config.layers == 2
