"""The workbench: the model as tiles, what can be done with the part in hand, and the edits made so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

from components import changes, page, state
from components.canvas.strip import Strip, Token, strip
from components.canvas.switches import Panel, Switch, switches
from components.canvas.tiles import Board, Mark, Tile, tiles
from components.pages.change.view import FACTORS, HEAD, LAYER, PART, STRENGTHS, WHERE, View, bare
from model.config import EncoderDecoder, Kind
from model.interventions import (
    Another,
    Cell,
    Edit,
    First,
    Head,
    Layer,
    Mean,
    Output,
    PaintPattern,
    PaintRule,
    Part,
    Previous,
    Replace,
    Residual,
    Rule,
    Scale,
    Silence,
    Spread,
    Steer,
    Uniform,
    Zeros,
)
from model.trace import Branch

HALF = 0.5
# What the settings of the chip in hand were last moved to; the chip itself is what a link carries.
MOVED = state.number("c.moved", 1.0, -1e6, 1e6)
CHOICES = {name: state.text(f"c.{name}", "", 40) for name in ("way", "rule", "other")}


# ---------------------------------------------------------------- the model as tiles


def board(view: View) -> None:
    """The model's parts, to choose one from."""
    words = view.words
    st.header(words("change.board.title"))
    part = view.part
    chosen = "" if part is None else str(Head(part.layer, part.head, part.branch, part.stack) if isinstance(part, Cell) else bare(part))
    rows = tuple((label, tuple(_tile(view, one, text, wide) for one, text, wide in row)) for label, row in _rows(view))
    shown = Board(words("change.board.label"), rows, chosen=chosen, help=words("change.board.help"), silences=True)
    tiles("change-parts", shown, partial(_chose, rows))


def _chose(rows: tuple[tuple[str, tuple[Tile, ...]], ...], name: str, act: str) -> None:
    part = PART.read(name)
    assert part is not None
    state.put(PART, part)
    for field in (WHERE, LAYER, HEAD):
        state.reset(field)
    if act == "silence":
        changes.add(Silence(part))
    else:
        state.put(changes.CHIP, 0)


Row = list[tuple[Part, str, bool]]


def _rows(view: View) -> Iterator[tuple[str, Row]]:
    config, words, heads = view.specimen.config, view.words, range(view.specimen.config.attention.heads)
    for stack, depth in config.depths.items():
        crosses = stack == "decoder" and isinstance(config.form, EncoderDecoder)
        named = words(f"change.board.{stack}") + " " if view.two else ""
        yield named + words("change.board.input"), [(Residual(0, "before", stack), words("change.board.stream"), True)]
        for layer in range(depth):
            writers = [(Output(layer, "mlp", stack), "MLP", True), (Residual(layer, "after", stack), words("change.board.stream"), True)]
            own = _heads(layer, "attn", stack, heads), (Output(layer, "attn", stack), words("change.board.attn"), True)
            label = named + words("change.board.layer", layer=layer + 1)
            if crosses:
                across = (Output(layer, "cross", stack), words("change.board.cross"), True)
                yield label, [*own[0], own[1]]
                yield words("change.board.across"), [*_heads(layer, "cross", stack, heads), across, *writers]
            else:
                yield label, [*own[0], own[1], *writers]


def _heads(layer: int, branch: Branch, stack: Kind, heads: range) -> Row:
    return [(Head(layer, head, branch, stack), str(head + 1), False) for head in heads]


def _tile(view: View, part: Part, text: str, wide: bool) -> Tile:
    marks = [_on(view, chip) for chip in changes.chips() if _same(chip.edit.part, part)]
    mark: Mark = "on" if True in marks else "off" if marks else ""
    told = view.teller.part(part)
    return Tile(str(part), text, f"{told}, {view.words(f'change.board.{mark}')}" if mark else told, mark=mark, wide=wide)


def _on(view: View, chip: changes.Chip) -> bool:
    return chip.on and chip.edit in view.edits


def _same(edited: Part, part: Part) -> bool:
    """Whether an edit of one part shows on the tile of another: a cell's on its head's, a layer's on its branches'."""
    if isinstance(edited, Cell):
        return Head(edited.layer, edited.head, edited.branch, edited.stack) == part
    if isinstance(edited, Layer):
        return isinstance(part, Output) and (part.layer, part.stack) == (edited.layer, edited.stack)
    return bare(edited) == part


# ---------------------------------------------------------------- the chips


def chips(view: View) -> None:
    """Every edit as a chip."""
    told = tuple(_switch(view, chip) for chip in changes.chips())
    past = changes.history()
    panel = Panel(told, 0 if view.hand is None else view.hand + 1, bool(past.past), bool(past.future))
    switches("change-chips", view.words, panel, changes.act)
    if past.refused is not None:
        page.note(view.session, view.words.refusal(past.refused))


def _switch(view: View, chip: changes.Chip) -> Switch:
    refused = changes.unfit(chip.edit, view.model, view.given)
    reason = "" if refused is None else view.words("change.chips.unfit", reason=view.words.refusal(refused))
    return Switch(view.teller.edit(chip.edit), chip.on, reason)


# ---------------------------------------------------------------- the part in hand


def hand(view: View) -> None:
    """What can be done with the part in hand, or how the chip in hand is set."""
    words, part = view.words, view.part
    with st.container(key="change-hand", gap="small"):
        if part is None or changes.unfit(Silence(bare(part)), view.model, view.given) is not None:
            st.markdown(words("change.hand.nothing"))
            return
        st.markdown(f"**{_plain(view.teller.part(part))}**")
        if view.hand is None:
            _actions(view, part)
        else:
            _settings(view, view.hand, changes.chips()[view.hand].edit)
        if isinstance(part, Spread) and not _rows_painted(view):
            _positions(view, part)


def _plain(text: str) -> str:
    """A token may hold what Markdown would obey."""
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]()#+-.!|<>~$:" else letter for letter in text)


def _rows_painted(view: View) -> bool:
    return view.hand is not None and isinstance(changes.chips()[view.hand].edit, PaintPattern)


def _actions(view: View, part: Part) -> None:
    words = view.words
    offers: list[tuple[str, Edit]] = [("silence", Silence(part)), ("scale", Scale(part, HALF)), ("mean", Replace(part, Mean()))]
    if isinstance(part, Head | Cell) and view.specimen.config.attention.heads > 1:
        offers.append(("another", Replace(part, Another(1 if part.head == 0 else 0))))
    if isinstance(part, Head):
        rules: list[tuple[str, Rule]] = [("first", First()), ("uniform", Uniform())]
        offers += [(name, PaintRule(part, rule)) for name, rule in ([] if part.crosses else [("previous", Previous())]) + rules]
    with st.container(horizontal=True, gap="small"):
        for name, edit in offers:
            st.button(words(f"change.do.{name}"), key=f"change-do-{name}", on_click=partial(changes.add, edit), help=words(f"change.do_help.{name}"))


def _settings(view: View, at: int, edit: Edit) -> None:
    words = view.words
    match edit:
        case Scale(part, factor):
            _slider(view, "factor", factor, FACTORS, lambda value: changes.rewrite(at, Scale(part, value), f"factor{at}"))
        case Steer(strength=strength):
            _slider(view, "strength", strength, STRENGTHS, lambda value: changes.rewrite(at, replace(edit, strength=value), f"strength{at}"))
        case Replace(part, Another(head)) if isinstance(part, Head | Cell):
            _other(view, head, part.head, lambda head: changes.rewrite(at, Replace(part, Another(head)), f"head{at}"))
        case PaintRule(part, rule):
            _rule(view, at, part, rule)
        case Silence(part) | Replace(part):
            chosen = "silence" if isinstance(edit, Silence) else "mean" if isinstance(edit.by, Mean) else "zeros"
            ways: dict[str, Edit] = {"silence": Silence(part), "zeros": Replace(part, Zeros()), "mean": Replace(part, Mean())}
            ways["scale"] = Scale(part, HALF)
            _choice(view, "way", list(ways), chosen, lambda name: changes.rewrite(at, ways[name]))
        case PaintPattern():
            st.caption(words("change.hand.painted"))
        case _:
            st.caption(words("change.hand.set"))


def _slider(view: View, name: str, value: float, ends: tuple[float, float], then: Callable[[float], None]) -> None:
    bound = state.bind(MOVED, then=lambda: then(state.get(MOVED)), shown=value)
    st.slider(view.words(f"change.hand.{name}"), min(ends[0], value), max(ends[1], value), step=0.05, format="localized", **bound)


def _choice(view: View, name: str, names: Sequence[str], chosen: str, then: Callable[[str], None]) -> None:
    field = CHOICES[name]
    label, bound = view.words(f"change.hand.{name}"), state.bind(field, then=lambda: then(state.get(field)), shown=chosen)
    spelled = {one: view.words(f"change.do.{one}") if view.words.has(f"change.do.{one}") else one for one in names}
    st.segmented_control(label, names, required=True, format_func=spelled.__getitem__, **bound)


def _other(view: View, head: int, own: int, then: Callable[[int], None]) -> None:
    others = [str(other + 1) for other in range(view.specimen.config.attention.heads) if other != own]
    _choice(view, "other", others, str(head + 1), lambda name: then(int(name) - 1))


def _rule(view: View, at: int, part: Head, rule: Rule) -> None:
    names = [*([] if part.crosses else ["previous"]), "first", "uniform", *(["as_head"] if view.specimen.config.attention.heads > 1 else [])]
    rules: dict[str, Rule] = {"previous": Previous(), "first": First(), "uniform": Uniform(), "as_head": Another(1 if part.head == 0 else 0)}
    chosen = "as_head" if isinstance(rule, Another) else str(rule)
    _choice(view, "rule", names, chosen, lambda name: changes.rewrite(at, PaintRule(part, rules[name])))
    if isinstance(rule, Another):
        _other(view, rule.head, part.head, lambda head: changes.rewrite(at, PaintRule(part, Another(head)), f"head{at}"))


def _positions(view: View, part: Spread) -> None:
    words, pieces = view.words, view.tokens.get(part.stack, ())
    tokens = tuple(Token(piece, told=words("change.hand.token", token=piece.strip(), place=at + 1)) for at, piece in enumerate(pieces))
    kept = tuple(at for at in part.positions if at < len(pieces))
    shown = Strip(words("change.hand.positions"), tokens, kept, many=True, every=words("change.hand.everywhere"))
    strip("change-positions", shown, partial(_moved, view))


def _moved(view: View, positions: tuple[int, ...]) -> None:
    part = view.part
    if not isinstance(part, Spread):
        return
    places = () if len(positions) == len(view.tokens.get(part.stack, ())) else positions
    if view.hand is None:
        state.put(PART, part.only_at(*places))
    else:
        edit = changes.chips()[view.hand].edit
        changes.rewrite(view.hand, replace(edit, part=part.only_at(*places)), f"positions{view.hand}")
