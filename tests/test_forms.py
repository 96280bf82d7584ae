"""Every form of model on the screen: what its text is, which attention it shows, and that each number is the trace's own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest
from tokenizers import Tokenizer as Library
from tokenizers import models, pre_tokenizers, processors

from components import compute
from components.canvas import painter, plate
from components.canvas.ledger.arithmetic import of_cell
from components.compute import Specimen
from components.controls import prompt
from components.i18n import LANGUAGES, Words
from model import checkpoints
from model.analysis.attention import Cell, arithmetic
from model.analysis.places import CROSS, Where
from model.checkpoints import Loaded, Report
from model.config import Attention, Config, Decoder, Encoder, EncoderDecoder, PlainMlp, Relative
from model.errors import Refusal
from model.layers.masks import parse
from model.text.lexicon import NOUNS, PLACES, Language
from model.text.published import PublishedTokenizer
from model.text.tokenizer import BLANK, Tokenizer
from model.trace import Tracer
from model.transformer import Transformer

ROOT = Path(__file__).parents[1]
EN = Words("en")
FORMS = {"embedded": Decoder(), "masked": Encoder(), "translator": EncoderDecoder(encoder_layers=2)}
SOURCE = "the yellow boat is in the river"


def tokenizer_of(name: str) -> Tokenizer:
    return Tokenizer.for_world(BLANK) if name == "masked" else Tokenizer.for_world()


def config_of(name: str) -> Config:
    heads = Attention(heads=2, kv_heads=1, size=8)
    shape = Config(vocabulary=tokenizer_of(name).size, context=80, width=16, layers=3, attention=heads, mlp=PlainMlp(hidden=32))
    return replace(shape, form=FORMS[name])


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three folders side by side: a random decoder, a random encoder and a random translator."""
    folder = tmp_path_factory.mktemp("shipped")
    for seed, name in enumerate(FORMS):
        checkpoints.save(folder / name, Transformer(config_of(name), seed=seed), tokenizer_of(name))
    return folder


@pytest.fixture(autouse=True)
def shipped(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(compute, "EMBEDDED", shelf / "embedded")
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def opened() -> Callable[..., AppTest]:
    def run(page: str = "attention", **parameters: str) -> AppTest:
        app = AppTest.from_function(alone, default_timeout=60)
        app.session_state["page"] = page
        app.query_params["lang"] = "en"
        for name, value in parameters.items():
            app.query_params[name.replace("_", ".")] = value
        return app.run()

    return run


def alone() -> None:
    """A page by itself, below its text."""
    import streamlit

    from components import permalink, theme
    from components.controls import header, prompt
    from components.i18n import Words
    from components.page import Session, guarded
    from components.pages import attention, masks

    page = {"attention": attention.PAGE, "masks": masks.PAGE}[streamlit.session_state["page"]]
    permalink.restore((*header.FIELDS, *prompt.FIELDS, *page.fields))
    words, specimen = Words("en"), header.specimen()
    with guarded(words):
        page.render(Session(words, theme.LIGHT, specimen, prompt.prompt(words, specimen)))
    permalink.publish()


def sent(app: AppTest, name: str, key: str = "") -> Any:
    found = [element.proto for element in app.get("bidi_component") if element.proto.component_name == name and key in element.proto.id]
    return found[0]


def scene(app: AppTest) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """The theatre's header, every map and every allowed cell, as the browser has them."""
    header, (codes,) = plate.opened(sent(app, "vitrine.theatre").bytes)
    planes, shape = np.frombuffer(codes, np.uint8), (header["layers"], header["heads"], header["high"], header["wide"])
    count = int(np.prod(shape))
    cells = header["high"] * header["wide"]
    allowed = np.unpackbits(planes[2 * count :])[:cells].reshape(shape[2:])
    return header, plate.unrooted([planes[:count], planes[count : 2 * count]]).reshape(shape), allowed


def said(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.html)


def read(name: str, text: str, source: str | None = None) -> tuple[Specimen, prompt.Prompt]:
    specimen = compute.shipped("" if name == "embedded" else name)
    return specimen, prompt.read(EN, specimen, text, source)


# ---------------------------------------------------------------- which there are


def test_models_are_offered_by_their_configuration_and_loaded_when_they_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []
    load = checkpoints.load
    monkeypatch.setattr(checkpoints, "load", lambda folder: (loaded.append(Path(folder)), load(folder))[1])
    assert [offer.id for offer in compute.offers()] == ["", "masked", "translator"]
    assert loaded == []
    chosen = compute.specimen_of("translator")
    assert chosen is compute.specimen_of("translator")
    assert chosen is not None
    assert [folder.name for folder in loaded] == ["translator"]
    assert [offer.parameters for offer in compute.offers()][2] == chosen.parameters


# ---------------------------------------------------------------- their texts


def test_a_blank_is_one_token_and_its_place_is_known() -> None:
    specimen, given = read("masked", "The sky is ___.")
    assert given.ids[4] == specimen.tokenizer.blank
    assert given.blanks == (4,)
    assert given.pieces[4:] == (" ___", ".")
    assert all(given.known)
    assert read("embedded", "The sky is ___.")[1].blanks == ()


def test_an_empty_target_is_what_the_model_writes_likeliest_first() -> None:
    specimen, given = read("translator", "", SOURCE)
    model, begin = specimen.loaded.model, specimen.tokenizer.begin
    assert given.own
    assert given.source is not None
    assert given.ids[0] == begin
    assert given.given == (begin,)
    memory = model.encode(torch.tensor([given.source.ids]))
    likeliest = model(torch.tensor([given.ids]), memory=memory)[0].argmax(-1).tolist()
    assert given.ids[1:] == tuple(likeliest[:-1])
    assert begin not in given.ids[1:]
    assert likeliest[-1] == begin or len(given.ids) == 2 * len(given.source.ids) + 17


def test_a_given_target_is_read_as_it_is_written() -> None:
    specimen, given = read("translator", "o barco", SOURCE)
    assert not given.own
    assert given.ids == given.given == (specimen.tokenizer.begin, *specimen.tokenizer.ids("o barco"))
    assert given.source is not None
    assert given.source.pieces[1:] == specimen.tokenizer.encode(SOURCE).pieces


def test_what_the_context_does_not_hold_is_left_out_on_each_side() -> None:
    _, given = read("translator", "o" + " o" * 99, "the" + " the" * 89)
    assert given.source is not None
    assert (len(given.ids), given.cut, len(given.source.ids), given.source.cut) == (80, 21, 80, 11)


def test_an_example_made_for_one_form_gives_way_to_another_forms(opened: Callable[..., AppTest]) -> None:
    app = opened(model="masked")
    app.button(key="example-1").click().run()
    assert app.text_area(key="w:text").value == EN("presets.blank_agreement.text")
    state = app.session_state["vitrine.values"]
    state["model"] = "translator"
    app.run()
    assert app.text_area(key="w:text").value == EN("presets.pair_order.text")
    app.text_area(key="w:text").set_value("my own").run()
    state["model"] = "masked"
    assert app.run().text_area(key="w:text").value == "my own"


def nameless(form: Decoder | Encoder | EncoderDecoder = FORMS["embedded"]) -> Specimen:
    config = replace(config_of("embedded"), form=form, vocabulary=50)
    return compute.specimen(Loaded(Transformer(config, seed=4), None, None, Report("test", 0, (), (), ())), "nameless")


def test_a_model_without_a_tokenizer_reads_numbers_and_shows_them() -> None:
    given = prompt.read(EN, nameless(), "0 17 4 99")
    assert (given.ids, given.pieces, given.opening, given.cut) == ((0, 17, 4), (" 0", " 17", " 4"), 0, 0)
    assert prompt.some_ids(nameless()).split()[0] == "3"
    with pytest.raises(Refusal, match="nothing to read yet"):
        prompt.read(EN, nameless(), "")
    about = prompt.read(EN, nameless(EncoderDecoder(encoder_layers=1)), "", "5 6 7")
    assert about.source_ids == (5, 6, 7)
    assert about.own


@pytest.mark.parametrize("given", ["1 2 x", "-1", "1,2", "12345678", "１", "1 " * 20_000])
def test_what_is_no_number_of_a_token_is_refused(given: str) -> None:
    with pytest.raises(Refusal):
        prompt.IDS.read(given)


def published(frame: bool, form: Decoder | Encoder | EncoderDecoder) -> Specimen:
    """A model with a small published tokenizer of its own, with or without a frame."""
    names = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "the", "sky", "is", "a"]
    library = Library(models.WordLevel({name: number for number, name in enumerate(names)}, "[UNK]"))
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    if frame:
        library.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    config = replace(config_of("embedded"), form=form, vocabulary=20)
    tokenizer = PublishedTokenizer(library, 20)
    return compute.specimen(Loaded(Transformer(config, seed=4), tokenizer, None, Report("test", 0, (), (), ())), "published")


def test_a_published_text_stands_in_its_own_frame() -> None:
    given = prompt.read(EN, published(True, Encoder()), "the sky is [MASK]")
    assert given.ids == (1, 5, 6, 7, 3, 2)
    assert (given.opening, given.closing, given.blanks) == (1, 1, (4,))
    assert given.pieces[0].strip() == "[CLS]"
    assert prompt.read(EN, published(True, Decoder()), "the sky").ids == (1, 5, 6)


def test_no_token_is_assumed_to_open_a_text_where_there_is_none() -> None:
    given = prompt.read(EN, published(False, Decoder()), "the sky")
    assert (given.ids, given.opening) == ((5, 6), 0)


# ---------------------------------------------------------------- attention


def test_across_the_maps_are_target_by_source_and_the_models_own(opened: Callable[..., AppTest]) -> None:
    app = opened(model="translator", text=SOURCE, target="o barco")
    header, maps, allowed = scene(app)
    specimen, given = read("translator", "o barco", SOURCE)
    trace = compute.traced(specimen, given.ids, source=given.source_ids)
    assert header["queries"]["texts"] == ["⟨begin⟩", "o", "barco"]
    assert header["keys"]["texts"] == ["⟨begin⟩", *SOURCE.split()]
    for layer in range(3):
        np.testing.assert_allclose(maps[layer], trace.pattern(layer, "cross"), atol=2e-5)
    assert allowed.all()
    assert header["words"]["rows"] == EN("map.rows_across")
    assert len(header["expected"]) == 3
    assert app.segmented_control(key="w:a.where").value == "cross"


@pytest.mark.parametrize("where", ["encoder", "decoder"])
def test_each_stack_of_a_translator_can_be_looked_into(opened: Callable[..., AppTest], where: str) -> None:
    header, maps, allowed = scene(opened(model="translator", text=SOURCE, target="o barco", a_where=where))
    specimen, given = read("translator", "o barco", SOURCE)
    trace = compute.traced(specimen, given.ids, source=given.source_ids)
    side = 8 if where == "encoder" else 3
    assert (header["high"], header["wide"], header["keys"]) == (side, side, None)
    np.testing.assert_allclose(maps[1], trace.pattern(1, "attn", where), atol=2e-5)  # pyright: ignore[reportArgumentType]
    np.testing.assert_array_equal(allowed, np.ones((8, 8)) if where == "encoder" else np.tri(3))


def test_a_link_opens_the_same_cell_across(opened: Callable[..., AppTest]) -> None:
    app = opened(model="translator", text=SOURCE, target="o barco", a_layer="3", a_head="2", a_row="2", a_column="8")
    assert scene(app)[0]["choice"] == {"layer": 2, "head": 1, "query": 1, "key": 7, "sink": True}
    specimen, given = read("translator", "o barco", SOURCE)
    weight = compute.traced(specimen, given.ids, source=given.source_ids).pattern(2, "cross")[1, 1, 7]
    ledger, _ = plate.opened(sent(app, "vitrine.ledger").bytes)
    assert ledger["title"].startswith("How much does “o” look at “river”?")
    assert ledger["lines"][3]["equations"][-1].endswith(EN.percent(float(weight)))


def test_another_place_keeps_the_head_and_forgets_the_cell(opened: Callable[..., AppTest]) -> None:
    app = opened(model="translator", text=SOURCE, target="o barco", a_layer="2", a_head="2", a_row="2", a_column="8")
    app.segmented_control(key="w:a.where").set_value("encoder").run()
    assert not app.exception
    assert "a.row" not in app.query_params
    assert app.query_params["a.where"] in ("encoder", ["encoder"])
    assert scene(app)[0]["choice"]["layer"] == 1


def test_of_a_long_source_the_exact_map_travels_beside_the_small_ones(opened: Callable[..., AppTest]) -> None:
    source = "the yellow boat " * 26
    app = opened(model="translator", text=source, target="o barco", a_layer="2", a_head="1")
    header, (small, exact) = plate.opened(sent(app, "vitrine.theatre").bytes)
    specimen, given = read("translator", "o barco", source)
    pattern = compute.traced(specimen, given.ids, source=given.source_ids).pattern(1, "cross")[0].numpy()
    assert (header["block"], header["high"], header["wide"], header["stage"]) == (2, 2, 40, [1, 0])
    np.testing.assert_allclose(plate.unrooted(list(np.frombuffer(exact, np.uint8).reshape(2, 3, 80))), pattern, atol=2e-5)
    thumb = np.frombuffer(small, np.uint8)[: 6 * 80].reshape(3, 2, 2, 40)[1, 0]
    np.testing.assert_allclose(plate.unrooted([thumb])[0], pattern[:2].reshape(2, 40, 2).max((0, 2)), atol=4e-3)


def test_an_encoder_opens_at_its_blank_and_says_what_it_expects_there(opened: Callable[..., AppTest]) -> None:
    app = opened(model="masked", text="The ___ is blue.")
    header, maps, allowed = scene(app)
    specimen, given = read("masked", "The ___ is blue.")
    trace = compute.traced(specimen, given.ids)
    assert header["choice"]["query"] == 2
    assert allowed.all()
    np.testing.assert_allclose(maps[2], trace.pattern(2), atol=2e-5)
    best = specimen.tokenizer.piece(int(trace.logits[2].argmax())).strip()
    assert header["expected"][2].startswith(f"“{best}”") or f"“{best}”" not in header["expected"][2]
    assert EN("attention.lead_encoder") in "".join(element.value for element in app.markdown)


def test_a_tapped_token_is_left_blank(opened: Callable[..., AppTest]) -> None:
    specimen, given = read("masked", "The sky is blue.")
    app = opened(model="masked", text=given.text)
    assert json.loads(sent(app, "vitrine.chips").json)["taps"]
    for position, text in ((2, "The ___ is blue."), (1, "___ sky is blue."), (5, "The sky is blue___"), (0, given.text)):
        assert prompt.without(specimen.tokenizer, given, position) == text


def test_a_model_of_numbers_has_its_page(opened: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    one = nameless()
    monkeypatch.setattr(compute, "embedded", lambda: one)
    monkeypatch.setattr(compute, "specimen_of", lambda id: one)
    app = opened(ids="4 8 15 16 23 42")
    assert not app.exception
    assert scene(app)[0]["queries"]["texts"] == ["4", "8", "15", "16", "23", "42"]
    app.text_area(key="w:ids").set_value("4 eight").run()
    assert scene(app)[0]["queries"]["texts"] == ["4", "8", "15", "16", "23", "42"]


# ---------------------------------------------------------------- masks


@pytest.mark.parametrize(
    ("where", "spec", "field"), [("encoder", "window(3)", "m.e.spec"), ("decoder", "causal & window(2)", "m.spec"), ("cross", "wait(2)", "m.x.spec")]
)
def test_each_mask_of_a_translator_can_be_changed(opened: Callable[..., AppTest], where: str, spec: str, field: str) -> None:
    app = opened("masks", model="translator", text=SOURCE, target="o barco amarelo", m_where=where, **{field.replace(".", "_"): spec})
    assert not app.exception
    data = json.loads(sent(app, "vitrine.painter").json)
    shown = painter.unpacked(base64.b64decode(data["cells"]), data["rows"], data["columns"])
    built = parse(spec).across(4, 8) if where == "cross" else parse(spec).build(8 if where == "encoder" else 4)
    np.testing.assert_array_equal(shown, built)
    specimen, given = read("translator", "o barco amarelo", SOURCE)
    place = CROSS if where == "cross" else Where(where)  # pyright: ignore[reportArgumentType]
    trace = compute.traced(specimen, given.ids, spec, source=given.source_ids, where=place)
    assert torch.equal(trace.allowed(place.branch, place.stack), built)
    assert (trace.pattern(1, place.branch, place.stack)[:, ~built] == 0).all()
    others = [each for each in (CROSS, Where("encoder"), Where("decoder")) if each != place]
    plain = compute.traced(specimen, given.ids, source=given.source_ids)
    assert all(torch.equal(trace.allowed(each.branch, each.stack), plain.allowed(each.branch, each.stack)) for each in others)


def test_a_mask_across_is_painted_as_wide_as_the_source(opened: Callable[..., AppTest]) -> None:
    app = opened("masks", model="translator", text=SOURCE, target="o barco")
    data = json.loads(sent(app, "vitrine.painter").json)
    assert (data["rows"], data["columns"], data["ahead"]) == (3, 8, False)
    gallery = json.loads(sent(app, "vitrine.patterns").json)
    assert (gallery["rows"], gallery["columns"], gallery["chosen"]) == (3, 8, "wait")
    names = [picture["name"] for group in gallery["groups"] for picture in group["pictures"]]
    assert names == ["bidirectional", "wait", "left", "right", "window", "dilated", "blocks", "alibi", "hand"]


def test_an_encoder_is_asked_at_its_blank_and_has_no_losses(opened: Callable[..., AppTest]) -> None:
    app = opened("masks", model="masked", text="The ___ is ___.")
    assert not app.exception
    assert json.loads(sent(app, "vitrine.patterns").json)["chosen"] == "causal"
    assert "In place of “___”" in said(app)
    app.segmented_control(key="w:m.blank").set_value(2).run()
    assert not app.exception
    titles = [element.value for element in app.header]
    assert EN("masks.shift.title") in titles
    assert EN("masks.loss.title") not in titles
    assert len(app.metric) == 2


def test_a_mask_of_ones_own_changes_nothing_in_any_form(opened: Callable[..., AppTest]) -> None:
    for name in ("masked", "translator"):
        fields = {"m_e_spec": "bidirectional"} if name == "masked" else {"m_x_spec": "bidirectional"}
        app = opened("masks", model=name, text="The sky is blue.", **fields)
        assert "the mask leaves every weight as it was" in said(app)
        assert "nothing changes" in said(app)


# ---------------------------------------------------------------- the examples, in the trained models


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "EMBEDDED", checkpoints.EMBEDDED)


FILLINGS = {
    "pt-BR": [["azul"], [], ["Joana"], ["Ela"], ["barco"], ["verde"], ["amarelo", "boat"]],
    "en": [["blue"], [], ["Joana"], ["She"], ["boat"], ["green"], ["boat", "amarelo"]],
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_encoder_fills_every_blank_of_its_examples(trained: None, language: str) -> None:
    specimen = compute.shipped("masked")
    named = zip(prompt.PRESETS[Encoder], prompt.presets(Words(language), Encoder()), strict=True)
    for example, answers in zip((example for name, example in named if name != "blank_open"), FILLINGS[language], strict=True):
        given = prompt.read(EN, specimen, example.text)
        said = compute.traced(specimen, given.ids).logits[list(given.blanks)].argmax(-1).tolist()
        pieces = [specimen.tokenizer.piece(id).strip() for id in said]
        assert pieces == answers if answers else all(piece.endswith("s") for piece in pieces), example.text


@pytest.mark.parametrize(("language", "tongue"), [("pt-BR", "pt"), ("en", "en")])
def test_the_open_example_leaves_each_blank_a_choice_of_its_sort(trained: None, language: str, tongue: Language) -> None:
    specimen = compute.shipped("masked")
    given = prompt.read(EN, specimen, Words(language)("presets.blank_open.text"))
    chances = compute.traced(specimen, given.ids).logits[list(given.blanks)].softmax(-1)
    thing, place, again, there = (specimen.tokenizer.piece(id).strip() for id in chances.argmax(-1).tolist())
    assert chances.max() < 0.75
    assert {thing, again} <= {noun.form(tongue, False) for noun in NOUNS}
    assert {place, there} <= {each.within(tongue).split(" ")[-1] for each in PLACES}


def test_the_translator_translates_its_examples_into_one_another(trained: None) -> None:
    specimen, (pt, en) = compute.shipped("translator"), LANGUAGES
    for name in ("pair_order", "pair_story", "pair_question"):
        texts = {language: Words(language)(f"presets.{name}.text") for language in LANGUAGES}
        for language, other in ((pt, en), (en, pt)):
            given = prompt.read(EN, specimen, "", texts[language])
            assert specimen.tokenizer.decode(given.ids[1:]).strip() == texts[other]


# ---------------------------------------------------------------- arithmetic


@pytest.mark.parametrize("language", LANGUAGES)
def test_undivided_scores_with_learned_distances_are_written_as_such(language: str) -> None:
    heads = Attention(heads=2, kv_heads=2, size=8, scaled=False)
    config = Config(vocabulary=40, width=16, form=FORMS["translator"], attention=heads, positions=Relative(buckets=8, reach=16))
    trace = Tracer(Transformer(config, seed=3)).trace(torch.arange(5), source=torch.arange(7))
    words, keys = Words(language), tuple(f" {number}" for number in range(7))
    cell = arithmetic(trace, Cell(1, 0, 4, 1), Where("decoder"))
    lines = {line.term: line for line in of_cell(words, cell, " 4", keys[:5], 2, "r").lines}
    assert "÷ √d" not in lines
    assert lines[words("attention.term.distance")].equations[0].endswith(f"= {words.number(cell.score)}")
    across = of_cell(words, arithmetic(trace, Cell(1, 0, 4, 1), CROSS), " 4", keys, 2, "r")
    assert words("attention.term.distance") not in {line.term for line in across.lines}
