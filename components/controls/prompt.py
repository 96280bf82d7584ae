"""The reader's text: where it is written, cut to what the model can read, and shown as tokens; and examples worth trying."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import streamlit as st

from components import state
from components.canvas.chips import chips
from components.compute import Specimen
from components.i18n import Words
from components.page import Prompt

LIMIT = 20_000
TEXT = state.text("text", None, LIMIT)
FIELDS = (TEXT,)
PRESETS = ("sky", "agreement", "gift", "pronoun", "question", "repeat", "translation", "counting", "brackets", "invented")


@dataclass(frozen=True)
class Preset:
    """An example: its title, its text, and what to look for once it is on the screen."""

    title: str
    text: str
    look: str


def presets(words: Words) -> tuple[Preset, ...]:
    """The examples of a language."""
    return tuple(Preset(*(words(f"presets.{name}.{part}") for part in ("title", "text", "look"))) for name in PRESETS)


def prompt(words: Words, specimen: Specimen) -> Prompt:
    """Draw the text field, the examples and the tokens; return the text as the model will read it."""
    examples = presets(words)
    with st.container(key="prompt", gap="xsmall"):
        with st.container(key="prompt-row", horizontal=True, vertical_alignment="top"):
            text = _field(words, examples[0].text)
            _examples(words, examples)
        prompt = read(words, specimen, text)
        chips(words, prompt, _remarks(words, specimen, prompt, examples))
    return prompt


def read(words: Words, specimen: Specimen, text: str) -> Prompt:
    """Text to tokens: the begin token, then as many pieces as the model's context holds."""
    tokenizer = specimen.tokenizer
    encoding = tokenizer.encode(text)
    room = specimen.loaded.model.config.context - 1
    return Prompt(
        text=text,
        ids=(tokenizer.begin, *encoding.ids[:room]),
        pieces=(words("shell.prompt.begin"), *encoding.pieces[:room]),
        known=(True, *encoding.known[:room]),
        cut=max(0, len(encoding.ids) - room),
    )


def _field(words: Words, default: str) -> str:
    chosen = state.get(TEXT)
    bound = state.bind(TEXT, shown=default if chosen is None else chosen, accept=lambda given: given[:LIMIT])
    label, placeholder = words("shell.prompt.label"), words("shell.prompt.placeholder")
    return st.text_area(label, height=68, placeholder=placeholder, label_visibility="collapsed", **bound) or ""


def _examples(words: Words, examples: tuple[Preset, ...]) -> None:
    with st.popover(words("shell.prompt.presets"), key="examples", on_change="rerun"), st.container(key="examples-list"):
        for number, example in enumerate(examples):
            st.button(f"**{example.title}** · {example.text}", key=f"example-{number}", on_click=partial(_choose, example), type="tertiary")


def _choose(example: Preset) -> None:
    state.put(TEXT, example.text)
    st.session_state["examples"] = False


def _remarks(words: Words, specimen: Specimen, prompt: Prompt, examples: tuple[Preset, ...]) -> list[str]:
    """What was cut, and what to look for in an example."""
    context = words.number(specimen.loaded.model.config.context)
    long = words("shell.prompt.long", limit=words.number(LIMIT)) if len(prompt.text) == LIMIT else ""
    cut = words("shell.prompt.cut", context=context, cut=words.number(prompt.cut)) if prompt.cut else ""
    look = next((example.look for example in examples if example.text == prompt.text), "")
    return [sentence for sentence in (long, cut, look) if sentence]
