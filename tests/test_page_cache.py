"""The cache page: what it opens with, that a link restores it, that each number is the model's own, and every form and length."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from components import compute, theme
from components.canvas import cache as view
from components.canvas.cache import Scene, Spot
from components.figures import caching as figures
from components.figures.caching import FARTHEST, Served
from components.i18n import LANGUAGES, Words
from components.pages import cache as page
from components.pages.cache import growing, storing, timing
from model import checkpoints
from model.analysis.caching import cached
from model.analysis.places import Where
from model.config import Attention, Config, Decoder, Encoder, EncoderDecoder, Form, PlainMlp, Sliding
from model.cost import cache_bytes, decoding_flops, forward_flops
from model.cost.hardware import Hardware
from model.errors import Refusal
from model.families import find
from model.generation.pace import Stepped
from model.text.tokenizer import BLANK, Tokenizer
from model.trace import Tracer
from model.transformer import Transformer
from tests import pages

EN = Words("en")
HERE = Where("decoder")


def tiny(form: Form | None = None, window: int | None = None) -> Config:
    attention = Attention(heads=4, kv_heads=2, size=8)
    return Config(
        vocabulary=Tokenizer.for_world().size,
        context=40,
        width=24,
        layers=2,
        attention=attention if window is None else replace(attention, reach=Sliding(window=window)),
        mlp=PlainMlp(hidden=32),
        form=form or Decoder(),
    )


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    st.cache_resource.clear()

    def run(config: Config | None = None, *, tokenizer: bool = True, **parameters: str) -> AppTest:
        config, folder = config or tiny(), tmp_path / "model"
        encodes = isinstance(config.form, Encoder)
        reads = Tokenizer.for_world(BLANK) if encodes else Tokenizer.for_world()
        checkpoints.save(folder, Transformer(replace(config, vocabulary=reads.size), seed=3), reads if tokenizer else None)
        monkeypatch.setattr(compute, "EMBEDDED", folder)
        return pages.alone("cache", **parameters)

    yield run
    st.cache_resource.clear()


def canvas(app: AppTest) -> tuple[dict[str, Any], list[bytes]]:
    return pages.canvas(app, "cache")


def said(app: AppTest) -> str:
    return html.unescape(pages.said(app))


# ---------------------------------------------------------------- what the page shows


def test_the_picture_holds_the_keys_values_and_looks_of_a_trace(opened: Callable[..., AppTest]) -> None:
    app = opened(kv_layer="2", kv_head="3", kv_step="4")
    assert not app.exception
    header, (numbers,) = canvas(app)
    model = checkpoints.load(compute.EMBEDDED).model.eval()
    tokens, passes, size = len(header["pieces"]), len(header["passes"]), header["size"]
    assert (tokens, passes, size, header["at"]) == (4 + 12, 13, 8, 4)
    q, k, v, mixed, pattern = np.split(np.frombuffer(numbers, "<f4"), np.cumsum([passes * size, tokens * size, tokens * size, passes * size]))
    ids = _ids(app, model)
    trace = Tracer(model).trace(torch.tensor(ids))
    assert k.reshape(tokens, size) == pytest.approx(trace[HERE.site(1, "k")][1].numpy(), abs=1e-4)
    assert v.reshape(tokens, size) == pytest.approx(trace[HERE.site(1, "v")][1].numpy(), abs=1e-4)
    assert q.reshape(passes, size) == pytest.approx(trace[HERE.site(1, "q")][2, 3:].numpy(), abs=1e-4)
    assert mixed.reshape(passes, size) == pytest.approx(trace[HERE.site(1, "mixed")][2, 3:].numpy(), abs=1e-4)
    assert pattern.reshape(passes, tokens) == pytest.approx(trace.pattern(1)[2, 3:].numpy(), abs=1e-4)
    assert [each["bytes"] for each in header["passes"]] == [cache_bytes(model.config, length) for length in range(4, 17)]
    assert f"The cache holds {EN.number(cache_bytes(model.config, 8), 0)} bytes." in said(app)
    assert "1 of 8 keys is computed, 7 are reused; without the cache it would be 8 × 2" in said(app)


def _ids(app: AppTest, model: Transformer) -> list[int]:
    """What the page read: the reader's text, and always the likeliest token."""
    specimen = compute.embedded()
    ids = [*specimen.tokenizer.opening, *specimen.tokenizer.encode("The sky is").ids]
    for _ in range(12):
        with torch.no_grad():
            ids.append(int(model(torch.tensor([ids]))[0, -1].argmax()))
    return ids


def test_a_number_that_was_chosen_has_a_door_where_the_reader_wrote_it_and_none_beyond(opened: Callable[..., AppTest]) -> None:
    assert [button.key for button in opened(kv_part="k", kv_row="3", kv_token="2").button if "arithmetic" in (button.key or "")] == [
        "arithmetic-cache"
    ]
    app = opened(kv_part="k", kv_row="3", kv_token="9")
    assert not any("arithmetic" in (button.key or "") for button in app.button)
    assert any("decoder.blocks.0.attn.k[0,8,2]" in caption.value for caption in app.caption)
    assert not opened(kv_part="k", kv_row="99", kv_token="9").exception


@pytest.mark.parametrize("form", [EncoderDecoder(encoder_layers=2), Encoder()], ids=["translator", "encoder"])
def test_other_forms(opened: Callable[..., AppTest], form: Form) -> None:
    app = opened(tiny(form), source="The sky is blue.", text="The sky is ___", kv_of="source")
    assert not app.exception
    if isinstance(form, Encoder):
        assert EN("cache.encoder") in said(app)
        assert not [element for element in app.get("bidi_component") if element.proto.component_name == "vitrine.cache"]
        return
    header, _ = canvas(app)
    assert header["crosses"]
    assert {each["length"] for each in header["passes"]} == {len(header["pieces"])}
    assert [each["computed"] for each in header["passes"]][1:] == [0] * (len(header["passes"]) - 1)
    assert "of the source" in said(app)


@pytest.mark.parametrize("text", ["", "The sky is blue. " * 30], ids=["one token", "a full context"])
def test_short_and_full_texts(opened: Callable[..., AppTest], text: str) -> None:
    app = opened(text=text)
    assert not app.exception
    header, _ = canvas(app)
    assert len(header["passes"]) == 13
    assert header["passes"][0]["length"] == (28 if text else 1)


def test_without_a_tokenizer_tokens_are_numbers(opened: Callable[..., AppTest]) -> None:
    app = opened(tokenizer=False, ids="5 9 2")
    assert not app.exception
    assert canvas(app)[0]["pieces"][:3] == ["5", "9", "2"]


def test_a_window_is_shown_to_let_go(opened: Callable[..., AppTest]) -> None:
    app = opened(tiny(window=4), kv_step="6")
    assert not app.exception
    assert canvas(app)[0]["passes"][6] == {"length": 10, "computed": 1, "reused": 3, "gone": 6, "bytes": cache_bytes(tiny(), 4)}
    assert "6 behind the window are gone" in said(app)


def test_a_forged_link_leaves_the_defaults(opened: Callable[..., AppTest]) -> None:
    app = opened(
        kv_step="99", kv_layer="x", kv_models="gpt9~llama2-7b", kv_bits="fp1", kv_machine="toaster", kv_window="7", kv_batch="2", kv_part="z"
    )
    assert not app.exception
    assert "llama2-70b" in said(app)


def test_the_clock_is_asked_and_then_says_what_it_measured(opened: Callable[..., AppTest]) -> None:
    app = opened()
    assert EN("cache.time.unmeasured") in [caption.value for caption in app.caption]
    assert "Measured here" not in said(app)
    pages.worked(app.button(key="cache-measure").click().run(), "cache.clock")
    assert not app.exception
    assert "Measured here: at 40 tokens" in said(app)


# ---------------------------------------------------------------- bytes


def test_variants_hold_what_their_own_models_tensors_do() -> None:
    found = figures.variants(tiny(), 2, 8)
    assert [(variant.kind, variant.config.attention.kv_heads, variant.own) for variant in found] == [
        *(("multi_head", 4, False), ("grouped", 2, True)),
        *(("multi_query", 1, False), ("window", 2, False)),
    ]
    for variant in found:
        model = Transformer(variant.config).eval()
        past = model.past(rolled=variant.config.attention.window is not None)
        with torch.no_grad():
            model(torch.zeros(1, 13, dtype=torch.long), past=past)
        assert past.bytes == cache_bytes(variant.config, 13)
        name = variant.name(EN)
        listed = figures.grown(EN, found, "fp32", 0)
        mine = listed[listed[EN("cache.table.variant")] == name]
        assert mine[EN("cache.table.bytes")].tolist()[-1] == cache_bytes(variant.config, 40)


def test_a_window_is_flat_behind_its_corner_and_a_source_lifts_every_line() -> None:
    config = tiny(EncoderDecoder(encoder_layers=2))
    found = figures.variants(config, 2, 8)
    traces: Any = figures.growing(EN, found, "fp32", 5, {3: cache_bytes(config, 3, source=5)}, theme.layout(theme.LIGHT)).data
    flat = traces[3]
    assert len({size for length, size in zip(flat.x, flat.y, strict=True) if length >= 8}) == 1
    assert all(trace.y[0] > cache_bytes(variant.config, 0, source=5) > 0 for trace, variant in zip(traces, found, strict=False))


def test_where_a_machine_is_full_its_memory_is_full() -> None:
    room = Hardware().room
    served = Served("llama2-7b", find("llama2-7b").config, "fp16", 1, room)
    assert served.full is not None
    assert served.weights + served.cache(served.full) <= room < served.weights + served.cache(served.full + 1)
    assert Served("llama2-70b", find("llama2-70b").config, "fp16", 1, room).full == -1
    mistral = Served("mistral-7b", find("mistral-7b").config, "fp16", 1, room)
    assert mistral.full is None
    assert mistral.cache(FARTHEST) == mistral.cache(4_096)
    assert served.cache(4_096) == 2 * 32 * 4_096 * 4_096 * 2
    words = figures.published_in_words(EN, [served, mistral], Hardware())
    assert EN.number(served.full, 0) in words


def test_operations_are_the_models_own() -> None:
    kept, anew = figures.flops(tiny(), (8, 40), None)
    assert kept == [decoding_flops(tiny(), 7), decoding_flops(tiny(), 39)]
    assert anew == [forward_flops(tiny(), 8), forward_flops(tiny(), 40)]
    measured = Stepped((8, 40), ((1e-3, 2e-3), (2e-3, 2e-3), (9e-3, 2e-3)), ((2e-3, 9e-3), (4e-3, 8e-3), (8e-3, 1e-3)), 1.0)
    listed = figures.times(EN, tiny(), measured.lengths, None, measured)
    assert listed[EN("cache.table.ratio")].tolist() == [2.0, 4.0]
    assert "4.0 times as long" in figures.seconds_in_words(EN, measured)
    drawn: Any = figures.seconds(EN, measured, theme.layout(theme.DARK)).data
    assert drawn[1].y == (4e-3, 8e-3)


# ---------------------------------------------------------------- the canvas


def _scene() -> Scene:
    model = Transformer(tiny(), seed=3).eval()
    found = cached(model, range(9), 4, 1, HERE)
    return Scene(found, 1, tuple("abcdefghi"), tuple("defghi"), 2, 3, "r", Spot("v", 2, 5))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_header_names_everything_the_view_says(language: str) -> None:
    header = view.header(Words(language), _scene())
    assert set(view.WORDS) <= set(header["words"])
    assert header["passes"][3] == {"length": 7, "computed": 1, "reused": 6, "gone": 0, "bytes": cache_bytes(tiny(), 7)}
    assert header["chosen"] == {"part": "v", "row": 2, "column": 5}
    assert header["most"][0] == max(abs(plane).max() for plane in view.planes(_scene().cached, 1)[:2])


@pytest.mark.parametrize(
    "sent",
    [
        None,
        {},
        {"part": 9, "row": 0, "column": 0},
        {"part": 0, "row": 8, "column": 0},
        {"part": 4, "row": 1, "column": 0},
        {"part": 0, "row": 0, "column": 9},
    ],
)
def test_what_is_no_number_of_the_picture_is_refused(sent: Any) -> None:
    with pytest.raises(Refusal):
        view.read(sent, _scene())


def test_a_number_of_the_picture_is_read() -> None:
    assert view.read({"part": 1, "row": 7, "column": 8}, _scene()) == Spot("v", 7, 8)


# ---------------------------------------------------------------- the recipes


@pytest.mark.parametrize(
    ("config", "where"), [(tiny(), HERE), (tiny(window=4), HERE), (tiny(EncoderDecoder(encoder_layers=2)), Where("decoder", "cross"))]
)
def test_the_recipe_by_hand_finds_what_the_picture_shows(config: Config, where: Where) -> None:
    model, ids, source = Transformer(config, seed=3).eval(), list(range(9)), [4, 2, 7] if isinstance(config.form, EncoderDecoder) else []
    found, at, head = cached(model, ids, 4, 1, where, source), 3, 2
    group, ledger = found.group(head), found.ledgers[at]
    code = storing.RECIPE.format(ids=ids, first=4, site=where.site(1, ""), head=head, group=group, at=at)
    numbers = _run(code, model=model, ids=ids, source=source)
    shown = slice(ledger.gone, ledger.length)
    for name, values in {"k": found.k[group, shown], "v": found.v[group, shown], "q": found.q[at, head], "mixed": found.mixed[at, head]}.items():
        assert numbers[name] == pytest.approx(values, abs=1e-5)
    assert numbers["weights"] == pytest.approx(found.pattern[at, head, shown], abs=1e-5)
    assert numbers["by_hand"] == pytest.approx(found.mixed[at, head], abs=1e-5)
    assert numbers["difference"] < 1e-4


def test_the_other_recipes_find_the_same_numbers() -> None:
    model = Transformer(tiny(), seed=3).eval()
    configs = ", ".join(growing._spelled(variant.config) for variant in figures.variants(tiny(), 2, 8))
    grown = _run(growing.GROWING.format(configs=configs, precision="fp32", source=0), model=model)
    assert grown["bytes"][:, 12].tolist() == [cache_bytes(variant.config, 13) for variant in figures.variants(tiny(), 2, 8)]
    served = _run(growing.PUBLISHED.format(names=("mistral-7b", "llama2-7b"), precision="fp16", batch=4, farthest=FARTHEST))
    assert served["bytes"][1, 1] == Served("", find("llama2-7b").config, "fp16", 4, 0).cache(4_096)
    counted = _run(timing.OPERATIONS.format(at=(8, 40), source=None), model=model)
    assert counted["with"].tolist(), counted["without"].tolist() == figures.flops(tiny(), (8, 40), None)
    assert _run(timing.SECONDS, model=model, ids=[3, 1], source=[])["ratio"].shape == (4,)


def _run(code: str, **given: Any) -> dict[str, Any]:
    exec(code, given)
    return given["numbers"]


def test_no_other_page_has_a_field_of_the_same_name() -> None:
    names = [field.name for field in page.PAGE.fields]
    assert len(set(names)) == len(names)
    assert all(name.startswith("kv.") for name in names)
