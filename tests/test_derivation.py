"""Every number of a pass follows from its operands, in every configuration, and every way back ends at a lookup."""

from __future__ import annotations

import math
import random
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch

from model.analysis.derivation import BETWEEN, Derivation, Number, Place, Weight, derive, layout, recompute, shape_of, value
from model.analysis.places import Where, named, sides, sighted
from model.analysis.places import places as mask_places
from model.config import Config, EncoderDecoder
from model.errors import Refusal
from model.layers.masks import parse_plan
from model.trace import LEAN, MAPS, Trace, Tracer, sites
from model.transformer import Transformer
from tests.configs import EVERY, told

TEXT, SOURCE = (7, 11, 2, 29, 53, 11), (5, 60, 19, 3)
configured = pytest.mark.parametrize("config", EVERY, ids=told)


@cache
def traced(config: Config) -> Trace:
    """A text in a random model whose gains and biases are random too, so that none of them can be forgotten."""
    model = Transformer(config, seed=1).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(2)
    for weight in model.parameters():
        if weight.dim() == 1:
            weight.add_(torch.randn(weight.shape, generator=generator) * 0.3)
    source = torch.tensor(SOURCE) if isinstance(config.form, EncoderDecoder) else None
    return Tracer(model).trace(torch.tensor(TEXT), source=source, keep=("*",), maps="all")


def places(config: Config) -> list[str]:
    """Every site of the first and of the last layers."""
    return [site for site in layout(config) if ".blocks.1." not in site or config.layers == 2]


def between(config: Config) -> set[str]:
    """The steps that no tap sees."""
    return {site for site in layout(config) if Place.of(site, config).leaf in BETWEEN}


def some(trace: Trace, site: str, count: int) -> list[Number]:
    """A few numbers of a site, the same each time."""
    draw, shape = random.Random(site), shape_of(trace, site)
    return [Number(site, tuple(draw.randrange(size) for size in shape)) for _ in range(count)]


def close(one: float, other: float, scale: float) -> bool:
    return one == other or math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-5 * scale)


def size(derivation: Derivation) -> float:
    """The largest of what was added: floating point is exact only up to a share of that."""
    return max([1.0, *(abs(term.amount) for term in derivation.terms if math.isfinite(term.amount))])


@configured
def test_terms_add_up_to_the_value_at_every_site(config: Config) -> None:
    trace = traced(config)
    for site in places(config):
        for number in some(trace, site, 2):
            derivation = derive(trace, number)
            assert close(derivation.worked, derivation.value, size(derivation)), number
            listed = derivation.listed(4)
            assert close(sum(term.amount for term in listed) + derivation.rest(listed), derivation.total, size(derivation)), number


@configured
def test_operands_are_the_traces_and_the_models_own_numbers(config: Config) -> None:
    trace, weights = traced(config), traced(config).model.state_dict()
    for site in places(config):
        for factor in derive(trace, some(trace, site, 1)[0]).operands:
            match factor.source:
                case Number():
                    assert close(factor.value, value(trace, factor.source), 1.0), factor
                case Weight(name, index):
                    assert factor.value == float(weights[name][index])


@configured
def test_every_way_back_from_a_logit_ends_where_nothing_is_left_to_follow(config: Config) -> None:
    trace = traced(config)
    for choice in range(3):
        number, draw, seen = Number("logits", (5, 17)), random.Random(choice), set()
        while sources := derive(trace, number).sources:
            assert number not in seen
            seen.add(number)
            number = draw.choice(sources)
        assert number.site.partition(".")[2] in ("embed.token", "embed.position", "embed.segment")


@pytest.mark.parametrize("config", [config for config in EVERY if config.attention.kv_heads == 3], ids=told)
def test_the_layout_is_that_of_the_models_own_sites_in_their_order(config: Config) -> None:
    steps = between(config)
    ours = {site: tuple(("S" if axis.about else "T") if axis.size is None else axis.size for axis in axes) for site, axes in layout(config).items()}
    theirs = {site.name: site.shape[1:] for site in sites(Transformer(config))}
    assert [*theirs] == [site for site in ours if site not in steps]
    assert theirs == {site: shape for site, shape in ours.items() if site not in steps}


def test_a_number_that_is_not_there_is_refused() -> None:
    trace = traced(EVERY[0])
    for missing in ("logits[0]", "logits[6,0]", "logits[0,0,0]", "decoder.blocks.3.before[0,0]", "encoder.norm[0,0]", "decoder.blocks.x.before[0,0]"):
        with pytest.raises(Refusal):
            derive(trace, Number.parse(missing))


# ---------------------------------------------------------------- under a mask


UNDER = (
    "causal & window(3) + kerple(1,2) + relative(0,3,-1)",
    "causal; L1: causal & window(2) + alibi(1); L1.H2: bidirectional; L0.H0: causal & pad_left(2) + relative(4,-2)",
)
MASKED = [config for config in EVERY if config.attention.kv_heads == 3][::6]


@cache
def masked(config: Config, specification: str, where: Where, keep: tuple[str, ...] = ("*",)) -> Trace:
    """The text read under a mask in one place, its maps kept (`*`) or left to be worked out."""
    trace, plan = traced(config), parse_plan(specification)
    queries, keys = (len(side) for side in sides(trace, where))
    given: dict[str, Any] = {named(config, where): sighted(plan, config, where, queries, keys)}
    return Tracer(trace.model).trace(TEXT, source=trace.source, **given, keep=keep, maps="all" if keep == ("*",) else "none")


@pytest.mark.parametrize("specification", UNDER)
@pytest.mark.parametrize("config", MASKED, ids=told)
def test_under_a_mask_every_number_of_a_map_is_that_of_its_own_layer_and_head(config: Config, specification: str) -> None:
    for where in mask_places(config).values():
        trace, bare = masked(config, specification, where), masked(config, specification, where, LEAN)
        for layer, leaf in product(range(config.depths[where.stack]), MAPS):
            site = where.site(layer, leaf)
            assert recompute(trace, Number(site, ())).relative <= 1e-5, site
            for index in product(range(0, config.attention.heads, 2), (0, trace[site].shape[1] - 1), range(0, trace[site].shape[2], 2)):
                derivation = derive(trace, Number(site, index))
                assert derivation.value == float(trace[site][index])
                assert close(derivation.worked, derivation.value, size(derivation)), derivation.number
                assert close(value(bare, derivation.number), derivation.value, size(derivation)), derivation.number
