"""A trace holds what the model computed, kept or worked out on demand, at any length."""

from __future__ import annotations

import pytest
import torch

from model.config import Alibi, Attention, Config, Fixed
from model.layers.masks import parse
from model.tap import ignore
from model.trace import EAGER, Tracer, sites
from model.transformer import Transformer
from tests.configs import DECODERS as EVERY
from tests.configs import told

LONG = Config(
    vocabulary=61,
    context=1_024,
    width=16,
    layers=2,
    attention=Attention(heads=2, kv_heads=1, size=8),
    positions=Alibi(),
    initialisation=Fixed(deviation=0.3),
)


def ids_of(config: Config, length: int) -> torch.Tensor:
    return torch.randint(0, config.vocabulary, (length,), generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("config", EVERY[::5], ids=told)
@torch.no_grad()
def test_traced_equals_untraced_and_lazy_equals_kept(config: Config) -> None:
    model, ids = Transformer(config, seed=1).double().eval(), ids_of(config, 23)
    kept, lazy = Tracer(model).trace(ids), Tracer(model).trace(ids, maps="none")
    assert float((kept.logits - model(ids[None])[0]).abs().max()) < 1e-10
    for layer in range(config.layers):
        assert "decoder.blocks.0.attn.pattern" not in lazy.sites
        assert float((kept.pattern(layer) - lazy.pattern(layer)).abs().max()) < 1e-10
        assert torch.allclose(kept.pattern(layer).sum(-1), torch.ones(config.attention.heads, 23, dtype=torch.float64))
        assert torch.equal(kept.masked(layer).isinf(), ~kept.mask.expand_as(kept.masked(layer)))


@torch.no_grad()
def test_the_maps_a_tap_sees_are_the_maps_a_trace_works_out() -> None:
    config = EVERY[13]
    model, ids = Transformer(config, seed=1).double().eval(), ids_of(config, 17)
    seen = Tracer(model).trace(ids, tap=lambda name, value: value, keep=("*",))
    plain = Tracer(model).trace(ids)
    for leaf in ("scores", "masked", "pattern"):
        site = f"decoder.blocks.1.attn.{leaf}"
        assert site in seen.sites
        assert torch.allclose(seen[site], plain[site], atol=1e-12)


@torch.no_grad()
def test_a_thousand_tokens_are_traced_with_lazy_maps() -> None:
    model = Transformer(LONG, seed=1).eval()
    trace = Tracer(model).trace(ids_of(LONG, 1_024))
    assert len(trace.ids) > EAGER
    assert not any(name.endswith("pattern") for name in trace.sites)
    pattern = trace["decoder.blocks.1.attn.pattern"]
    assert pattern.shape == (2, 1_024, 1_024)
    assert torch.allclose(pattern.sum(-1), torch.ones(2, 1_024), atol=1e-5)
    mixed = pattern @ trace["decoder.blocks.1.attn.v"].repeat_interleave(2, 0)
    assert torch.allclose(mixed, trace["decoder.blocks.1.attn.mixed"], atol=1e-5)


@torch.no_grad()
def test_a_row_that_may_look_at_nothing_is_zeros() -> None:
    config = EVERY[0]
    model = Transformer(config, seed=1).eval()
    mask = parse("causal & pad_left(3)").build(9)
    for maps in ("pattern", "none"):
        trace = Tracer(model).trace(ids_of(config, 9), mask=mask, maps=maps)
        assert float(trace.pattern(0)[:, :3].abs().sum()) == 0
        assert torch.isfinite(trace.logits).all()


@torch.no_grad()
def test_a_clone_outlives_the_next_trace() -> None:
    config = EVERY[0]
    tracer = Tracer(Transformer(config, seed=1).eval())
    first = tracer.trace(ids_of(config, 9))
    kept, expected = first.clone(), first.pattern(0).clone()
    tracer.trace((ids_of(config, 9) + 1) % config.vocabulary)
    assert torch.equal(kept.pattern(0), expected)
    assert not torch.equal(first.pattern(0), expected)


@torch.no_grad()
def test_a_site_that_was_not_kept_is_found_by_running_again() -> None:
    config = EVERY[4]
    model, ids = Transformer(config, seed=1).eval(), ids_of(config, 9)

    def scale(name: str, value: torch.Tensor) -> torch.Tensor:
        return value * 2 if name == "decoder.blocks.0.attn.out" else value

    for mask, tap in ((None, ignore), (parse("causal & window(2)").build(9), scale)):
        whole = Tracer(model).trace(ids, mask=mask, tap=tap, keep=("*",))
        lean = Tracer(model).trace(ids, mask=mask, tap=tap)
        assert "decoder.blocks.1.mlp.hidden" not in lean.sites
        assert torch.allclose(lean["decoder.blocks.1.mlp.hidden"], whole["decoder.blocks.1.mlp.hidden"], atol=1e-5)
    with pytest.raises(KeyError):
        lean["decoder.blocks.1.nothing"]


@torch.no_grad()
def test_only_what_is_asked_for_is_kept() -> None:
    config = EVERY[0]
    trace = Tracer(Transformer(config).eval()).trace(ids_of(config, 9), keep=("decoder.blocks.*.attn.q", "logits"))
    assert set(trace.sites) == {"logits", *(f"decoder.blocks.{i}.attn.q" for i in range(config.layers))}


@pytest.mark.parametrize("config", EVERY[::7], ids=told)
def test_the_listed_sites_are_the_traced_sites(config: Config) -> None:
    model = Transformer(config).eval()
    trace = Tracer(model).trace(ids_of(config, 9), keep=("*",), maps="all")
    listed = {site.name: site for site in sites(model)}
    assert set(listed) == set(trace.sites)
    for name, site in listed.items():
        shape = tuple(9 if axis == "T" else axis for axis in site.shape)[1:]
        assert trace[name].shape == shape
        assert site.meaning
