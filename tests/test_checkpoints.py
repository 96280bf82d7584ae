"""Checkpoints: published models load to the same arithmetic, our own come back as they were, damaged ones are refused."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.checkpoints import Loaded, load, memory, save
from model.checkpoints.files import fingerprint
from model.config import Attention, Config, Free, GatedMlp, Learned, PlainMlp, RMSNorm, Rotary
from model.errors import Refusal
from model.text.tokenizer import Tokenizer
from model.trace import Tracer
from model.transformer import Transformer

transformers = pytest.importorskip("transformers")
transformers.logging.set_verbosity_error()
transformers.logging.disable_progress_bar()

SMALL = Config(vocabulary=50, context=20, width=16, layers=2, attention=Attention(heads=4, kv_heads=2, size=4), mlp=PlainMlp(hidden=24))
OTHER = Config(vocabulary=40, positions=Learned(), norm=RMSNorm(), mlp=GatedMlp(bias=True), output=Free(bias=True), dropout=0.1)


# ---------------------------------------------------------------- published models


def gpt2(**settings: Any):
    plain: dict[str, Any] = {"vocab_size": 101, "n_positions": 33, "n_layer": 3, "bos_token_id": 0, "eos_token_id": 0}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**plain, **settings))


def llama(**settings: Any):
    plain: dict[str, Any] = {"vocab_size": 101, "max_position_embeddings": 40, "num_hidden_layers": 3, "intermediate_size": 50}
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**plain, **settings))


ROPE = {"rope_type": "default", "rope_theta": 500.0}
PEERS: dict[str, Callable[[], Any]] = {
    "gpt2, 5 heads": lambda: gpt2(n_embd=30, n_head=5),
    "gpt2, untied, narrow MLP, exact GELU": lambda: gpt2(n_embd=21, n_head=3, n_inner=40, tie_word_embeddings=False, activation_function="gelu"),
    "llama, 6 heads": lambda: llama(hidden_size=36, num_attention_heads=6),
    "llama, grouped": lambda: llama(hidden_size=36, num_attention_heads=6, num_key_value_heads=3, rope_parameters=ROPE),
    "llama, multi-query, tied": lambda: llama(hidden_size=30, num_attention_heads=5, num_key_value_heads=1, tie_word_embeddings=True),
    "llama, biased, free head size": lambda: llama(
        hidden_size=28, num_attention_heads=7, head_dim=6, attention_bias=True, mlp_bias=True, rms_norm_eps=1e-3
    ),
}
each_peer = pytest.mark.parametrize("make", PEERS.values(), ids=PEERS.keys())


def redrawn(peer: Any, seed: int = 1) -> Any:
    """The peer with every weight, norm and bias drawn anew, so that none of them is without effect."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in peer.parameters():
        parameter.data.normal_(0, 0.4, generator=generator)
    return peer.eval()


@torch.no_grad()
@each_peer
def test_logits_and_attention_maps_are_those_of_transformers(make: Callable[[], Any], tmp_path: Path) -> None:
    peer = redrawn(make())
    peer.save_pretrained(tmp_path)
    peer = peer.double()
    peer.set_attn_implementation("eager")
    ids = torch.randint(101, (1, 29), generator=torch.Generator().manual_seed(2))
    theirs = peer(ids, output_attentions=True)
    loaded = load(tmp_path)
    trace = Tracer(loaded.model.double()).trace(ids[0])
    assert (trace.logits - theirs.logits[0]).abs().max() < 1e-5
    for layer, pattern in enumerate(theirs.attentions):
        assert (trace.pattern(layer) - pattern[0]).abs().max() < 1e-5
    assert loaded.report.parameters == peer.num_parameters()
    assert loaded.card is None
    assert loaded.tokenizer is None


def test_shards_load_as_one(tmp_path: Path) -> None:
    peer = redrawn(llama(hidden_size=36, num_attention_heads=6))
    peer.save_pretrained(tmp_path / "one")
    peer.save_pretrained(tmp_path / "many", max_shard_size="20KB")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 2
    whole, sharded = (load(tmp_path / name).model.state_dict() for name in ("one", "many"))
    assert all(torch.equal(whole[name], sharded[name]) for name in whole)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_full(dtype: torch.dtype, tmp_path: Path) -> None:
    peer = redrawn(gpt2(n_embd=30, n_head=5)).to(dtype)
    peer.save_pretrained(tmp_path)
    model = load(tmp_path).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(model.embed.token.weight, peer.transformer.wte.weight.float())


def test_names_without_the_usual_prefix_and_tables_that_hold_nothing(tmp_path: Path) -> None:
    peer = redrawn(gpt2(n_embd=30, n_head=5))
    peer.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    bare = {name.removeprefix("transformer."): value for name, value in load_file(file).items()}
    save_file(bare | {"h.0.attn.bias": torch.ones(33, 33), "lm_head.weight": bare["wte.weight"].clone()}, file)
    report = load(tmp_path).report
    assert report.skipped == ("h.0.attn.bias",)
    assert report.tied == (("lm_head.weight", "wte.weight"),)
    assert set(report.loaded) == set(bare)


def test_an_output_that_differs_from_the_embedding_is_one_of_its_own(tmp_path: Path) -> None:
    redrawn(gpt2(n_embd=30, n_head=5)).save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    save_file(load_file(file) | {"lm_head.weight": torch.ones(101, 30)}, file)
    loaded = load(tmp_path)
    assert loaded.model.config.output == Free()
    assert loaded.report.tied == ()
    assert "lm_head.weight" in loaded.report.loaded
    assert torch.equal(loaded.model.get_parameter("head.unembed.weight"), torch.ones(101, 30))


def test_an_output_stored_alone_is_the_embedding_too(tmp_path: Path) -> None:
    peer = redrawn(gpt2(n_embd=30, n_head=5))
    peer.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    stored = load_file(file)
    save_file(stored | {"lm_head.weight": stored.pop("transformer.wte.weight")}, file)
    loaded = load(tmp_path)
    assert torch.equal(loaded.model.embed.token.weight, peer.transformer.wte.weight)
    assert loaded.report.tied == (("lm_head.weight", "wte.weight"),)


def test_rotary_positions_of_the_old_layout(tmp_path: Path) -> None:
    redrawn(llama(hidden_size=36, num_attention_heads=6)).save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    given = json.loads(file.read_text())
    file.write_text(json.dumps({**given, "rope_parameters": None, "rope_theta": 777.0}))
    assert load(tmp_path).model.config.positions == Rotary(base=777.0)


# ---------------------------------------------------------------- our own


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    save(tmp_path / "ours", Transformer(SMALL, seed=3), card={"ratio": 1.05})
    return tmp_path / "ours"


def card(loaded: Loaded) -> dict[str, Any]:
    assert loaded.card is not None
    return loaded.card


@pytest.mark.parametrize("config", [SMALL, OTHER], ids=["small", "other"])
def test_what_is_saved_comes_back_bit_for_bit(config: Config, tmp_path: Path) -> None:
    model = Transformer(config, seed=5)
    save(tmp_path / "ours", model, card={"seed": 5})
    loaded = load(tmp_path / "ours")
    assert loaded.model.config == config
    assert not loaded.model.training
    assert card(loaded)["seed"] == 5
    assert all(torch.equal(value, loaded.model.state_dict()[name]) for name, value in model.state_dict().items())


def test_a_loaded_model_can_learn(saved: Path) -> None:
    model = load(saved).model.train()
    model(torch.zeros(1, 4, dtype=torch.long)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_fp16_halves_the_file_and_is_rounded_only(tmp_path: Path) -> None:
    model = Transformer(SMALL, seed=3)
    full, half = (save(tmp_path / precision, model, precision=precision)["files"]["model.safetensors"]["bytes"] for precision in ("fp32", "fp16"))
    assert half < 0.6 * full
    back = load(tmp_path / "fp16").model.state_dict()
    assert all(torch.equal(value.half().float(), back[name]) for name, value in model.state_dict().items())


def test_the_tokenizer_travels_with_the_model(tmp_path: Path) -> None:
    tokenizer = Tokenizer.for_world()
    save(tmp_path / "ours", Transformer(Config(vocabulary=tokenizer.size, width=16)), tokenizer)
    back = load(tmp_path / "ours").tokenizer
    assert back is not None
    assert back.encode("O céu é azul").ids == tokenizer.encode("O céu é azul").ids


def test_a_tokenizer_with_more_pieces_than_the_model_is_refused(tmp_path: Path) -> None:
    tokenizer = Tokenizer.for_world()
    save(tmp_path / "ours", Transformer(SMALL), tokenizer)
    with pytest.raises(Refusal, match=f"{tokenizer.size} pieces.*vocabulary = 50"):
        load(tmp_path / "ours")


def test_saving_again_replaces_the_whole_folder(saved: Path) -> None:
    save(saved, Transformer(SMALL, seed=9), card={"ratio": 1.01})
    assert card(load(saved))["ratio"] == 1.01
    assert sorted(path.name for path in saved.parent.iterdir()) == ["ours"]


def test_a_save_that_fails_leaves_the_old_one(saved: Path) -> None:
    broken = Transformer(SMALL)
    broken.get_parameter("decoder.norm.weight").data[0] = float("nan")
    with pytest.raises(Refusal, match=r"decoder\.norm\.weight"):
        save(saved, broken)
    assert card(load(saved))["ratio"] == 1.05
    assert sorted(path.name for path in saved.parent.iterdir()) == ["ours"]


def test_numbers_beyond_fp16_are_refused_by_name(tmp_path: Path) -> None:
    model = Transformer(SMALL)
    model.get_parameter("decoder.blocks.1.mlp.up.weight").data[0, 0] = 1e6
    with pytest.raises(Refusal, match=r"blocks\.1\.mlp\.up\.weight.*1e\+06.*fp16"):
        save(tmp_path / "ours", model, precision="fp16")


def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(Refusal, match=r"thesis\.tex"):
        save(tmp_path, Transformer(SMALL))
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("place", [0, 100, 400, -1])
def test_any_changed_byte_is_noticed(saved: Path, name: str, place: int) -> None:
    content = bytearray((saved / name).read_bytes())
    content[place] ^= 1
    (saved / name).write_bytes(content)
    with pytest.raises(Refusal, match=name.replace(".", r"\.")):
        load(saved)


def test_a_changed_setting_is_noticed_by_its_checksum(saved: Path) -> None:
    file = saved / "config.json"
    file.write_text(file.read_text().replace('"dropout": 0.0', '"dropout": 0.5'))
    with pytest.raises(Refusal, match=r"config\.json.*sha256"):
        load(saved)


@pytest.mark.parametrize("cut", [0, 7, 100, -1])
def test_truncated_weights_are_refused(saved: Path, cut: int) -> None:
    file = saved / "model.safetensors"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(Refusal, match=r"model\.safetensors.*bytes"):
        load(saved)


@pytest.mark.parametrize("cut", [0, 7, 100, -1])
def test_truncated_published_weights_are_refused(tmp_path: Path, cut: int) -> None:
    gpt2(n_embd=30, n_head=5).save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(Refusal, match="no complete safetensors"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "card.json"])
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(Refusal, match=name.replace(".", r"\.")):
        load(saved)


Change = Callable[[dict[str, Any]], None]


def resealed(folder: Path, change: Change | None = None, weights: dict[str, torch.Tensor] | None = None) -> Path:
    """The folder with another configuration or other weights, its checksums put right again."""
    if change:
        config = json.loads((folder / "config.json").read_text())
        change(config)
        (folder / "config.json").write_text(json.dumps(config))
    if weights is not None:
        save_file(weights, folder / "model.safetensors")
    record = json.loads((folder / "card.json").read_text())
    record["files"] = {name: fingerprint(folder / name) for name in record["files"]}
    (folder / "card.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda c: c.update(vocabulary=60), r"embed\.token\.weight.*50 × 16.*vocabulary = 60, width = 16.*60 × 16"),
        (lambda c: c["attention"].update(kv_heads=4), r"attn\.qkv\.weight.*32 × 16.*attention\.kv_heads = 4.*48 × 16"),
        (lambda c: c["mlp"].update(hidden=32), r"mlp\.up\.weight.*24 × 16.*mlp\.hidden = 32.*32 × 16"),
        (lambda c: c.update(layers=3), r"decoder\.blocks\.2\.norm1\.weight is missing.*shape 16"),
        (lambda c: c.update(layers=1), r"decoder\.blocks\.1\..*no place"),
        (lambda c: c.update(output={"kind": "Free"}), r"head\.unembed\.weight is missing.*50 × 16"),
        (lambda c: c.update(layers=10**11), "100000000000 layers is deeper"),
        (lambda c: c.update(width=10**9), "memory"),
        (lambda c: c.update(context=10**12), "for texts of 1,000,000,000,000 tokens needs .* memory"),
        (lambda c: c.update(layers=10**400), "beyond"),
        (lambda c: c.update(layers=0), "layers.*1 or more.*0"),
        (lambda c: c.update(colour="red"), "colour"),
        (lambda c: c.update(dropout=float("nan")), "NaN is not a number"),
        (lambda c: c.update(model_type="mamba"), "'mamba'.*vitrine, .*gpt2, .*llama"),
        (lambda c: c.update(model_type=["gpt2"]), "model_type"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused_with_names_and_shapes(saved: Path, change: Change, names: str) -> None:
    with pytest.raises(Refusal, match=names):
        load(resealed(saved, change))


def test_published_pieces_are_refused_under_their_own_names(tmp_path: Path) -> None:
    llama(hidden_size=36, num_attention_heads=6, num_key_value_heads=3).save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(file.read_text().replace('"num_key_value_heads": 3', '"num_key_value_heads": 2'))
    with pytest.raises(Refusal, match=r"layers\.0\.self_attn\.k_proj\.weight.*18 × 36.*kv_heads = 2.*12 × 36"):
        load(tmp_path)


@pytest.mark.parametrize(("value", "names"), [(float("inf"), "finite"), (torch.iinfo(torch.int64).max, "I64")])
def test_weights_that_are_no_plain_numbers_are_refused(saved: Path, value: float, names: str) -> None:
    weights = load_file(saved / "model.safetensors")
    weights["decoder.norm.bias"] = torch.full((16,), value)
    with pytest.raises(Refusal, match=rf"decoder\.norm\.bias.*{names}"):
        load(resealed(saved, weights=weights))


class Trap:
    """What a pickle could do when it is opened."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Path]]:
        return Path.touch, (Path("sprung"),)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_nothing_is_unpickled(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gpt2(n_embd=30, n_head=5).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(Refusal, match="safetensors"):
        load(tmp_path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": NaN}', "[" * 100_000, '{"vocabulary": "many"}', "\udcff"])
def test_a_description_that_is_none_is_refused(saved: Path, content: str) -> None:
    (saved / "config.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(Refusal, match=r"config\.json|vocabulary"):
        load(saved)


def test_an_index_that_points_elsewhere_is_refused(tmp_path: Path) -> None:
    gpt2(n_embd=30, n_head=5).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "away.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"wte.weight": "../away.safetensors"}}))
    with pytest.raises(Refusal, match=r"outside.*\.\./away"):
        load(tmp_path)


def test_more_than_the_free_memory_is_refused_before_reading(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 1_000)
    with pytest.raises(Refusal, match=r"needs 1 MB .* 0 MB are free"):
        load(saved)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max", 8_000 * 1_024), ("5000000", 5_000_000 - 3_000_000 + 1_000_000), ("1000", 0), ("99000000000", 8_000 * 1_024)],
)
def test_free_memory_is_the_machines_or_the_containers_if_less(limit: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 16000 kB\nMemAvailable: 8000 kB\n")
    for name, content in {"memory.max": limit, "memory.current": "3000000", "memory.stat": "anon 7\ninactive_file 1000000\n"}.items():
        (tmp_path / name).write_text(content + "\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "GROUP", tmp_path)
    assert memory.free_memory() == expected


def test_where_memory_is_not_told_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "nowhere")
    monkeypatch.setattr(memory, "GROUP", tmp_path / "nowhere")
    assert memory.free_memory() is None
    memory.require_memory(10**18, "anything")


def test_no_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no folder"):
        load(tmp_path / "nowhere")
