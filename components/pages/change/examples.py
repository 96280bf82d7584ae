"""Ready experiments: edits to set with one click, with the text they are about. Which heads, was measured; see `python -m model heads`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import streamlit as st

from components import changes, compute, state
from components.compute import Specimen
from components.controls import header
from components.controls.prompt import TARGET, TEXT
from components.pages.change import view as fields
from components.pages.change.view import View
from model.config import Config, Decoder, Encoder, EncoderDecoder, Form
from model.interventions import Head, Part, Residual, Silence, Steer, parse_all
from model.interventions import Prompt as Given

MEASURED: dict[str, dict[str, str]] = {
    "": {
        "induction": "silence(L3.H1); silence(L3.H3)",
        "first_layer": "",
        "previous": "paint(L0.H2, previous)",
        "steer": "",
        "mlp": "silence(L0.mlp)",
        "patch": "",
    },
    "masked": {
        "induction": "silence(encoder.L3.H0)",
        "previous": "paint(encoder.L3.H0, previous)",
        "pronoun": "silence(encoder.L3.H0)",
        "first_layer": "",
    },
    "translator": {"deaf": "silence(L1.cross)", "colour": "silence(L1.cross.H2)", "encoder": "silence(encoder.L0.attn)", "first_layer": ""},
}
"""By the folder of the model that ships; an experiment without edits here has them made from the model's own shape."""

FORMS: dict[str, type[Form]] = {"": Decoder, "masked": Encoder, "translator": EncoderDecoder}


@dataclass(frozen=True, slots=True)
class Experiment:
    """What it is called, and what it sets."""

    name: str
    title: str
    text: str
    other: str
    chips: changes.Chips


def experiments(view: View) -> Iterator[Experiment]:
    """Those of this model: the measured ones of a model that ships, and of any other what its shape allows."""
    shipped = state.get(header.MODEL)
    measured = shipped in MEASURED and isinstance(view.specimen.config.form, FORMS[shipped])
    ours = measured and compute.specimen_of(shipped) is view.specimen
    form = shipped if ours else ""
    for name, spelled in (MEASURED[form] if ours else {"first_layer": "", "previous": f"paint({_stacked(view)}L0.H0, previous)"}).items():
        place = f"change.experiments.{form or 'decoder'}.{name}" if ours else f"change.experiments.any.{name}"
        text = view.words(f"{place}.text") if view.words.has(f"{place}.text") else ""
        other = view.words(f"{place}.other") if view.words.has(f"{place}.other") else ""
        yield Experiment(name, view.words(f"{place}.title"), text, other, _chips(view, name, spelled))


def _stacked(view: View) -> str:
    return "encoder." if view.specimen.config.main == "encoder" else ""


def _chips(view: View, name: str, spelled: str) -> changes.Chips:
    config = view.specimen.config
    if name == "first_layer":
        return tuple(changes.Chip(Silence(Head(0, head, "attn", config.main))) for head in range(config.attention.heads))
    if name == "steer":
        sides = (_texts(view.specimen, view.words(f"change.steer.text_{side}_decoder")) for side in ("toward", "away"))
        return (changes.Chip(Steer(Residual(config.depths["decoder"] - 1), 1.0, *sides)),)
    return tuple(map(changes.Chip, parse_all(spelled)))


def _texts(specimen: Specimen, given: str) -> tuple[Given, ...]:
    return tuple(Given((*specimen.tokenizer.opening, *specimen.tokenizer.encode(line).ids)) for line in given.splitlines() if line.strip())


def examples(view: View) -> None:
    """A row of buttons, one click each."""
    with st.container(key="change-examples", horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown(view.words("change.experiments.title"))
        for one in _fitting(view):
            st.button(one.title, key=f"change-example-{one.name}", on_click=partial(_set, one))


def _fitting(view: View) -> Iterator[Experiment]:
    for one in experiments(view):
        if all(_has(view.specimen.config, chip.edit.part) for chip in one.chips):
            yield one


def _has(config: Config, part: Part) -> bool:
    """Whether a model has this part, whatever the length of its text."""
    return part.layer < config.depths.get(part.stack, 0) and (not isinstance(part, Head) or part.head < config.attention.heads)


def _set(one: Experiment) -> None:
    changes.put(one.chips, 1 if len(one.chips) == 1 else 0)
    for field in (fields.PART, fields.AT, fields.WHERE, fields.LAYER, fields.HEAD, fields.RIGHT, fields.WRONG):
        state.reset(field)
    if one.other:
        state.put(fields.OTHER, one.other)
    if one.text:
        state.put(TEXT, one.text)
        state.put(TARGET, "")
