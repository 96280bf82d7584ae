"""Every family's checkpoints at the border: old spellings are read, and what is damaged is refused in one sentence."""

from __future__ import annotations

import json
import pickle
from argparse import Namespace
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.checkpoints import load, memory
from model.config import Encoder, Free
from model.errors import Refusal
from model.families import FAMILIES
from model.verbs import check, sites, trace
from tests.families.peers import redraw
from tests.families.test_parity_decoders import CASES
from tests.families.test_parity_stacks import ALONE, BOTH, built

transformers = pytest.importorskip("transformers")

DESCRIBED = BOTH | ALONE | CASES
FIRST: dict[str, str] = {}
for name, described in DESCRIBED.items():
    FIRST.setdefault(described["model_type"], name)


def made(given: dict[str, Any]) -> Any:
    if given in CASES.values():
        rest = {name: value for name, value in given.items() if name != "model_type"}
        return transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(given["model_type"], **rest))
    return built(given)


@cache
def files(name: str) -> dict[str, bytes]:
    """What the described peer, redrawn, is saved as: the bytes of each file by its name."""
    peer = made(DESCRIBED[name])
    redraw(peer, torch.Generator().manual_seed(1))
    with TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def kept(name: str, folder: Path) -> Path:
    """A folder of its own with those files, to damage."""
    folder.mkdir(exist_ok=True)
    for file, content in files(name).items():
        (folder / file).write_bytes(content)
    return folder


@pytest.fixture(params=FIRST.values(), ids=list(FIRST))
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return kept(request.param, tmp_path / "theirs")


def arrays(folder: Path, change: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> Path:
    """The folder with its arrays changed."""
    file = folder / "model.safetensors"
    save_file(change(load_file(file)), file)
    return folder


def setting(folder: Path, **values: Any) -> Path:
    """The folder with settings of its `config.json` changed."""
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))
    return folder


def refusal(folder: Path) -> str:
    """The one sentence a person reads."""
    with pytest.raises(Refusal) as refused:
        check.run(Namespace(checkpoint=folder))
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_every_published_family_is_here() -> None:
    assert set(FIRST) == {family.published.model_type for family in FAMILIES if family.published}


def test_its_sites_are_those_a_trace_keeps(folder: Path, tmp_path: Path) -> None:
    listed = {site["name"] for site in sites.run(Namespace(checkpoint=folder))}
    source = "5 9 3 2" if "encoder.blocks.0.before" in listed and "decoder.blocks.0.before" in listed else None
    given = {"text": None, "ids": "7 1 4", "source": None, "source_ids": source, "site": None, "mask": None}
    told = trace.run(Namespace(checkpoint=folder, out=tmp_path / "all.npz", **given))
    assert set(told["sites"]) == listed
    kept = np.load(tmp_path / "all.npz")
    assert set(kept) == {*listed, "ids"} | ({"source"} if source else set())


# ---------------------------------------------------------------- damaged


@pytest.mark.parametrize("cut", [0, 7, 100, -1])
def test_a_truncated_one_is_refused(cut: int, folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:cut])
    assert "no complete safetensors" in refusal(folder)


def test_a_renamed_array_is_missed_by_its_name(folder: Path) -> None:
    names = load(folder).report.loaded
    for name in (names[0], names[len(names) // 2]):
        renamed = arrays(folder, lambda stored, name=name: {other + ("x" if other == name else ""): value for other, value in stored.items()})
        assert name.split(".")[-2] in refusal(renamed)
        arrays(folder, lambda stored, name=name: {name if other == name + "x" else other: value for other, value in stored.items()})


def test_an_array_too_many_is_refused_by_its_name(folder: Path) -> None:
    arrays(folder, lambda stored: stored | {"lora.weight": torch.zeros(3, 5)})
    assert "lora.weight of shape 3 × 5" in refusal(folder)


def test_a_wrong_shape_names_both_shapes_and_the_setting(folder: Path) -> None:
    parts = ("mlp", "fc", "ffn", "wi", "intermediate")
    name = next(name for name in load(folder).report.loaded if any(part in name for part in parts))
    arrays(folder, lambda stored: {other: value[..., :-1].contiguous() if other == name else value for other, value in stored.items()})
    told = refusal(folder)
    assert name in told
    assert "mlp.hidden = " in told
    assert " has shape " in told
    assert " ask for " in told


def test_only_a_pickle_is_refused_unopened(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model.bin")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": 1}))
    assert "no .safetensors file, the only format that is read" in refusal(folder)


def test_an_absurdly_large_one_is_refused_with_both_figures(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 10**9)
    told = refusal(setting(folder, vocab_size=10**11))
    assert "MB of memory and 1000 MB are free" in told


def test_a_text_whose_angles_alone_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    for name, kept_at in (("original, swish", tmp_path / "sines"), ("llama, 6 heads", tmp_path / "turns")):
        told = refusal(setting(kept(name, kept_at), max_position_embeddings=10**11))
        assert "for texts of 100,000,000,000 tokens needs" in told


def test_layers_without_end_are_refused_though_they_share_their_weights(tmp_path: Path) -> None:
    assert "1000000000 layers is deeper than the 10000" in refusal(setting(kept("albert", tmp_path), num_hidden_layers=10**9))


def test_a_description_with_nothing_in_it_is_refused_by_the_first_setting_missed(folder: Path) -> None:
    kind = json.loads((folder / "config.json").read_text())["model_type"]
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    assert "config.json needs " in refusal(folder)


# ---------------------------------------------------------------- spelled otherwise


def test_berts_first_spelling_and_its_other_heads_are_read(tmp_path: Path) -> None:
    folder = kept("bert", tmp_path)
    whole = load(folder).model.state_dict()
    old = (("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"))

    def changed(stored: dict[str, Tensor]) -> dict[str, Tensor]:
        for new, first in old:
            stored = {name.replace(new, first): value for name, value in stored.items()}
        heads = {"bert.pooler.dense.weight": torch.ones(35, 35), "cls.seq_relationship.bias": torch.ones(2)}
        table = {"bert.embeddings.position_ids": torch.arange(40)[None]}
        return stored | heads | table | {"cls.predictions.decoder.bias": stored["cls.predictions.bias"].clone()}

    loaded = load(arrays(folder, changed))
    assert all(torch.equal(value, loaded.model.state_dict()[name]) for name, value in whole.items())
    assert set(loaded.report.skipped) == {
        "bert.pooler.dense.weight",
        "cls.seq_relationship.bias",
        "bert.embeddings.position_ids",
        "cls.predictions.bias",
    }


def test_a_translator_without_a_bias_has_none_and_the_report_says_so(tmp_path: Path) -> None:
    folder = arrays(kept("original, swish", tmp_path), lambda stored: {k: v for k, v in stored.items() if k != "final_logits_bias"})
    loaded = load(folder)
    assert loaded.report.missing == ("head.bias",)
    assert not loaded.model.get_parameter("head.bias").any()
    assert check.run(Namespace(checkpoint=folder))["missing"] == ["head.bias"]


COPIES = {"original, swish": "model.shared.weight", "t5": "shared.weight"}


@pytest.mark.parametrize(("name", "original"), COPIES.items())
def test_copies_of_the_embedding_are_told_as_tied(name: str, original: str, tmp_path: Path) -> None:
    prefix = original.removesuffix("shared.weight")
    copies = [f"{prefix}{stack}.embed_tokens.weight" for stack in ("encoder", "decoder")]
    folder = arrays(kept(name, tmp_path), lambda stored: stored | {copy: stored[original].clone() for copy in copies})
    report = load(folder).report
    assert report.tied == (("lm_head.weight", original), *((copy, original) for copy in copies))
    assert report.skipped == ()


@pytest.mark.parametrize(("name", "original"), COPIES.items())
def test_embeddings_that_differ_are_refused(name: str, original: str, tmp_path: Path) -> None:
    copy = original.replace("shared", "encoder.embed_tokens")
    folder = arrays(kept(name, tmp_path), lambda stored: stored | {copy: stored[original] + 1})
    assert "encoder.embed_tokens.weight repeats shared.weight, but their numbers differ" in refusal(folder)


def test_a_t5_that_shrinks_what_its_output_reads_cannot_have_one_of_its_own(tmp_path: Path) -> None:
    folder = arrays(kept("t5", tmp_path), lambda stored: stored | {"lm_head.weight": stored["shared.weight"] + 1})
    assert "lm_head.weight repeats shared.weight" in refusal(folder)


def test_the_first_t5_files_keep_a_table_that_nothing_reads(tmp_path: Path) -> None:
    name = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"
    folder = arrays(kept("t5", tmp_path), lambda stored: stored | {name: torch.ones(8, 5)})
    assert load(folder).report.skipped == (name,)


def test_t5_1_1_is_read_as_it_was_first_described(tmp_path: Path) -> None:
    folder = kept("t5 1.1", tmp_path)
    now = load(folder).model
    first = load(setting(folder, tie_word_embeddings=False, scale_decoder_outputs=None)).model
    assert now.config == first.config
    assert now.config.output == Free()


# ---------------------------------------------------------------- its tokenizer


def test_a_published_tokenizer_comes_along(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "sky", "##s"]
    library = tokenizers.Tokenizer(tokenizers.models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    library.pre_tokenizer, library.decoder = tokenizers.pre_tokenizers.BertPreTokenizer(), tokenizers.decoders.WordPiece()
    library.add_special_tokens(words[:5])
    folder = kept("bert", tmp_path)
    library.save(str(folder / "tokenizer.json"))
    loaded = load(folder)
    assert loaded.model.config.form == Encoder()
    assert loaded.tokenizer is not None
    assert loaded.tokenizer.blank == 4
    assert loaded.tokenizer.encode("the skys [MASK]").pieces == (" the", " sky", "s", "[MASK]")
