"""The flow: nothing overlaps, every number is the trace's, every place has an address, and a link opens it."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from components import compute
from components.canvas import plate
from components.canvas.flow import Choice, Limits, parse
from components.canvas.flow.layout import Box, Picture, pictures
from components.canvas.flow.payload import NUMBERS, Followed, detailed, followed, pack_maps, pack_numbers, unpacked
from components.canvas.flow.place import Place, leaves
from components.pages.inside import passing
from model import checkpoints
from model.analysis.places import places
from model.analysis.residual import attribution, stream
from model.config import Attention, Config, Encoder, EncoderDecoder, GatedMlp, Parallel, PlainMlp
from model.errors import Refusal
from model.text.tokenizer import BLANK, Tokenizer
from model.trace import Trace, Tracer
from model.transformer import Transformer
from tests.configs import EVERY, told

IDS, SOURCE = (3, 17, 5, 5, 40, 9), (8, 1, 33, 60)

DEEP = [
    Config(layers=layers, width=8, attention=Attention(heads=heads, kv_heads=heads, size=4), context=16)
    for layers, heads in ((1, 1), (12, 12), (40, 40), (96, 96), (2, 16))
]
DEEP.append(replace(DEEP[1], form=EncoderDecoder(encoder_layers=12)))


def inside(box: Box, width: float, height: float, x: float = 0, y: float = 0) -> bool:
    slack = 0.01
    return box.x >= x - slack and box.y >= y - slack and box.x + box.width <= x + width + slack and box.y + box.height <= y + height + slack


def apart(one: Box, other: Box) -> bool:
    slack = 0.01
    across = one.x + one.width <= other.x + slack or other.x + other.width <= one.x + slack
    return across or one.y + one.height <= other.y + slack or other.y + other.height <= one.y + slack


def sound(picture: Picture) -> None:
    by_name = {box.name: box for box in picture.boxes}
    assert len(by_name) == len(picture.boxes)
    families: dict[str, list[Box]] = {}
    for box in picture.boxes:
        assert box.width > 0 < box.height
        families.setdefault(box.inside, []).append(box)
        parent = by_name.get(box.inside)
        if parent is None:
            assert inside(box, picture.width, picture.height), box
        else:
            assert inside(box, parent.width, parent.height, parent.x, parent.y), (box, parent)
    for siblings in families.values():
        for one, other in combinations(siblings[:140], 2):
            assert apart(one, other), (one, other)


@pytest.mark.parametrize("config", EVERY[::7] + EVERY[-12:] + DEEP, ids=told)
def test_boxes_lie_inside_the_picture_and_never_overlap(config: Config) -> None:
    for picture in pictures(config, 9, 5).values():
        sound(picture)


# ---------------------------------------------------------------- the numbers


def traced(config: Config) -> Trace:
    model = Transformer(config, seed=4).eval().requires_grad_(False)
    return Tracer(model).trace(IDS, source=SOURCE if isinstance(config.form, EncoderDecoder) else None).clone()


PACKED = [EVERY[0], next(each for each in EVERY if each.arrangement == Parallel(norms=1) and isinstance(each.mlp, GatedMlp)), *EVERY[-12:-4]]


@pytest.mark.parametrize("config", PACKED, ids=told)
def test_what_the_browser_gets_is_what_the_trace_holds(config: Config) -> None:
    trace, about = traced(config), Followed(3, 2, (0, 7))
    found = unpacked(pack_numbers(trace, about, detailed(config, 6, 0, "")))
    for stack, depth in config.depths.items():
        at = about.place(config, stack)
        for layer in range(depth):
            for leaf in leaves(config, stack):
                np.testing.assert_allclose(found[f"{stack}.{leaf}"][layer], trace[f"{stack}.blocks.{layer}.{leaf}"][at], atol=1e-5)
        for where in (where for where in places(config).values() if where.stack == stack):
            for layer in range(depth):
                for leaf in ("q", "mixed", "pattern"):
                    own = trace[where.site(layer, leaf)][:, at]
                    np.testing.assert_allclose(found[f"{stack}.{where.branch}.{leaf}"][layer], own, atol=1e-5)
                written = found[f"{stack}.{where.branch}.written"][layer]
                np.testing.assert_allclose(np.linalg.norm(written, axis=-1), found[f"{stack}.size.{where.branch}.heads"][layer], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found["push.logits"], trace.logits[3, [0, 7]], atol=1e-5)
    np.testing.assert_allclose(found["push.shares"], trace.logits[3].softmax(-1)[[0, 7]], atol=1e-6)


def test_every_head_has_its_map() -> None:
    trace = traced(EVERY[0])
    header, (codes,) = plate.opened(pack_maps(trace))
    (shape,) = (maps["shape"] for maps in header["maps"].values())
    shown = (np.frombuffer(codes, np.uint8).reshape(shape) / 255) ** 2
    for layer in range(EVERY[0].layers):
        np.testing.assert_allclose(shown[layer], trace.pattern(layer).numpy(), atol=0.005)


def test_of_a_large_model_only_the_open_block_is_sent() -> None:
    large = Config(width=1_024, layers=40, attention=Attention(heads=32, kv_heads=32, size=32))
    assert detailed(large, 64, 7, "decoder") == {"decoder": (6,)}
    assert detailed(large, 64, 0, "") == {"decoder": ()}
    assert detailed(Config(), 1_024, 0, "") == {"decoder": (0, 1)}
    assert NUMBERS > 0


def test_the_insides_of_one_block_alone_are_its_own() -> None:
    trace = traced(EVERY[0])
    every = unpacked(pack_numbers(trace, Followed(3, 0, (0,)), {"decoder": (0, 1, 2)}))
    one = unpacked(pack_numbers(trace, Followed(3, 0, (0,)), {"decoder": (1,)}))
    np.testing.assert_array_equal(one["decoder.attn.q"][0], every["decoder.attn.q"][1])
    assert "decoder.attn.q" not in unpacked(pack_numbers(trace, Followed(3, 0, (0,)), {"decoder": ()}))


def test_a_token_that_is_asked_for_is_followed_wherever_it_stands() -> None:
    trace = traced(EVERY[0])
    least = int(trace.logits[2].argmin())
    assert followed(trace, 2, 0, least).tokens[-1] == least
    assert followed(trace, 2, 0, None).tokens[0] == int(trace.logits[2].argmax())


# ---------------------------------------------------------------- places


@pytest.mark.parametrize("config", EVERY[::9] + EVERY[-12:], ids=told)
def test_every_box_of_every_picture_is_a_place_or_part_of_one(config: Config) -> None:
    for name, picture in pictures(config, 4, 3).items():
        level, *_, shape = name.split(".")
        for box in picture.boxes:
            if level == "model" and box.kind in ("block", "head"):
                assert str(Place.parse(box.name).within(config)) == box.name
            if level == "block" and box.kind not in ("heads", "head"):
                stack = name.split(".")[1]
                assert Place.parse(f"{stack}.1.{box.name}").within(config).leaf == box.name
        assert picture.shape == shape


@pytest.mark.parametrize("name", ["", "decoder.2", "decoder.2.attn.4", "decoder.1.cross.2.pattern", "encoder.3.mlp.out", "encoder.embed"])
def test_a_place_reads_back(name: str) -> None:
    assert str(Place.parse(name)) == name


@pytest.mark.parametrize("name", ["x", "decoder", "decoder.", "decoder.1.attn", "decoder.1.q", "decoder.١", "decoder.1.attn.1.out", "decoder.99999"])
def test_what_is_no_place_is_refused(name: str) -> None:
    with pytest.raises(Refusal, match="a place looks like"):
        Place.parse(name)


def test_a_place_this_model_has_not_becomes_the_nearest_it_has() -> None:
    config = Config(layers=2, attention=Attention(heads=4, kv_heads=4, size=16))
    near = {"decoder.3": "", "decoder.2.attn.9.q": "decoder.2", "decoder.2.cross.1": "decoder.2", "encoder.1": "", "decoder.2.crossed": "decoder.2"}
    assert {name: str(Place.parse(name).within(config)) for name in near} == near


@pytest.mark.parametrize("sent", [None, {}, {"at": 9}, {"at": 0, "token": -1}, {"at": 0, "place": "<b>"}, {"at": 0, "token": 1, "place": 3}])
def test_what_a_browser_forges_is_refused(sent: Any) -> None:
    with pytest.raises(Refusal):
        parse(sent, Limits(Config(), 4, 0))


def test_what_a_browser_chooses_is_read() -> None:
    sent = {"at": 2, "source": 0, "token": None, "place": "decoder.2.attn.1"}
    assert parse(sent, Limits(Config(), 4, 0)) == Choice(2, 0, None, Place("decoder", 2, "attn", 1))


# ---------------------------------------------------------------- the page


PAGE = """
import streamlit as st
from components import permalink, theme
from components.controls import header, prompt
from components.i18n import Words
from components.page import Session
from components.pages import inside

permalink.restore((*header.FIELDS, *prompt.FIELDS, *inside.PAGE.fields))
words, specimen = Words("en"), header.specimen()
inside.PAGE.render(Session(words, theme.LIGHT, specimen, prompt.prompt(words, specimen)))
permalink.publish()
"""


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    def run(config: Config | None = None, **parameters: str) -> AppTest:
        tokenizer = Tokenizer.for_world(BLANK) if config and isinstance(config.form, Encoder) else Tokenizer.for_world()
        plain = Config(width=16, layers=3, attention=Attention(heads=2, kv_heads=1, size=8), mlp=PlainMlp(hidden=32))
        checkpoints.save(tmp_path, Transformer(replace(config or plain, vocabulary=tokenizer.size, context=90), seed=3), tokenizer)
        monkeypatch.setattr(compute, "EMBEDDED", tmp_path)
        st.cache_resource.clear()
        app = AppTest.from_string(PAGE, default_timeout=60)
        for name, value in parameters.items():
            app.query_params[name.replace("_", ".")] = value
        return app.run()

    yield run
    st.cache_resource.clear()


def shown(app: AppTest) -> dict[str, Any]:
    """The header of what the flow was last sent."""
    (found,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == "vitrine.flow")
    return plate.opened(found.bytes)[0]


def said(app: AppTest) -> str:
    return html.unescape("\n".join(element.proto.body for element in app.html))


def test_the_page_follows_the_last_token_to_its_likeliest_continuation(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is")
    assert not app.exception
    header = shown(app)
    assert header["pieces"][1:] == ["The", "sky", "is"]
    assert header["choice"] == {"at": 3, "source": 0, "token": None, "place": ""}
    assert f"the logit of “{header['names'][0]}” is" in said(app)


def test_a_link_opens_the_same_head_of_the_same_token(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sky is", i_at="3", i_token="9", i_place="decoder.2.attn.2")
    header = shown(app)
    assert header["choice"] == {"at": 2, "source": 0, "token": 9, "place": "decoder.2.attn.2"}
    assert 9 in header["tokens"]


@pytest.mark.parametrize("text", ["", "x", "The sky is blue. " * 30])
def test_texts_of_any_length_are_drawn(opened: Callable[..., AppTest], text: str) -> None:
    app = opened(text=text)
    assert not app.exception
    assert shown(app)["choice"]["at"] == len(shown(app)["pieces"]) - 1


def test_an_encoder_is_followed_at_its_blank(opened: Callable[..., AppTest]) -> None:
    config = Config(width=16, layers=2, form=Encoder(), attention=Attention(heads=2, kv_heads=2, size=8), mlp=PlainMlp(hidden=32))
    app = opened(config, text="The ___ is blue", i_place="decoder.1")
    assert not app.exception
    assert shown(app)["choice"]["place"] == ""
    assert shown(app)["pieces"][shown(app)["choice"]["at"]] != "blue"


@pytest.mark.parametrize("config", PACKED[:4], ids=told)
def test_the_notebooks_lines_leave_the_pictures_numbers(config: Config) -> None:
    trace = traced(config)
    found, sizes = attribution(trace, 2, (7,)), stream(trace)
    space: dict[str, Any] = {"model": trace.model, "tokenizer": None, "ids": list(IDS), "source": list(SOURCE), "trace": trace}
    exec(passing.recipe(found), space)
    numbers = space["numbers"]
    np.testing.assert_array_equal(numbers["mlp"], found.mlp[0])
    np.testing.assert_array_equal(numbers["heads.attn"], found.heads["attn"][0])
    np.testing.assert_array_equal(numbers["stream.after"], sizes.norms["after"])
    np.testing.assert_array_equal(numbers["added.mlp"], sizes.added["mlp"].norms)


def test_the_terms_of_the_table_are_the_logit() -> None:
    found = attribution(traced(EVERY[0]), 4, (3,))
    assert sum(push for *_, push in passing.terms(found)) == pytest.approx(float(found.logits[0]), abs=1e-4)
