"""The tree's page on tiny random models of every form, its layout and its link: what it shows is the model's own, and every act does what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from components import branches, compute, state, theme, writing
from components.canvas.tree import REST, arranged, parse, ranked, spell
from components.controls import prompt
from components.i18n import LANGUAGES, Words
from components.page import Session
from components.pages.tree import growing, telling
from components.pages.tree.growing import AT, BY_HAND, DEPTH, FLIPS, OF, THRESHOLD, WIDTH
from model import checkpoints
from model.config import Attention, Config, Decoder, Encoder, EncoderDecoder, Form, Learned, PlainMlp
from model.errors import Refusal
from model.generation.tree import Branches, Continued, Filled, Keep, Node, grow, leaves
from model.text.tokenizer import BLANK, Tokenizer
from model.trace import Tracer
from model.transformer import Transformer
from tests import pages

EN = Words("en")
CONTEXT = 40
KINDS: dict[str, tuple[Form, Tokenizer | None]] = {
    "decoder": (Decoder(), Tokenizer.for_world()),
    "translator": (EncoderDecoder(encoder_layers=1), Tokenizer.for_world()),
    "encoder": (Encoder(), Tokenizer.for_world(BLANK)),
    "numbers": (Decoder(), None),
}
TEXTS = {"decoder": "The sky", "translator": "the boat is in the river", "encoder": "The ___ is ___ and ___.", "numbers": "1 2 3"}


def kept(folder: Path, form: Form, tokenizer: Tokenizer | None) -> Path:
    """A folder with a random model of 2 layers of 2 heads."""
    vocabulary = 60 if tokenizer is None else tokenizer.size
    heads = Attention(heads=2, kv_heads=1, size=8)
    config = Config(vocabulary=vocabulary, context=CONTEXT, width=16, layers=2, form=form, attention=heads, mlp=PlainMlp(hidden=32))
    config = replace(config, positions=Learned())
    model = Transformer(config, seed=3)
    model.embed.token.weight.data.mul_(20)  # opinions, where a newborn model has none
    checkpoints.save(folder, model, tokenizer)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: kept(tmp_path_factory.mktemp(name), *kind) for name, kind in KINDS.items()}


@pytest.fixture
def house(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """`house(name)`: one of the models in the embedded one's place, and a session without a past."""
    with pages.furnished(folders, monkeypatch) as furnish:
        yield furnish


@pytest.fixture
def session(house: Callable[[str], None]) -> Callable[..., Session]:
    def begin(name: str = "decoder", text: str | None = None) -> Session:
        house(name)
        return reader(name, text)

    return begin


def reader(name: str, text: str | None = None) -> Session:
    specimen, given = compute.embedded(), TEXTS[name] if text is None else text
    read = prompt.read(EN, specimen, "", given) if name == "translator" else prompt.read(EN, specimen, given)
    return Session(EN, theme.LIGHT, specimen, read)


@pytest.fixture
def opened(house: Callable[[str], None]) -> Callable[..., AppTest]:
    def run(name: str = "decoder", **parameters: str) -> AppTest:
        house(name)
        app = AppTest.from_function(page, default_timeout=60)
        text = {"ids" if name == "numbers" else "text": TEXTS[name]}
        for parameter, value in ({"lang": "en"} | text | parameters).items():
            app.query_params[parameter.replace("_", ".")] = value
        return app.run()

    return run


def page() -> None:
    """The page by itself, with the state and the address it has in the app."""
    from components import compute, permalink, theme
    from components.controls import header, prompt
    from components.page import Session
    from components.pages import generation
    from components.pages.tree import PAGE

    permalink.restore((*header.FIELDS, *prompt.FIELDS, *generation.PAGE.fields, *PAGE.fields))
    specimen = compute.embedded()
    PAGE.render(Session(header.words(), theme.LIGHT, specimen, prompt.prompt(header.words(), specimen)))


def canvas(app: AppTest) -> dict[str, Any]:
    """What the tree was last sent."""
    (found,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == "vitrine.tree")
    return json.loads(found.json)


def said(app: AppTest) -> str:
    return "".join(element.proto.body for element in app.html)


def at(session: Session, ranks: str) -> Node:
    """The node of the session's tree that these choices lead to."""
    return parse({"node": ranks}, growing.grown(session).root)


# ---------------------------------------------------------------- layout


def bushy(width: int, depth: int, ranks: tuple[int, ...] = ()) -> Node:
    """A tree of so many children a node."""
    children = tuple(bushy(width - (rank % 2), depth - 1, (*ranks, rank)) for rank in range(width)) if depth else ()
    return Node(ranks, ranks, branches=Branches(children, (), 0.5, 3, -1.0) if depth else None)


@pytest.mark.parametrize(("width", "depth"), [(1, 1), (2, 3), (3, 2), (3, 3), (6, 2)])
def test_nothing_overlaps_and_parents_stand_in_the_middle_of_their_children(width: int, depth: int) -> None:
    layout = arranged(bushy(width, depth))
    boxes = [(place.column, place.row, 1.0) for place in layout.places]
    for rest in layout.rests:
        alone = not layout.places[rest.parent].node.children
        boxes.append((rest.column, rest.row, 1.0 if alone else REST))
    for column in range(layout.columns):
        here = sorted((row, high) for where, row, high in boxes if where == column)
        for (above, one), (below, other) in pairwise(here):
            assert below - above >= (one + other) / 2 - 1e-9
    assert min(row - high / 2 for _, row, high in boxes) >= -1e-9
    assert max(row + high / 2 for _, row, high in boxes) == pytest.approx(layout.rows)
    for number, place in enumerate(layout.places):
        rows = [child.row for child in layout.places if child.parent == number]
        if rows:
            assert place.row == pytest.approx((rows[0] + rows[-1]) / 2)
            assert rows == sorted(rows)


def test_the_list_has_a_line_for_everything_below_its_parent() -> None:
    layout = arranged(bushy(3, 3))
    assert sorted(item.line for item in (*layout.places, *layout.rests)) == list(range(layout.lines))
    for item in (*layout.places[1:], *layout.rests):
        assert item.line > layout.places[item.parent].line
        assert item.column == layout.places[item.parent].column + 1


@pytest.mark.parametrize("given", ["", "0", "012", "5" * 16])
def test_choices_survive_the_link(given: str) -> None:
    assert spell(ranked(given)) == given


@pytest.mark.parametrize("given", ["6", "a", "-1", "0" * 17, "٣", " 0", None, 3, ["0"], "<b>"])
def test_choices_that_are_none_are_refused(given: object) -> None:
    with pytest.raises(Refusal):
        ranked(given)


MANY = "-".join(f"{n // 36}{n // 6 % 6}{n % 6}" for n in range(BY_HAND + 1))


@pytest.mark.parametrize("given", ["", "-", "0-", "0--1", "0-0", "6", "0" * 17, MANY])
def test_paths_opened_by_hand_that_are_none_are_refused(given: str) -> None:
    with pytest.raises(Refusal):
        FLIPS.read(given)
    assert FLIPS.read("0-12-345") == ((0,), (1, 2), (3, 4, 5))


# ---------------------------------------------------------------- the page


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_paint_is_a_tree_of_two_levels(opened: Callable[..., AppTest], name: str, language: str) -> None:
    app = opened(name, lang=language)
    assert not app.exception
    drawn = canvas(app)
    assert [node["column"] for node in drawn["nodes"]].count(2) == 9
    assert len(drawn["rests"]) == 4
    assert sum(node["share"] for node in drawn["nodes"] if node["column"] == 1) + drawn["rests"][-1]["share"] == pytest.approx(1, abs=1e-4)
    assert "{" not in said(app).replace("{query!r}", "")


def test_the_numbers_are_the_models_own(opened: Callable[..., AppTest]) -> None:
    drawn = canvas(opened(tree_width="2"))
    specimen = compute.embedded()
    read = prompt.read(EN, specimen, TEXTS["decoder"])
    root = grow(Continued(specimen.loaded.model, read.ids, stop=specimen.loaded.marks.stop), lambda ranks: len(ranks) < 2, Keep(width=2))
    assert {node["id"]: node["share"] for node in drawn["nodes"]} == {spell(node.ranks): float(f"{node.probability:.6g}") for node in root.walk()}


def test_a_link_shows_the_same_tree(opened: Callable[..., AppTest]) -> None:
    parameters = {"tree_width": "4", "tree_least": "0.001", "tree_of": "whole", "tree_depth": "1", "tree_flip": "0-01", "tree_at": "01"}
    one, other = opened(**parameters), opened(**parameters)
    assert canvas(one) == canvas(other)
    assert canvas(one)["chosen"] == "01"
    assert {node["column"] for node in canvas(one)["nodes"]} == {0, 1, 2, 3}
    assert {f"tree.{name}" for name in ("width", "least", "of", "depth", "flip", "at")} <= set(one.query_params)


def test_forged_parameters_are_passed_over(opened: Callable[..., AppTest]) -> None:
    app = opened(tree_width="99", tree_least="0.3", tree_flip="0-x", tree_at="777", tree_depth="9")
    assert not app.exception
    assert len(canvas(app)["nodes"]) == 13


def test_a_path_that_is_not_in_this_tree_brings_one_as_far_as_it_goes(opened: Callable[..., AppTest]) -> None:
    assert canvas(opened(tree_at="0155555"))["chosen"] == "01"
    assert canvas(opened(tree_at="55"))["chosen"] == ""


def test_a_full_context_leaves_nothing_to_follow_and_says_so(opened: Callable[..., AppTest]) -> None:
    app = opened(text="the sky " * CONTEXT)
    assert not app.exception
    assert [node["state"] for node in canvas(app)["nodes"]] == ["context"]
    assert EN("tree.room", context=CONTEXT).replace("'", "&#x27;") in said(app)


def test_an_encoder_without_blanks_says_what_to_do(opened: Callable[..., AppTest]) -> None:
    app = opened("encoder", text="The sky is blue.")
    assert not app.exception
    assert EN("generation.no_blank") in said(app)


def test_markup_in_a_text_stays_text(opened: Callable[..., AppTest]) -> None:
    app = opened(text="<script>alert(1)</script> 🦜 שלום", tree_width="6")
    assert not app.exception
    assert "<script>alert(1)" not in said(app)


# ---------------------------------------------------------------- what the reader does


def test_a_press_chooses_and_opens_and_another_closes(session: Callable[..., Session]) -> None:
    here = session()
    for ranks in ("01", "010", "0100"):
        growing.press(at(here, ranks))
        assert growing.grown(here).chosen.ranks == ranked(ranks)
        assert growing.grown(here).chosen.children
    assert state.get(FLIPS) == ((0, 1), (0, 1, 0), (0, 1, 0, 0))
    growing.press(at(here, "01"))
    assert growing.grown(here).chosen.ranks == (0, 1)
    assert growing.grown(here).chosen.children
    growing.press(at(here, "01"))
    assert not growing.grown(here).chosen.children
    growing.press(at(here, ""))
    growing.press(at(here, ""))
    assert growing.grown(here).root.children


def test_restart_and_another_level_close_what_was_opened_by_hand(session: Callable[..., Session]) -> None:
    here = session()
    growing.press(at(here, "01"))
    growing.restart()
    assert (state.get(FLIPS), state.get(AT)) == ((), ())
    assert max(node.depth for node in growing.grown(here).root.walk()) == 2
    state.put(DEPTH, 3)
    assert max(node.depth for node in growing.grown(here).root.walk()) == 3


def test_the_ripest_leaf_is_opened_and_no_more_than_a_link_holds(session: Callable[..., Session]) -> None:
    here = session()
    state.put(DEPTH, 1)
    for _ in range(BY_HAND + 3):
        root = growing.grown(here).root
        best = max((node for node in root.walk() if node.branches is None and node.closed is None), key=lambda node: node.total)
        growing.ripen(root)
        assert state.get(AT) == best.ranks
    assert len(state.get(FLIPS)) == BY_HAND
    assert FLIPS.read(FLIPS.write(state.get(FLIPS))) == state.get(FLIPS)


def test_another_text_begins_anew(session: Callable[..., Session]) -> None:
    here = session()
    growing.press(at(here, "01"))
    growing.grown(reader("decoder", "O céu"))
    assert (state.get(FLIPS), state.get(AT)) == ((), ())
    growing.press(at(reader("decoder", "O céu"), "2"))
    state.put(writing.STOP, False)
    growing.grown(reader("decoder", "O céu"))
    assert state.get(AT) == (2,)


def test_a_threshold_prunes_and_counts(session: Callable[..., Session]) -> None:
    here = session()
    full = growing.grown(here).root
    first = [child.probability for child in full.children]
    state.put(THRESHOLD, 0.02)
    pruned = growing.grown(here).root
    assert [child.probability for child in pruned.children] == [share for share in first if share >= 0.02]
    assert pruned.branches is not None
    assert len(pruned.branches.pruned) == sum(share < 0.02 for share in first)
    state.put(OF, "whole")
    assert all(node.whole >= 0.02 for node in growing.grown(here).root.walk())


# ---------------------------------------------------------------- on from here


@pytest.mark.parametrize("name", ["decoder", "translator", "numbers"])
def test_writing_on_puts_the_path_into_the_text(session: Callable[..., Session], name: str) -> None:
    here = session(name)
    path = at(here, "10").path
    writing.unwritten()
    writing.go_on(writing.line_of(here), path)
    line = writing.line_of(here)
    assert line.ids[len(here.prompt.given) :] == path
    assert (line.at, state.get(writing.AT)) == (2, 2)
    assert branches.of(branches.owner(here)) == ()
    state.forget("generation.line")
    assert writing.line_of(here).ids == line.ids


def test_writing_on_keeps_what_the_reader_wrote_before_as_a_branch(session: Callable[..., Session]) -> None:
    here = session()
    line = writing.line_of(here)
    writing.branch(line, 9)
    before = writing.ids_of(line)
    path = at(here, "10").path
    writing.unwritten()
    writing.go_on(writing.line_of(here), path)
    assert branches.of(branches.owner(here))[0].ids == before


def test_writing_on_fills_the_same_blanks(session: Callable[..., Session]) -> None:
    here = session("encoder")
    asked = growing.asked_of(here)
    assert isinstance(asked, Filled)
    path = at(here, "10").path
    writing.unwritten()
    writing.go_on(writing.line_of(here), path, asked.places(path))
    assert writing.line_of(here).ids == asked.text(path)
    state.forget("generation.line")
    assert writing.line_of(here).ids == asked.text(path)


# ---------------------------------------------------------------- words, tables, recipes


@pytest.mark.parametrize("name", KINDS)
def test_the_tables_are_the_tree_and_the_recipes_compute_it_again(session: Callable[..., Session], name: str) -> None:
    here = session(name)
    now, model = growing.grown(here), here.specimen.loaded.model
    given, source = list(here.prompt.given), list(here.prompt.source_ids)
    trace = Tracer(model).trace(torch.tensor(given), source=torch.tensor(source) if source else None)
    known = SimpleNamespace(model=model, tokenizer=here.specimen.loaded.tokenizer, ids=given, source=source, trace=trace)
    nodes = telling.nodes_table(here, now), telling.nodes_again(now), [node for node in now.root.walk() if node.path]
    best = telling.leaves_table(here, now), telling.leaves_again(now), telling.ends(now)
    for frame, recipe, listed in (nodes, best):
        scope: dict[str, Any] = dict(vars(known))
        exec(recipe, scope)
        assert frame[EN("tree.table.ids")].tolist() == [" ".join(map(str, node.path)) for node in listed]
        for column in ("tokens", "step", "nats", "whole", "total", "perplexity"):
            np.testing.assert_allclose(scope["numbers"][column], frame[EN(f"tree.table.{column}")].to_numpy(float), rtol=1e-4, atol=1e-5)
    assert np.isfinite(nodes[0][EN("tree.table.others")].to_numpy(float)).sum() == 3


def test_greedy_and_the_text_it_misses_are_named(session: Callable[..., Session]) -> None:
    here = session()
    state.put(WIDTH, 6)
    now = growing.grown(here)
    assert now.found is not None
    told = telling.verdict_in_words(here, now.found)
    assert telling.shown(here, now.found.greedy) in told
    assert (telling.shown(here, now.found.best) in told) or not now.found.better
    best = max(leaves(now.root), key=lambda node: node.total)
    assert telling.ends(now)[0].total == max(best.total, now.found.greedy.total)
