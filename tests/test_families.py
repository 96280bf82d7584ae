"""Families are data: the published sizes, counted without building them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from model.config import Config, Rotary
from model.cost import parameters, weights
from model.errors import Refusal
from model.families import FAMILIES, Published, find, published_as
from model.families.gpt2 import published_config as gpt2_config
from model.families.llama import published_config as llama_config
from model.families.vitrine import FAMILY as OURS
from model.training.objective import tokenizer
from model.training.session import preset, presets

PUBLISHED = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "llama-7b": 6_738_415_616,
    "llama-13b": 13_015_864_320,
    "llama-33b": 32_528_943_616,
    "llama-65b": 65_285_660_672,
    "llama2-7b": 6_738_415_616,
    "llama2-13b": 13_015_864_320,
    "llama2-70b": 68_976_648_192,
}
TABLE_D1 = {
    "gpt3-small": 125e6,
    "gpt3-medium": 356e6,
    "gpt3-large": 760e6,
    "gpt3-xl": 1_320e6,
    "gpt3-2.7b": 2_650e6,
    "gpt3-6.7b": 6_660e6,
    "gpt3-13b": 12_850e6,
    "gpt3-175b": 174_600e6,
}


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_sizes_have_exactly_the_published_parameters(name: str, count: int) -> None:
    assert parameters(find(name).config) == count


@pytest.mark.parametrize(("name", "count"), TABLE_D1.items())
def test_gpt3_has_the_parameters_of_the_papers_table(name: str, count: float) -> None:
    assert parameters(find(name).config) == pytest.approx(count, rel=0.01)


def test_names_are_unique_and_found_in_any_case() -> None:
    names = [name for family in FAMILIES for name in family.sizes]
    assert len(names) == len(set(names))
    assert find("GPT2-XL") == find("gpt2-xl")


def test_an_unknown_size_is_refused_with_those_there_are() -> None:
    with pytest.raises(Refusal, match=r"gpt5.*gpt2-xl"):
        find("gpt5")


@pytest.mark.parametrize("family", [family for family in FAMILIES if family.published], ids=lambda family: family.name)
def test_every_weight_of_every_size_has_a_published_name(family) -> None:
    published: Published = family.published
    assert published_as(published.model_type) is family
    for size in family.sizes.values():
        assert {re.sub(r"\.\d+\.", ".{}.", weight.name) for weight in weights(size.config)} <= published.names.keys()


def trained(name: str) -> Config:
    """What a preset trains, as large as its tokenizer makes it."""
    made = preset(name)
    return replace(made.config, vocabulary=tokenizer(made.task).size)


@pytest.mark.parametrize("name", OURS.sizes)
def test_our_own_sizes_are_what_the_presets_of_their_names_train(name: str) -> None:
    assert find(name).config == trained(name.removeprefix("vitrine-"))


@pytest.mark.parametrize("name", presets())
def test_every_preset_trains_one_of_our_own_sizes(name: str) -> None:
    """Some train one of them in another way: towards another objective, for longer, or on shorter texts."""
    made = trained(name)
    assert made in [replace(size.config, context=made.context) for size in OURS.sizes.values()]


GPT2 = {"vocab_size": 50_257, "n_positions": 1_024, "n_embd": 768, "n_layer": 12, "n_head": 12}
LLAMA = {
    "vocab_size": 32_000,
    "hidden_size": 4_096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "max_position_embeddings": 2_048,
}


def test_a_published_description_reads_as_the_size_listed() -> None:
    assert gpt2_config(GPT2) == find("gpt2").config
    assert llama_config(LLAMA) == find("llama-7b").config


def test_rotation_is_read_where_either_version_of_transformers_writes_it() -> None:
    old = llama_config(LLAMA | {"rope_theta": 5e5, "rope_scaling": None})
    new = llama_config(LLAMA | {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}})
    assert old == new
    assert old.positions == Rotary(base=5e5)


@pytest.mark.parametrize(
    ("read", "given", "names"),
    [
        (gpt2_config, {**GPT2, "n_embd": "768"}, "n_embd.*'768'"),
        (gpt2_config, {key: value for key, value in GPT2.items() if key != "n_head"}, "n_head.*None"),
        (gpt2_config, {**GPT2, "scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx.*True"),
        (gpt2_config, {**GPT2, "activation_function": "mish"}, "mish.*gelu_new"),
        (gpt2_config, {**GPT2, "n_head": 0}, "attention.heads.*0"),
        (llama_config, {**LLAMA, "num_key_value_heads": 5}, "32 query heads.*5"),
        (llama_config, {**LLAMA, "rope_scaling": {"rope_type": "yarn", "factor": 8.0}}, "yarn"),
        (llama_config, {**LLAMA, "rope_parameters": [1]}, "rope_parameters"),
        (llama_config, {**LLAMA, "tie_word_embeddings": "no"}, "tie_word_embeddings.*'no'"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(read, given, names: str) -> None:
    with pytest.raises(Refusal, match=names):
        read(given)


def test_a_template_puts_its_markers_before_what_they_name() -> None:
    template = next(family.template for family in FAMILIES if family.template)
    assert template is not None
    assert template("Name a colour.") == "### Instruction:\nName a colour.\n\n### Response:\n"
    assert template("Translate.", "céu").split("\n\n")[1] == "### Input:\ncéu"


def test_only_unpublished_families_lack_weights() -> None:
    assert {family.name for family in FAMILIES if not family.released} == {"gpt3", "lamda"}
