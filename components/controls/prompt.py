"""The reader's text: where it is written, cut to what the model can read, and shown as tokens; and examples worth trying.

What is written follows the model: one text, a text with blanks, a source and its target, or the numbers of tokens where a model came
without a tokenizer.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import streamlit as st

from components import compute, state
from components.canvas.chips import Group, chips
from components.compute import Specimen
from components.i18n import Words
from components.page import Prompt, Session, calm
from model.config import Decoder, Encoder, EncoderDecoder, Form
from model.errors import Refusal
from model.text import blanks
from model.text.lexicon import Language
from model.text.tokenizer import BEGIN, Tokenizer
from model.text.world import World

LIMIT = 20_000
LONGEST_ID = 7  # digits
CHRONICLE = 1_000  # tokens of the longest example
TOLD = ("story", "giving", "question", "biography", "fact")  # the kinds of documents in it
SHOWN = 160  # characters of an example in the list
LISTED = 5  # numbers named that are no tokens of a model


def _numbers(given: str) -> str:
    if len(given) > LIMIT or not re.fullmatch(rf"\s*(\d{{1,{LONGEST_ID}}}\s+)*(\d{{1,{LONGEST_ID}}}\s*)?", given, re.ASCII):
        raise Refusal("link.ids", "this model reads the numbers of tokens, such as 0 17 4; got {given!r}", given=given[:40])
    return given


TEXT = state.text("text", None, LIMIT)
TARGET = state.text("target", "", LIMIT)
IDS = state.Field("ids", "", _numbers)
TARGET_IDS = state.Field("target.ids", "", _numbers)
FIELDS = (TEXT, TARGET, IDS, TARGET_IDS)

PRESETS: dict[type[Form], tuple[str, ...]] = {
    Decoder: ("sky", "agreement", "gift", "pronoun", "question", "repeat", "translation", "counting", "brackets", "open", "invented", "long"),
    Encoder: ("blank_colour", "blank_agreement", "blank_name", "blank_pronoun", "blank_place", "blank_again", "blank_two", "blank_open"),
    EncoderDecoder: ("pair_order", "pair_agreement", "pair_story", "pair_question", "pair_people", "pair_given", "pair_invented"),
}


@dataclass(frozen=True)
class Preset:
    """An example: its title, its text, what to look for once it is on the screen, and a target where the model is to be given one."""

    title: str
    text: str
    look: str
    target: str = ""


def presets(words: Words, form: Form) -> tuple[Preset, ...]:
    """The examples of a language for a form of model."""
    return tuple(Preset(*_parts(words, f"presets.{name}")) for name in PRESETS[type(form)])


def _parts(words: Words, place: str) -> Iterator[str]:
    yield words(f"{place}.title")
    yield words(f"{place}.text") if words.has(f"{place}.text") else chronicle("pt" if words.language == "pt-BR" else "en")
    yield words(f"{place}.look")
    if words.has(f"{place}.target"):
        yield words(f"{place}.target")


@lru_cache(maxsize=2)
def chronicle(language: Language) -> str:
    """What the micro-world tells in one language, document after document, in about `CHRONICLE` tokens: as much as a model of this house
    reads at once. Every word and every sign of it is a token."""
    told: list[str] = []
    for document in World(0).documents():
        if document.kind not in TOLD or document.language != language:
            continue
        longer = " ".join([*told, document.text.strip()])
        if len(re.findall(r"\w+|[^\w\s]", longer)) > CHRONICLE:
            break
        told.append(document.text.strip())
    return " ".join(told)


# ---------------------------------------------------------------- the fields


def prompt(words: Words, specimen: Specimen, opens: tuple[str, ...] = ()) -> Prompt:
    """Draw the text fields, the examples and the tokens; return the text as the model will read it. Until there is one, it is the example
    of this form of model that `opens` names, or else the first."""
    with st.container(key="prompt", gap="xsmall"):
        if specimen.loaded.tokenizer is None:
            prompt = _by_number(words, specimen)
        elif isinstance(specimen.config.form, EncoderDecoder):
            prompt = _pair(words, specimen, opens)
        else:
            prompt = _single(words, specimen, opens)
    return prompt


def _single(words: Words, specimen: Specimen, opens: tuple[str, ...]) -> Prompt:
    examples = presets(words, specimen.config.form)
    encoder = isinstance(specimen.config.form, Encoder)
    with st.container(key="prompt-row", horizontal=True, vertical_alignment="top"):
        text = _field(words, TEXT, _chosen(examples, _first(specimen.config.form, opens)), "blanks" if encoder else "text")
        _examples(words, examples)
    prompt = read(words, specimen, text)
    hide = partial(_hide, specimen.tokenizer, prompt) if _fills(specimen) else None
    chips(words, [_group(words, prompt)], _remarks(words, specimen, prompt, examples), hide=hide)
    return prompt


def _pair(words: Words, specimen: Specimen, opens: tuple[str, ...]) -> Prompt:
    examples = presets(words, specimen.config.form)
    with st.container(key="prompt-pair", horizontal=True, vertical_alignment="top"):
        source = _field(words, TEXT, _chosen(examples, _first(specimen.config.form, opens)), "source")
        target = _field(words, TARGET, state.get(TARGET), "target")
        _examples(words, examples)
    prompt = read(words, specimen, target, source)
    _pair_chips(words, specimen, prompt, examples)
    return prompt


def _by_number(words: Words, specimen: Specimen) -> Prompt:
    both, usual = isinstance(specimen.config.form, EncoderDecoder), some_ids(specimen)
    with st.container(key="prompt-pair" if both else "prompt-row", horizontal=True, vertical_alignment="top"):
        ids = _field(words, IDS, state.get(IDS) or usual, "source_ids" if both else "ids")
        target = _field(words, TARGET_IDS, state.get(TARGET_IDS), "target_ids") if both else ""
    for field in (IDS, TARGET_IDS):
        refused = state.refusal(field)
        if refused:
            calm(words.refusal(refused))
    prompt = read(words, specimen, target, ids) if both else read(words, specimen, ids)
    if both:
        _pair_chips(words, specimen, prompt, ())
    else:
        chips(words, [_group(words, prompt)], _remarks(words, specimen, prompt, ()))
    return prompt


def _pair_chips(words: Words, specimen: Specimen, prompt: Prompt, examples: tuple[Preset, ...]) -> None:
    target = "target_own" if prompt.own else "target"
    sides = (prompt.source or prompt, "source"), (prompt, target)
    groups = [replace(_group(words, side), title=words(f"shell.prompt.{name}")) for side, name in sides]
    chips(words, groups, _remarks(words, specimen, prompt, examples))


def _group(words: Words, prompt: Prompt) -> Group:
    return Group(words("shell.chips.label", count=len(prompt.ids)), prompt)


def _first(form: Form, opens: tuple[str, ...]) -> int:
    """Which example a page opens with."""
    return next((number for number, name in enumerate(PRESETS[type(form)]) if name in opens), 0)


def _chosen(examples: tuple[Preset, ...], first: int) -> str:
    """The reader's text; until there is one, and in place of an example that was chosen for another form of model, the `first` example."""
    chosen = state.get(TEXT)
    strange = chosen == state.remember("prompt.example", lambda: None) and all(chosen != example.text for example in examples)
    return examples[first].text if chosen is None or strange else chosen


def carry(session: Session) -> None:
    """Let the text on the screen be the reader's from now on, so that it comes along to a page that opens with another."""
    text = (session.prompt.source or session.prompt).text
    if session.specimen.loaded.tokenizer is not None and state.get(TEXT) != text:
        state.put(TEXT, text)


def _field(words: Words, field: state.Field[str], shown: str, name: str) -> str:
    bound = state.bind(field, shown=shown, accept=lambda given: given[:LIMIT])
    label, placeholder = words(f"shell.prompt.label.{name}"), words(f"shell.prompt.placeholder.{name}")
    return st.text_area(label, height=68, placeholder=placeholder, label_visibility="collapsed", **bound) or ""


def _examples(words: Words, examples: tuple[Preset, ...]) -> None:
    with st.popover(words("shell.prompt.presets"), key="examples", on_change="rerun"), st.container(key="examples-list"):
        for number, example in enumerate(examples):
            shown = textwrap.shorten(example.text, SHOWN, placeholder=" …")
            st.button(f"**{example.title}** · {shown}", key=f"example-{number}", on_click=partial(_choose, example), type="tertiary")


def _choose(example: Preset) -> None:
    state.put(TEXT, example.text)
    state.put(TARGET, example.target)
    state.forget("prompt.example")
    state.remember("prompt.example", lambda: example.text)
    st.session_state["examples"] = False


def _hide(tokenizer: Tokenizer, prompt: Prompt, position: int) -> None:
    state.put(TEXT, without(tokenizer, prompt, position))


def without(tokenizer: Tokenizer, prompt: Prompt, position: int) -> str:
    """The text with one of its tokens left blank; as it is, where that is no token the reader wrote, or is blank already."""
    at, text = position - prompt.opening, prompt.text
    if not 0 <= at < len(prompt.ids) - prompt.opening - prompt.closing or position in prompt.blanks:
        return text
    start, end = blanks.encode(tokenizer, text).spans[at]
    space = " " if text[start:end].startswith(" ") else ""
    return text[:start] + space + blanks.WRITTEN + text[end:]


# ---------------------------------------------------------------- text to tokens


@dataclass(frozen=True, slots=True)
class Frame:
    """The ids that stand before and after what the reader wrote."""

    opening: tuple[int, ...] = ()
    closing: tuple[int, ...] = ()


def read(words: Words, specimen: Specimen, text: str, source: str | None = None) -> Prompt:
    """A text as the model will read it: in the frame of all its texts, as many tokens as its context holds. For an encoder–decoder the
    text is the target about a `source`, and an empty one is written by the model itself.

    Raises `Refusal` where there is no token at all to read.
    """
    if source is None:
        return _refuse_nothing(_framed(words, specimen, text, _frame(specimen)))
    about = _refuse_nothing(_framed(words, specimen, source, _frame(specimen)))
    start = _start(specimen)
    target = _framed(words, specimen, text, Frame((start,)))
    if len(target.ids) > 1:
        return replace(target, source=about)
    ids = compute.written(specimen, about.ids, start, specimen.loaded.marks.stop)
    pieces = (*target.pieces, *(piece(words, specimen, id) for id in ids[1:]))
    return replace(target, ids=ids, pieces=pieces, known=(True,) * len(ids), source=about, own=True)


def piece(words: Words, specimen: Specimen, id: int) -> str:
    """A token of the vocabulary as the screen writes it: its number, where the model came without a tokenizer."""
    tokenizer = specimen.loaded.tokenizer
    if tokenizer is None:
        return f" {id}"
    return words("shell.prompt.begin") if id == tokenizer.library.token_to_id(BEGIN) else tokenizer.piece(id)


def predicted(words: Words, specimen: Specimen, id: int) -> str:
    """A token as the model predicts it: where texts are written one after the other, the one that opens the next ends this one."""
    tokenizer = specimen.loaded.tokenizer
    ours = tokenizer is not None and id == tokenizer.library.token_to_id(BEGIN)
    return words("shell.prompt.end") if ours and not isinstance(specimen.config.form, Encoder) else piece(words, specimen, id)


def exchange(specimen: Specimen, prompt: Prompt, written: tuple[int, ...]) -> None:
    """Make the target, given and `written`, the source of another; what frames it is left out."""
    own = [id for id in (*prompt.given[prompt.opening :], *written) if id != specimen.loaded.marks.stop]
    tokenizer = specimen.loaded.tokenizer
    text = " ".join(map(str, own)) if tokenizer is None else tokenizer.decode(own)
    state.put(IDS if tokenizer is None else TEXT, text[:LIMIT])
    state.put(TARGET_IDS if tokenizer is None else TARGET, "")


def some_ids(specimen: Specimen) -> str:
    """A few tokens to begin with, for a model that came without a tokenizer."""
    config = specimen.config
    return " ".join(str(3 * place % config.vocabulary) for place in range(1, min(8, config.context) + 1))


def _frame(specimen: Specimen) -> Frame:
    """What stands around every text that this model reads; a text to be continued is left open."""
    tokenizer = specimen.loaded.tokenizer
    if tokenizer is None:
        return Frame()
    return Frame(tokenizer.opening, () if isinstance(specimen.config.form, Decoder) else tokenizer.closing)


def _start(specimen: Specimen) -> int:
    """What opens every target that this model writes."""
    tokenizer, start = specimen.loaded.tokenizer, specimen.loaded.marks.start
    return start if start is not None else 0 if tokenizer is None else tokenizer.begin


def _framed(words: Words, specimen: Specimen, text: str, frame: Frame) -> Prompt:
    ids, pieces, known, unread = _spelled(specimen, text)
    blank = None if specimen.loaded.tokenizer is None else specimen.loaded.tokenizer.blank
    room = max(0, specimen.config.context - len(frame.opening) - len(frame.closing))
    before, after = ([piece(words, specimen, id) for id in side] for side in (frame.opening, frame.closing))
    whole = (*frame.opening, *ids[:room], *frame.closing)
    return Prompt(
        text=text,
        ids=whole,
        pieces=(*before, *pieces[:room], *after),
        known=(*(True for _ in before), *known[:room], *(True for _ in after)),
        cut=max(0, len(ids) - room),
        opening=len(before),
        closing=len(after),
        blanks=tuple(place for place, id in enumerate(whole) if id == blank),
        unread=unread,
    )


def _spelled(specimen: Specimen, text: str) -> tuple[tuple[int, ...], tuple[str, ...], tuple[bool, ...], tuple[str, ...]]:
    """What the reader wrote: ids, pieces, which of them are known, and what has no token in this model."""
    tokenizer = specimen.loaded.tokenizer
    if tokenizer is not None:
        encoding = blanks.encode(tokenizer, text)
        return encoding.ids, encoding.pieces, encoding.known, _uncovered(text, encoding.spans)
    asked = text.split()
    strange = tuple(number for number in asked if int(number) >= specimen.config.vocabulary)
    ids = tuple(int(number) for number in asked if int(number) < specimen.config.vocabulary)
    return ids, tuple(f" {id}" for id in ids), (True,) * len(ids), strange


def _uncovered(text: str, spans: tuple[tuple[int, int], ...]) -> tuple[str, ...]:
    """The letters that stand in no token; spaces need none."""
    covered = bytearray(len(text))
    for start, end in spans:
        covered[start:end] = b"\1" * (end - start)
    return tuple(letter for letter, within in zip(text, covered, strict=True) if not within and not letter.isspace())


def _refuse_nothing(prompt: Prompt) -> Prompt:
    if not prompt.ids and prompt.unread:
        sentence = "nothing in {given!r} is a token of this model, so it has nothing to read yet; write something else"
        raise Refusal("prompt.strange", sentence, given=prompt.text[:40])
    if not prompt.ids:
        raise Refusal("prompt.nothing", "this model has no token that opens a text, so it has nothing to read yet; write something")
    return prompt


# ---------------------------------------------------------------- remarks


def _remarks(words: Words, specimen: Specimen, prompt: Prompt, examples: tuple[Preset, ...]) -> list[str]:
    """What was left out, what was cut, and what to look for in an example."""
    context, number = words.number(specimen.config.context), words.number
    sides = [side for side in (prompt.source, prompt) if side is not None]
    long = words("shell.prompt.long", limit=number(LIMIT)) if any(len(side.text) == LIMIT for side in sides) else ""
    cut = [words("shell.prompt.cut", context=context, cut=number(side.cut)) for side in sides if side.cut]
    strange = [_unread(words, specimen, side.unread) for side in sides if side.unread]
    asked = (sides[0].text, prompt.text if prompt.source else "")
    look = next((example.look for example in examples if (example.text, example.target) == asked), "")
    tap = words("shell.prompt.tap") if not prompt.blanks and _fills(specimen) else ""
    return [sentence for sentence in (long, *strange, *cut, look or tap) if sentence]


def _unread(words: Words, specimen: Specimen, unread: tuple[str, ...]) -> str:
    """What was left out because this model has no token for it: which numbers, or how many letters."""
    if specimen.loaded.tokenizer is not None:
        return words("shell.prompt.letters", count=words.number(len(unread)))
    listed = ", ".join(unread[:LISTED]) + (" …" if len(unread) > LISTED else "")
    return words("shell.prompt.numbers", last=words.number(specimen.config.vocabulary - 1), listed=listed)


def _fills(specimen: Specimen) -> bool:
    return specimen.loaded.tokenizer is not None and specimen.loaded.tokenizer.blank is not None
