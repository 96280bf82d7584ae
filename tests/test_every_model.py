"""Every page on every family, under odd texts and settings that another model had: nothing fails, nothing is lost without a word."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from components import compute
from components.compute import Specimen
from components.controls import prompt
from components.i18n import LANGUAGES, Words
from model.checkpoints import Loaded, Report
from model.errors import Refusal
from model.families import FAMILIES, NAMES
from model.families.miniature import miniature
from model.text.published import PublishedTokenizer
from model.transformer import Transformer

EN = Words("en")
READING = ("attention", "masks", "generation", "positions")
VOCABULARY = 101

torch.set_num_threads(1)


# ---------------------------------------------------------------- models


def model_of(family: str, vocabulary: int = VOCABULARY, *, heads: int = 3, layers: int = 3, context: int = 40) -> Transformer:
    """A random miniature of a family, its heads no power of two."""
    published = [*FAMILIES[NAMES.index(family)].sizes.values()][-1].config
    config = miniature(published, vocabulary=vocabulary, width=8 * heads, layers=layers, heads=heads, context=context, window=5)
    return Transformer(config, seed=3)


def specimen_of(model: Transformer, tokenizer: PublishedTokenizer | None = None) -> Specimen:
    return compute.specimen(Loaded(model, tokenizer, None, Report("test", 0, (), (), ())), "a model from outside")


CORPUS = ["o céu é azul e o barco é amarelo", "the sky is blue and the boat is yellow", "Ana deu a chave a Bento"]


def in_pairs() -> Library:
    """Pairs of bytes, as GPT-2 reads: a letter without a piece is spelled in bytes."""
    library = Library(models.BPE())
    library.pre_tokenizer, library.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    library.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=290, initial_alphabet=alphabet, show_progress=False))
    return library


def in_word_pieces() -> Library:
    """Word pieces in a frame, as BERT reads: small letters without accents, and one token for the unknown."""
    named = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    library = Library(models.WordPiece(unk_token="[UNK]"))
    library.normalizer, library.pre_tokenizer, library.decoder = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    library.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=120, special_tokens=named, show_progress=False))
    frame = [("[CLS]", 2), ("[SEP]", 3)]
    library.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=frame)
    return library


def in_likely_pieces() -> Library:
    """The likeliest pieces, as T5 reads, closed by a token of their own."""
    library = Library(models.Unigram())
    library.pre_tokenizer, library.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    named = ["<pad>", "</s>", "<unk>"]
    library.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=60, special_tokens=named, unk_token="<unk>", show_progress=False))
    library.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return library


def in_letters() -> Library:
    """Pairs of letters without a token for the unknown: what has no piece has no token at all."""
    library = Library(models.BPE())
    library.pre_tokenizer = pre_tokenizers.Whitespace()
    library.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=60, show_progress=False))
    return library


KINDS: dict[str, tuple[str, Callable[[], Library]]] = {
    "gpt2": ("gpt2", in_pairs),
    "bert": ("bert", in_word_pieces),
    "t5": ("t5", in_likely_pieces),
    "bloom": ("bloom", in_letters),
}


def published(kind: str) -> Specimen:
    """A model that came with its own tokenizer, of as many tokens as that has."""
    family, made = KINDS[kind]
    library = made()
    size = library.get_vocab_size()
    return specimen_of(model_of(family, size), PublishedTokenizer(library, size))


# ---------------------------------------------------------------- the screen


def alone() -> None:
    """One page of all, below the text."""
    import streamlit

    from components import permalink, theme
    from components.controls import header, prompt
    from components.i18n import Words
    from components.page import UNREAD, Session, guarded
    from components.pages import attention, families, generation, masks, paper, positions, size

    pages = {page.PAGE.name: page.PAGE for page in (attention, masks, generation, size, families, positions, paper)}
    page, words = pages[streamlit.session_state["page"]], Words(streamlit.session_state["language"])
    permalink.restore((*header.FIELDS, *prompt.FIELDS, *(field for each in pages.values() for field in each.fields)))
    specimen = header.specimen()
    with guarded(words):
        page.render(Session(words, theme.LIGHT, specimen, prompt.prompt(words, specimen) if page.reads else UNREAD))
    permalink.publish()


Screen = Callable[..., AppTest]
Show = Callable[[Specimen], None]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Iterator[Show]:
    """Put a model on show, in every session."""
    st.cache_resource.clear()

    def put(specimen: Specimen) -> None:
        monkeypatch.setattr(compute, "specimen_of", lambda id: specimen)

    yield put
    st.cache_resource.clear()


def visit(app: AppTest, page: str, language: str = "en") -> AppTest:
    """Go to a page of a running session."""
    app.session_state["page"], app.session_state["language"] = page, language
    return app.run()


def session(**link: str) -> AppTest:
    """A reader who comes by a link; nothing is run yet."""
    app = AppTest.from_function(alone, default_timeout=60)
    for name, value in link.items():
        app.query_params[name.replace("_", ".")] = value
    return app


def said(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.html)


def sent(app: AppTest) -> str:
    """What the components on the screen were given, as JSON."""
    return "\n".join(element.proto.json for element in app.get("bidi_component"))


def remarks(app: AppTest) -> list[str]:
    """What is said below the reader's tokens."""
    found = next(element.proto for element in app.get("bidi_component") if element.proto.component_name == "vitrine.chips")
    return json.loads(found.json)["remarks"]


def sound(app: AppTest, caught: pytest.LogCaptureFixture) -> None:
    """No traceback, no trouble, and no number that is none."""
    assert [error.message for error in app.exception] == []
    assert [record.getMessage() for record in caught.records if record.levelno >= logging.ERROR] == []
    assert not any(Words(language)("shell.trouble.unexpected") in said(app) for language in LANGUAGES)
    assert not any(value in sent(app) for value in ("NaN", "Infinity"))


# ---------------------------------------------------------------- every family on every page


@pytest.mark.parametrize("family", NAMES)
def test_every_page_works_on_every_family(family: str, show: Show, caplog: pytest.LogCaptureFixture) -> None:
    show(specimen_of(model_of(family)))
    app = session()
    for page, language in zip(READING, ("pt-BR", "en", "pt-BR", "en"), strict=True):
        sound(visit(app, page, language), caplog)
        assert len(app.get("bidi_component")) > 1 or "v-note" in said(app)


@pytest.mark.parametrize("page", ["size", "families", "paper"])
@pytest.mark.parametrize("family", ["albert", "t5", "falcon"])
def test_pages_that_read_no_text_stand_beside_any_model(page: str, family: str, show: Show, caplog: pytest.LogCaptureFixture) -> None:
    show(specimen_of(model_of(family)))
    sound(visit(session(), page), caplog)


FAR = {f"{page}_{part}": str(value) for page in ("a", "m", "pos") for part, value in (("layer", 96), ("head", 128))} | {
    "a_where": "cross",
    "a_row": "4096",
    "a_column": "4096",
    "m_where": "cross",
    "m_spec": "~window(1024)",
    "m_blank": "1024",
    "pos_stack": "encoder",
    "pos_mark": "4096",
    "pos_at": "4096",
    "pos_start": "1000000",
    "g_n": "1024",
    "g_at": "1024",
}


@pytest.mark.parametrize("page", READING)
def test_another_model_may_lack_the_layer_the_head_and_the_stack_that_were_looked_at(page: str, show: Show, caplog: pytest.LogCaptureFixture) -> None:
    app = session(**FAR)
    for family, heads, layers in (("original", 5, 4), ("bert", 3, 2), ("bloom", 2, 1), ("t5", 1, 1), ("mistral", 4, 2)):
        show(specimen_of(model_of(family, heads=heads, layers=layers)))
        sound(visit(app, page), caplog)


# ---------------------------------------------------------------- odd texts

TEXTS = {
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 é",
    "right to left": "שלום مرحبا \u202eabc\u202c",
    "script": "<script>alert(1)</script>",
    "markdown": r"# **b** [x](javascript:alert(3)) :red[x] $\frac{1}{0}$ {row} {0} %s",
    "controls": "a\x07b\u200b\u2028\ufeff\uffff\t\n c",
    "blanks": "___ ___",
    "long": "the sky is blue " * 1_250,
    "spaces": " " * 40,
    "nothing": "",
}


@pytest.mark.parametrize("kind", KINDS)
def test_odd_texts_are_read_by_every_kind_of_tokenizer(kind: str, show: Show, caplog: pytest.LogCaptureFixture) -> None:
    show(published(kind))
    for number, text in enumerate(TEXTS.values()):
        page = READING[number % len(READING)]
        sound(visit(session(text=prompt.TEXT.write(text)), page), caplog)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", list(TEXTS.values()), ids=list(TEXTS))
def test_each_letter_of_a_text_stands_in_a_token_or_is_said_to_be_left_out(kind: str, text: str) -> None:
    specimen = published(kind)
    spans = prompt.blanks.encode(specimen.tokenizer, text).spans
    within = {place for start, end in spans for place in range(start, end)}
    lost = [letter for place, letter in enumerate(text) if place not in within and not letter.isspace()]
    if specimen.tokenizer.opening or specimen.tokenizer.closing or spans:
        assert list(prompt.read(EN, specimen, text).unread) == lost
    else:
        with pytest.raises(Refusal, match="nothing in" if lost else "write something"):
            prompt.read(EN, specimen, text)


def test_letters_that_no_token_spells_are_counted_below_the_text(show: Show) -> None:
    show(published("bloom"))
    app = visit(session(text="o céu 🦜 é azul"), "attention")
    assert EN("shell.prompt.letters", count="1") in remarks(app)


# ---------------------------------------------------------------- numbers of tokens


def test_numbers_that_are_no_token_are_named(show: Show) -> None:
    show(specimen_of(model_of("llama")))
    app = visit(session(ids="5 101 6 9999999"), "attention")
    assert EN("shell.prompt.numbers", last="100", listed="101, 9999999") in remarks(app)
    many = visit(session(ids="5 " + "200 " * 30), "attention")
    assert EN("shell.prompt.numbers", last="100", listed="200, 200, 200, 200, 200 …") in remarks(many)


def test_of_a_source_and_a_target_each_says_what_it_left_out(show: Show) -> None:
    show(specimen_of(model_of("t5")))
    app = visit(session(ids="5 300", target_ids="6 400"), "attention")
    said_below = remarks(app)
    assert [EN("shell.prompt.numbers", last="100", listed=number) in said_below for number in ("300", "400")] == [True, True]


@pytest.mark.parametrize("language", LANGUAGES)
def test_numbers_of_which_none_is_a_token_are_refused_in_a_sentence(language: str, show: Show, caplog: pytest.LogCaptureFixture) -> None:
    show(specimen_of(model_of("gptj")))
    app = visit(session(ids="101 102"), "masks", language)
    sound(app, caplog)
    with pytest.raises(Refusal, match="nothing in '101 102' is a token") as refused:
        prompt.read(EN, specimen_of(model_of("gptj")), "101 102")
    told = Words(language).refusal(refused.value)
    assert told.replace("'", "&#x27;") in said(app)
    assert (told == EN.refusal(refused.value)) is (language == "en")
