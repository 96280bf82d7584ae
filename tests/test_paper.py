"""Size on paper: published figures computed again, laws that hold for every size, and what the machine really takes."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from components import spelling
from model.analysis.speed import measure
from model.config import Config, Encoder, EncoderDecoder, Learned
from model.cost import activation_bytes, bytes_by_precision, cache_bytes, forward_flops, parameters
from model.cost.draft import Draft
from model.cost.hardware import ACCELERATORS, Hardware, Listed, Own
from model.cost.memory import Kept
from model.cost.paper import (
    DAY,
    POWERS,
    Assumptions,
    Given,
    PerParameter,
    Power,
    Serving,
    Training,
    best_size,
    energy,
    pace,
    six_n_d,
    to_serve,
    to_train,
    training,
)
from model.cost.published import CLAIMS, GPT4, Claim
from model.cost.scale import SYNAPSES, Scale, pictured
from model.errors import Refusal
from model.families import FAMILIES, find
from model.space import Choice, Interval, Parts, settings
from model.transformer import Transformer

A100 = ACCELERATORS["a100"]
LLAMA = find("llama2-70b").config
EVERY = {name: size.config for family in FAMILIES for name, size in family.sizes.items()}
each_size = pytest.mark.parametrize("config", EVERY.values(), ids=EVERY.keys())


# ---------------------------------------------------------------- published figures


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_published_figure_is_computed_within_its_tolerance(claim: Claim) -> None:
    assert claim.tolerance <= 0.05
    assert claim.reckon(find(claim.size).config) == pytest.approx(claim.published, rel=claim.tolerance)


def test_llama_65b_took_three_weeks_on_2048_a100() -> None:
    run = training(find("llama-65b").config, Training(tokens=Given(billions=1_400), count=2_048, mfu=0.5), A100)
    assert run.seconds / DAY == pytest.approx(21, rel=0.03)  # Touvron et al. 2023, section 2.4


def test_seventy_billion_parameters_are_140_gb_in_sixteen_bits() -> None:
    load = to_serve(LLAMA, Serving())
    assert load.bytes["weights"] == pytest.approx(140e9, rel=0.02)
    assert load.machines(Hardware()) == 2
    assert to_serve(LLAMA, Serving(weights="int4")).machines(Hardware()) == 1
    assert to_serve(LLAMA, Serving(weights="fp32")).machines(Hardware()) == 4
    assert to_serve(LLAMA, Serving(context=POWERS[15], batch=64)).machines(Hardware()) > 8


def test_compute_is_spent_best_on_twenty_tokens_for_each_parameter() -> None:
    run = training(LLAMA, Training(tokens=PerParameter(ratio=20)), A100)
    assert best_size(run.rule) == pytest.approx(parameters(LLAMA))
    assert best_size(5.76e23) == pytest.approx(67e9, rel=0.05)  # Gopher's compute: Hoffmann et al. 2022, table 3


def test_the_unpublished_size_is_among_no_sizes_and_in_no_claim() -> None:
    assert not any("gpt-4" in name or "gpt4" in name for name in (*EVERY, *(claim.size for claim in CLAIMS)))
    assert GPT4.source
    assert GPT4.silence


# ---------------------------------------------------------------- laws


@each_size
def test_every_size_can_be_weighed(config: Config) -> None:
    assumed = Assumptions()
    for load in (to_serve(config, assumed.serving), to_train(config, assumed.training)):
        assert load.total == sum(load.bytes.values()) > 0
        machines = load.machines(assumed.hardware)
        assert (machines - 1) * assumed.hardware.room < load.total <= machines * assumed.hardware.room
    run = training(config, assumed.training, A100)
    assert 0 < run.seconds == pytest.approx(run.accelerator_seconds / assumed.training.count)
    assert run.rule == pytest.approx(six_n_d(config, run.tokens))


@pytest.mark.parametrize("name", ["gpt3-175b", "llama2-70b", "bloom-176b", "falcon-40b"])
def test_six_per_parameter_and_token_is_near_the_count_for_large_decoders(name: str) -> None:
    run = training(find(name).config, Training(), A100)
    assert 1 < run.flops / run.rule < 1.12


def test_training_texts_are_no_longer_than_asked_nor_than_the_context() -> None:
    config = find("llama3.1-8b").config
    short, long, longest = (training(config, Training(length=POWERS[n]), A100).flops for n in (11, 14, 20))
    assert short < long < longest == training(dataclasses.replace(config), Training(length=config.context), A100).flops


def test_each_token_goes_through_one_stack_of_two() -> None:
    run = training(Config(form=EncoderDecoder(encoder_layers=8), layers=8, width=256), Training(), A100)
    assert 0.4 < run.flops / run.rule < 0.8


@pytest.mark.parametrize("precision", ["mixed", "fp32"])
def test_adamw_trains_with_sixteen_bytes_for_each_parameter(precision: Literal["mixed", "fp32"]) -> None:
    load = to_train(LLAMA, Training(precision=precision))
    assert load.total - load.bytes["activations"] == 16 * parameters(LLAMA)


def test_grouped_heads_and_windows_shrink_the_cache() -> None:
    many = Draft.of(LLAMA)
    many = dataclasses.replace(many, kv_heads=many.heads).on(LLAMA)
    assert cache_bytes(many, 4_096) == 8 * cache_bytes(LLAMA, 4_096)
    mistral = find("mistral-7b").config
    assert cache_bytes(mistral, 8_192) == cache_bytes(mistral, 4_096) == 4_096 * cache_bytes(mistral, 1)


@each_size
def test_the_cache_never_shrinks_as_texts_grow(config: Config) -> None:
    sizes = [cache_bytes(config, context, 3, "bf16") for context in POWERS[:18]]
    assert all(small <= large for small, large in pairwise(sizes))
    assert (sizes[-1] == 0) == (config.main == "encoder")


def test_one_text_waits_for_memory_and_many_for_arithmetic() -> None:
    slow, fast = (pace(LLAMA, Serving(context=128, batch=batch), A100, 4) for batch in (1, 4_096))
    assert (slow.bound, fast.bound) == ("bandwidth", "arithmetic")
    assert slow.tokens_per_second == pytest.approx(4 * A100.bandwidth / to_serve(LLAMA, Serving(context=128)).total)
    multiplied = parameters(LLAMA) - LLAMA.vocabulary * LLAMA.width  # an embedding is looked up
    assert fast.tokens_per_second < 4 * A100.bf16 / (2 * multiplied)


@pytest.mark.parametrize(("one", "other", "times"), [({"count": 64}, {"count": 128}, 2), ({"mfu": 0.2}, {"mfu": 0.4}, 2)])
def test_time_falls_as_machines_or_their_use_grow(one: dict[str, float], other: dict[str, float], times: float) -> None:
    slow, fast = (dataclasses.replace(Training(), **change) for change in (one, other))
    assert training(LLAMA, slow, A100).seconds == pytest.approx(times * training(LLAMA, fast, A100).seconds)


def test_energy_is_hours_times_watts_times_pue() -> None:
    drawn = energy(3_600 * 1_000, A100, Power(pue=1.5, grid=100, household=600, car=20, exhaust=200))
    assert drawn.kilowatt_hours == pytest.approx(1_000 * 0.4 * 1.5)
    assert (drawn.kilograms, drawn.household_years) == pytest.approx((60, 1))
    assert (drawn.electric_kilometres, drawn.petrol_kilometres) == pytest.approx((3_000, 300))


@pytest.mark.parametrize("name", ["gpt2", "llama2-70b", "t5-11b", "bert-large-uncased"])
def test_what_is_worked_out_again_need_not_be_kept(name: str) -> None:
    config = EVERY[name]
    kept: tuple[Kept, ...] = ("everything", "fused", "inputs")
    sizes = [activation_bytes(config, 2, config.context, "bf16", what) for what in kept]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[1] > 2 * sizes[2]


def test_fused_attention_keeps_everything_but_the_maps() -> None:
    batch, length, config = 3, 50, Config()
    maps = config.layers * batch * config.attention.heads * length * length
    sums = config.layers * batch * config.attention.heads * length
    saved = activation_bytes(config, batch, length) - activation_bytes(config, batch, length, kept="fused")
    assert saved == 4 * maps - 4 * sums


# ---------------------------------------------------------------- human scale


@given(some.integers(1, 10**13), some.integers(1, 10**15))
def test_human_scale_is_proportional(count: int, tokens: int) -> None:
    one, ten = (pictured(times * count, 2 * times * count, times * tokens, Scale()) for times in (1, 10))
    for field in dataclasses.fields(one):
        if field.name != "per_synapse":
            assert getattr(ten, field.name) == pytest.approx(10 * getattr(one, field.name))
    assert {whose: share * SYNAPSES[whose] for whose, share in one.per_synapse.items()} == pytest.approx(dict.fromkeys(SYNAPSES, count))


def test_seventy_billion_at_human_scale() -> None:
    seen = pictured(parameters(LLAMA), bytes_by_precision(LLAMA)["bf16"], 2e12, Scale())
    assert seen.counting_years == pytest.approx(2_186, abs=1)
    assert math.ceil(seen.discs) == 30
    assert seen.books * 2_000 * 300 == pytest.approx(8 * parameters(LLAMA))
    assert 0 < seen.per_synapse["cortex"] < 0.001 < 1_000 < seen.per_synapse["fly"]


# ---------------------------------------------------------------- assumptions


def declared(cls: type) -> list[tuple[str, object]]:
    """Every setting below a declared dataclass, with its space."""
    found: list[tuple[str, object]] = []
    for setting in settings(cls):
        found.append((setting.name, setting.space))
        if isinstance(setting.space, Parts):
            found += [inner for option in setting.space.options for inner in declared(option)]
    return found


@pytest.mark.parametrize("cls", [Assumptions, Draft])
def test_every_assumption_is_a_bounded_field(cls: type) -> None:
    def all_declared(part: type) -> bool:
        return {field.name for field in dataclasses.fields(part)} == {setting.name for setting in settings(part)}

    assert all_declared(cls)
    assert all(isinstance(space, Interval | Choice | Parts) for _, space in declared(cls))
    assert all(all_declared(option) for _, space in declared(cls) if isinstance(space, Parts) for option in space.options)


def test_every_assumption_travels_in_a_link() -> None:
    assumed = Assumptions(
        hardware=Hardware(machine=Own(memory=96, peak=500, bandwidth=4_000, watts=300), usable=0.8),
        serving=Serving(weights="int8", context=POWERS[17], batch=32, cache="int8"),
        training=Training(tokens=Given(billions=15_000), count=POWERS[14], mfu=0.38, precision="fp32", kept="inputs", length=POWERS[13], texts=8),
        power=Power(pue=1.25, grid=40, household=3_000, car=15, exhaust=120),
        scale=Scale(figures=5, page=1_800, pages=200, thickness=1.5, words=0.6, novel=60_000, reading=200, disc=25),
    )
    assert spelling.parse(spelling.spell(assumed, Assumptions()), Assumptions()) == assumed


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (lambda: Listed(model="abacus"), "paper.machine"),  # type: ignore[arg-type]
        (lambda: Own(memory=0), "paper.above_zero"),
        (lambda: Own(watts=math.inf), "paper.above_zero"),
        (lambda: Hardware(usable=1.2), "paper.usable"),
        (lambda: Serving(context=0), "paper.above_zero"),
        (lambda: Training(mfu=math.nan), "paper.above_zero"),
        (lambda: Power(car=0), "paper.above_zero"),
        (lambda: Scale(novel=0), "paper.above_zero"),
        (lambda: Draft(heads=6, kv_heads=4), "config.kv_heads"),
    ],
)
def test_what_cannot_be_is_refused(wrong: object, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        wrong()  # type: ignore[operator]
    assert refused.value.code == code


@each_size
def test_a_draft_of_a_size_is_that_size(config: Config) -> None:
    assert Draft.of(config).on(config) == config


# ---------------------------------------------------------------- measured


SMALL = {
    "decoder": Config(),
    "encoder": Config(form=Encoder(), positions=Learned()),
    "pair": Config(form=EncoderDecoder()),
}


@pytest.mark.parametrize("config", SMALL.values(), ids=SMALL.keys())
def test_what_is_measured_is_what_the_arithmetic_says(config: Config) -> None:
    torch.set_num_threads(1)
    found = measure(Transformer(config).eval(), tokens=40, budget=0.0)
    assert found.flops == forward_flops(config, 40)
    assert found.weight_bytes == bytes_by_precision(config)["fp32"]
    assert found.cache_bytes == cache_bytes(config, 40)
    assert found.passes == 3
    assert found.flops_per_second == found.flops / found.seconds > 0


def test_a_measurement_stays_within_the_context() -> None:
    assert measure(Transformer(Config(context=16)).eval(), tokens=400, budget=0.0).tokens == 16
