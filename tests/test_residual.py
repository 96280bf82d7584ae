"""The residual stream's sizes, who adds what to it, and a logit as a sum: equal to the trace, over every kind of configuration."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.analysis.places import Where, weight
from model.analysis.residual import attribution, parts_of, received, sliced, stream
from model.config import Config, EncoderDecoder, Parallel, Serial, Transformed
from model.errors import Refusal
from model.trace import Trace, Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told

IDS, SOURCE = (3, 17, 5, 5, 40, 9, 22), (8, 1, 33, 60, 2)


def traced(config: Config) -> Trace:
    torch.manual_seed(0)
    model = Transformer(config, seed=4).eval()
    for parameter in model.parameters():  # biases and norms that matter
        parameter.data += 0.1 * torch.randn_like(parameter)
    return Tracer(model).trace(IDS, source=SOURCE if isinstance(config.form, EncoderDecoder) else None).clone()


@pytest.mark.parametrize("config", EVERY, ids=told)
def test_every_term_together_is_the_logit(config: Config) -> None:
    trace = traced(config)
    found = attribution(trace, 4, (0, 7, 60))
    np.testing.assert_allclose(found.total, trace.logits[4, [0, 7, 60]].detach().numpy(), atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("config", EVERY[::5] + EVERY[-12:], ids=told)
def test_what_heads_and_bias_write_is_what_attention_adds_and_sizes_are_its_own(config: Config) -> None:
    trace = traced(config)
    for stack in config.depths:
        found = stream(trace, stack)
        for part in parts_of(config, stack):
            for layer in range(config.depths[stack]):
                out = trace[f"{stack}.blocks.{layer}.{part}.out"]
                np.testing.assert_allclose(found.added[part].norms[layer], out.norm(dim=-1).detach(), rtol=1e-5)
                if part != "mlp":
                    _heads_add_up(trace, Where(stack, "cross" if part == "cross" else "attn"), layer, found.added[part].heads)


def _heads_add_up(trace: Trace, where: Where, layer: int, norms: np.ndarray | None) -> None:
    written = torch.einsum("hds,hts->htd", sliced(trace.model, where, layer), trace[where.site(layer, "mixed")]).detach()
    bias = weight(trace.model, where, layer, "out.bias") if trace.model.config.attention.out_bias else 0
    np.testing.assert_allclose((written.sum(0) + bias).detach(), trace[where.site(layer, "out")].detach(), atol=1e-4)
    assert norms is not None
    np.testing.assert_allclose(norms[layer], written.norm(dim=-1), rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("config", [config for config in EVERY if config.arrangement != Serial(norm_place="after")][::6], ids=told)
def test_without_norms_on_the_way_what_is_added_is_what_changed(config: Config) -> None:
    trace = traced(config)
    for layer in range(config.layers):
        block = f"{config.main}.blocks.{layer}"
        for part, station in zip(parts_of(config, config.main), ("middle", "crossed", "after"), strict=False):
            left = "after" if part == "mlp" else station
            came = trace[f"{block}.{received(config, config.main, part)}"]
            np.testing.assert_allclose((came + trace[f"{block}.{part}.out"]).detach(), trace[f"{block}.{left}"].detach(), atol=1e-5)


def test_cosines_are_those_of_the_written_vectors() -> None:
    trace = traced(EVERY[0])
    found, where = stream(trace).added["attn"], Where("decoder")
    written = torch.einsum("hds,hts->htd", sliced(trace.model, where, 1), trace[where.site(1, "mixed")])
    own = torch.cosine_similarity(written, trace["decoder.blocks.1.before"][None], dim=-1)
    assert found.head_cosines is not None
    np.testing.assert_allclose(found.head_cosines[1], own.detach(), atol=1e-4)


@pytest.mark.parametrize("config", [each for each in EVERY if isinstance(each.arrangement, Parallel)][:1], ids=told)
def test_what_is_no_sum_is_named(config: Config) -> None:
    assert attribution(traced(config), 0, (1,)).held == ("final norm",)
    after = next(each for each in EVERY if each.arrangement == Serial(norm_place="after") and isinstance(each.readout, Transformed))
    assert attribution(traced(after), 0, (1,)).held == ("gates of the output", "norm of the output", "norms on the way")


@pytest.mark.parametrize(("at", "token"), [(7, 0), (-1, 0), (0, 61)])
def test_outside_is_refused(at: int, token: int) -> None:
    with pytest.raises(Refusal, match="counts from 0"):
        attribution(traced(EVERY[0]), at, (token,))
