"""The whole app, run without a browser on a tiny model: first paint, language, text, model, trouble."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import text as st_text
from streamlit.testing.v1 import AppTest

from components import compute, writing
from components.canvas.chips import Group, layout
from components.controls import prompt
from components.i18n import Words
from components.page import Session
from components.pages import attention
from model import checkpoints
from model.config import Attention, Config, Decoder, Encoder, EncoderDecoder, PlainMlp
from model.errors import Refusal
from model.text import blanks
from model.text.tokenizer import BLANK, Tokenizer
from model.transformer import Transformer

ROOT = Path(__file__).parents[1]
CONTEXT = 48


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model that speaks the micro-world's vocabulary."""
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = Tokenizer.for_world()
    attention = Attention(heads=2, kv_heads=2, size=8)
    config = Config(vocabulary=tokenizer.size, context=CONTEXT, width=16, layers=2, attention=attention, mlp=PlainMlp(hidden=32))
    checkpoints.save(folder, Transformer(config, seed=0), tokenizer)
    return folder


@pytest.fixture(autouse=True)
def embedded(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(compute, "EMBEDDED", tiny)
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def opened() -> Callable[..., AppTest]:
    def run(**parameters: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in parameters.items():
            app.query_params[name] = value
        return app.run()

    return run


def said(app: AppTest) -> str:
    """Everything the run has put on the screen as plain HTML."""
    return "\n".join(element.proto.body for element in app.html)


def notes(app: AppTest) -> list[str]:
    """The calm notices on the screen."""
    return [element.proto.body for element in app.html if element.proto.body.startswith('<p class="v-note"')]


# ---------------------------------------------------------------- the first paint


def test_the_first_paint_needs_no_click(opened: Callable[..., AppTest]) -> None:
    app = opened()
    assert not app.exception
    assert app.text_area(key="w:text").value == "The sky is"
    assert notes(app) == []
    assert dict(app.query_params) == {}


def test_the_models_name_and_size_are_in_sight(opened: Callable[..., AppTest], tiny: Path) -> None:
    parameters = sum(weight.numel() for weight in checkpoints.load(tiny).model.parameters())
    assert f"Vitrine · {Words('en').count(parameters)} parameters" in said(opened())


# ---------------------------------------------------------------- language, theme, link


def test_the_language_switch_changes_the_words_and_the_example(opened: Callable[..., AppTest]) -> None:
    app = opened()
    app.segmented_control(key="w:lang").set_value("pt-BR").run()
    assert not app.exception
    assert app.text_area(key="w:text").value == "O céu é"
    assert app.query_params["lang"] in ("pt-BR", ["pt-BR"])


def test_the_language_switch_keeps_what_the_reader_wrote(opened: Callable[..., AppTest]) -> None:
    app = opened(text="The sun is")
    app.segmented_control(key="w:lang").set_value("pt-BR").run()
    assert app.text_area(key="w:text").value == "The sun is"


def test_the_theme_switch_offers_the_other_palette_each_time(opened: Callable[..., AppTest]) -> None:
    app = opened(theme="light")
    for switch, other in (("Dark", "dark"), ("Light", "light")):
        assert app.button(key="theme").label == switch
        app.button(key="theme").click().run()
        assert app.query_params["theme"] in (other, [other])


def test_a_forged_link_opens_with_defaults_and_says_so(opened: Callable[..., AppTest]) -> None:
    app = opened(theme="purple", lang="xx", text="O mar é")
    assert not app.exception
    assert app.text_area(key="w:text").value == "O mar é"
    assert "Part of the link could not be read and was left at its default: lang, theme." in notes(app)[0]


def test_a_link_to_a_model_of_another_browser_shows_the_embedded_one_and_says_so(opened: Callable[..., AppTest]) -> None:
    app = opened(model="0123456789ab")
    assert not app.exception
    assert Words("en")("shell.model.missing", name="Vitrine") in notes(app)[0]


# ---------------------------------------------------------------- the text


def test_the_reader_may_leave_the_text_empty(opened: Callable[..., AppTest]) -> None:
    app = opened()
    app.text_area(key="w:text").set_value("").run()
    assert not app.exception
    assert app.text_area(key="w:text").value == ""


def test_a_text_that_is_too_long_is_cut_and_the_rest_of_the_screen_goes_on(opened: Callable[..., AppTest]) -> None:
    app = opened()
    app.text_area(key="w:text").set_value("céu " * 6_000).run()
    assert not app.exception
    assert len(app.text_area(key="w:text").value or "") == prompt.LIMIT


def test_an_example_fills_the_text(opened: Callable[..., AppTest]) -> None:
    app = opened(lang="pt-BR")
    app.button(key="example-2").click().run()
    assert app.text_area(key="w:text").value == Words("pt-BR")("presets.gift.text")


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("O céu é", 3), ("céu " * 47, 47), ("céu " * 60, 60)])
def test_a_prompt_holds_what_the_model_can_read_and_counts_the_rest(text: str, tokens: int) -> None:
    read = prompt.read(Words("en"), compute.embedded(), text.strip())
    kept = min(tokens, CONTEXT - 1)
    assert len(read.ids) == len(read.pieces) == len(read.known) == kept + 1
    assert read.ids[0] == compute.embedded().tokenizer.begin
    assert read.cut == tokens - kept


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st_text(max_size=200))
def test_no_text_breaks_the_prompt_or_its_chips(text: str) -> None:
    words = Words("pt-BR")
    read = prompt.read(words, compute.embedded(), text)
    drawn = layout(words, [Group("", read)])
    assert [token["piece"] for token in drawn["groups"][0]["tokens"]] == list(read.pieces)
    assert bool(drawn["legend"]) == (not all(read.known))


@pytest.mark.parametrize("language", ["pt-BR", "en"])
def test_examples_stay_within_the_world_but_for_the_invented_word(language: str) -> None:
    for form in (Decoder(), Encoder(), EncoderDecoder()):
        examples, names = prompt.presets(Words(language), form), prompt.PRESETS[type(form)]
        for name, example in zip(names, examples, strict=True):
            for text in (example.text, example.target):
                encoding = blanks.encode(Tokenizer.for_world(BLANK), text)
                assert all(encoding.known) == (not name.endswith("invented") or not text), text
                assert len(encoding.ids) < (CONTEXT if name != "long" else 1_024)
        assert len({(example.text, example.target) for example in examples}) == len(names)


def opening(opens: tuple[str, ...]) -> None:
    """A page that opens with examples of its own, and a door from it."""
    import streamlit as st

    from components import compute, theme
    from components.controls import prompt
    from components.i18n import Words
    from components.page import Session

    words, specimen = Words("en"), compute.embedded()
    session = Session(words, theme.LIGHT, specimen, prompt.prompt(words, specimen, opens))
    st.button("door", on_click=prompt.carry, args=(session,), key="door")


def test_a_page_opens_with_an_example_of_its_own_which_a_door_takes_along_and_no_text_of_the_readers_gives_way_to() -> None:
    own, first = (words_of(name) for name in ("open", "sky"))
    app = AppTest.from_function(opening, default_timeout=60, kwargs={"opens": writing.OPENS}).run()
    assert app.text_area[0].value == own
    app.button("door").click().run()
    assert app.session_state["vitrine.values"]["text"] == own
    elsewhere = AppTest.from_function(opening, default_timeout=60, kwargs={"opens": ()})
    assert elsewhere.run().text_area[0].value == first
    elsewhere.session_state["vitrine.values"] = {"text": own}
    assert elsewhere.run().text_area[0].value == own
    app.text_area[0].set_value("The boat").run()
    assert app.text_area[0].value == "The boat"
    assert all(sum(name in writing.OPENS for name in names) == 1 for names in prompt.PRESETS.values())


def words_of(name: str) -> str:
    return Words("en")(f"presets.{name}.text")


# ---------------------------------------------------------------- trouble


def failing(error: Exception) -> Callable[[Session], None]:
    def render(session: Session) -> None:
        raise error

    return render


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RuntimeError("secret detail"), "Something went wrong here."),
        (Refusal("config.kv_heads", "{heads} query heads cannot share", heads=3), "3 query heads cannot share."),
    ],
)
def test_a_page_that_fails_says_one_calm_sentence(
    opened: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    monkeypatch.setattr(attention, "PAGE", replace(attention.PAGE, render=failing(error)))
    app = opened()
    assert not app.exception
    assert len(notes(app)) == 1
    assert sentence in notes(app)[0]


def test_a_missing_model_says_one_sentence(opened: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compute, "EMBEDDED", tmp_path / "nowhere")
    app = opened()
    assert not app.exception
    assert len(notes(app)) == 1
    assert "nowhere" in notes(app)[0]
