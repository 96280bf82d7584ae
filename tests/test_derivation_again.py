"""The code that is shown is the code that runs, and what is recomputed agrees with what was traced."""

from __future__ import annotations

import math
import sys
from types import CodeType, FrameType

import pytest
import torch
from torch import Tensor

from model import checkpoints
from model.analysis.derivation import BETWEEN, Number, Place, code_of, derive, layout, lines, recipe, recompute, shape_of, shown, value
from model.config import Config, EncoderDecoder
from model.families import FAMILIES
from model.families.miniature import miniature
from model.trace import LEAN, Trace, Tracer, sites
from model.transformer import Transformer
from tests.browser.reading import EMBEDDED
from tests.configs import EVERY, told
from tests.test_derivation import SOURCE, TEXT, between, close, configured, places, size, some, traced

TELLING = [config for config in EVERY if config.attention.kv_heads == 3]


@configured
def test_plain_torch_finds_every_site_again(config: Config) -> None:
    trace = traced(config)
    for site in places(config):
        again = recompute(trace, Number(site, ()))
        assert again.relative <= 1e-5, site
        assert again.code.count("\n") <= 16


def test_what_differs_is_said() -> None:
    trace = traced(EVERY[0])
    site = "decoder.blocks.0.mlp.out"
    trace.sites[site] = trace[site] + 0.5
    assert math.isclose(recompute(trace, Number(site, ())).largest, 0.5, rel_tol=1e-4)
    traced.cache_clear()


@pytest.mark.parametrize("config", TELLING, ids=told)
def test_a_recipe_leaves_the_numbers_of_the_reading(config: Config) -> None:
    trace = traced(config)
    for site in places(config):
        number = some(trace, site, 1)[0]
        room = {"model": trace.model, "trace": trace, "ids": list(TEXT), "source": list(SOURCE)}
        exec(recipe(config, number), room)
        assert math.isclose(room["numbers"]["value"], derive(trace, number).value, rel_tol=1e-4, abs_tol=1e-4)
        assert room["numbers"]["site"].shape == shape_of(trace, site)


# ---------------------------------------------------------------- the code that is shown


class Witness:
    """Which functions had been entered when a tap saw each site, and which of them were still at it."""

    def __init__(self, model: Transformer) -> None:
        self.entered: set[CodeType] = set()
        self.at: dict[str, tuple[set[CodeType], set[CodeType]]] = {}
        source = torch.tensor([SOURCE]) if isinstance(model.config.form, EncoderDecoder) else None
        before = sys.getprofile()
        sys.setprofile(self.enter)
        try:
            memory = None if source is None else model.encode(source, tap=self.see)
            model(torch.tensor([TEXT]), memory=memory, tap=self.see)
        finally:
            sys.setprofile(before)

    def enter(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            self.entered.add(frame.f_code)

    def see(self, name: str, value: Tensor) -> Tensor:
        frame, open_now = sys._getframe(), set()
        while frame is not None:
            open_now.add(frame.f_code)
            frame = frame.f_back
        self.at[name] = (open_now, set(self.entered))
        return value


@pytest.mark.parametrize("config", TELLING, ids=told)
def test_the_code_shown_ran_and_handed_the_site_to_the_tap(config: Config) -> None:
    with torch.no_grad():
        witness = Witness(Transformer(config).eval())
    for site, (open_now, entered) in witness.at.items():
        first, *others = code_of(config, site)
        assert first.__code__ in open_now, site
        assert all(code.__code__ in entered or code.__name__ == "norm" for code in others), site


@configured
def test_every_site_has_code_that_names_its_tap(config: Config) -> None:
    for site in places(config):
        leaf = Place.of(site, config).leaf
        names = leaf.rpartition(".")[2]
        source = shown(config, site)
        if leaf not in BETWEEN:
            assert f'tap("{names}"' in source or (names in ("norm1", "norm2") and 'tap(f"norm{which}"' in source), site


# ---------------------------------------------------------------- every family


DESIGNS = {miniature(next(iter(family.sizes.values())).config, vocabulary=61, width=32, context=48): family.name for family in FAMILIES}
"""Every family's first size, shrunk."""


@pytest.mark.parametrize("config", DESIGNS, ids=list(DESIGNS.values()))
def test_every_design_in_miniature_adds_up_and_is_found_again(config: Config) -> None:
    trace = traced(config)
    assert [site.name for site in sites(trace.model)] == [site for site in layout(config) if site not in between(config)]
    for site in layout(config):
        derivation = derive(trace, some(trace, site, 1)[0])
        assert close(derivation.worked, derivation.value, size(derivation)), site
        assert recompute(trace, Number(site, ())).relative <= 1e-5, site


# ---------------------------------------------------------------- the models that ship


@pytest.mark.parametrize("name", ["embedded", "masked", "translator"])
def test_the_models_that_ship_hold_too(name: str) -> None:
    trace, lean = shipped(name, ("*",)), shipped(name, LEAN)
    for site in layout(trace.model.config):
        assert recompute(trace, Number(site, ())).relative <= 1e-5, site
        # a lean trace works its scores out once more, in another order; a softmax feels the last bit of a score of fifty
        assert recompute(lean, Number(site, ())).relative <= 3e-5, site
        number = some(trace, site, 1)[0]
        derivation = derive(trace, number)
        scale = max([1.0, *(abs(term.amount) for term in derivation.terms if math.isfinite(term.amount))])
        assert derivation.worked == derivation.value or abs(derivation.worked - derivation.value) <= 1e-5 * scale, number
        assert derivation.value == value(trace, number)
    assert "weights" in lines(trace.model.config, "logits")


def shipped(name: str, keep: tuple[str, ...]) -> Trace:
    loaded = checkpoints.load(EMBEDDED.with_name(name))
    assert loaded.tokenizer is not None
    ids = torch.tensor(loaded.tokenizer.encode("the sky is blue and the yellow boat is in the river").ids)
    both = isinstance(loaded.model.config.form, EncoderDecoder)
    tracer, maps = Tracer(loaded.model.eval().requires_grad_(False)), "all" if keep == ("*",) else None
    return tracer.trace(ids, source=ids if both else None, keep=keep, maps=maps).clone()
