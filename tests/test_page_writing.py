"""The generation page on tiny random models of two other forms: a source written about, and blanks filled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from components import branches, compute, state, theme
from components.canvas import plate, timeline
from components.canvas.distribution import Dials
from components.controls import prompt
from components.controls.prompt import TARGET, TEXT
from components.i18n import Words
from components.page import Session
from components.pages.generation.beside import branches_again, branches_table, scene
from components.pages.generation.pieces import pieces
from components.pages.generation.player import ended, filled_in_words, heard, parts, steps_table
from components.writing import AT, COUNT, FILLS, ORDER, STOP, Continued, Filled, act, branch, line_of, throw_again, toggle, turn, visit, what_if
from model import checkpoints
from model.config import Attention, Config, Encoder, EncoderDecoder, Form, Learned, PlainMlp
from model.generation import Greedy, Picked, Sample, fill_blanks, generate, pick, softmax
from model.text.tokenizer import BLANK, Tokenizer
from model.trace import Tracer
from model.transformer import Transformer
from tests import pages
from tests.pages import canvas, said

EN = Words("en")
SOURCE = "the yellow boat is in the river"
BLANKS = "The ___ is ___ and the ___ is blue."


def kept(folder: Path, form: Form, tokenizer: Tokenizer | None, size: int = 0) -> Path:
    """A folder with a random model of 2 layers of 2 heads that reads 40 tokens."""
    heads = Attention(heads=2, kv_heads=1, size=8)
    vocabulary = size if tokenizer is None else tokenizer.size
    config = Config(vocabulary=vocabulary, context=40, width=16, layers=2, form=form, attention=heads, mlp=PlainMlp(hidden=32), positions=Learned())
    model = Transformer(config, seed=3)
    model.embed.token.weight.data.mul_(20)  # opinions, where a newborn model has none
    checkpoints.save(folder, model, tokenizer)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    both, encoder = EncoderDecoder(encoder_layers=1), Encoder()
    kinds: dict[str, tuple[Form, Tokenizer | None, int]] = {
        "translator": (both, Tokenizer.for_world(), 0),
        "encoder": (encoder, Tokenizer.for_world(BLANK), 0),
        "translator of numbers": (both, None, 60),
        "encoder of numbers": (encoder, None, 60),
    }
    return {name: kept(tmp_path_factory.mktemp("models"), *kind) for name, kind in kinds.items()}


@pytest.fixture
def house(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """`house(name)`: one of the models in the embedded one's place, and a session without a past."""
    with pages.furnished(folders, monkeypatch) as furnish:
        yield furnish


@pytest.fixture
def opened(house: Callable[[str], None]) -> Callable[..., AppTest]:
    def run(model: str, **parameters: str) -> AppTest:
        house(model)
        return pages.alone("generation", **parameters)

    return run


# ---------------------------------------------------------------- a source


@pytest.fixture
def translation(house: Callable[[str], None]) -> tuple[Session, Continued]:
    house("translator")
    state.put(STOP, False)
    return continued(SOURCE)


def continued(source: str, target: str = "") -> tuple[Session, Continued]:
    specimen = compute.embedded()
    session = Session(EN, theme.LIGHT, specimen, prompt.read(EN, specimen, target, source))
    line = line_of(session)
    assert isinstance(line, Continued)
    return session, line


def test_the_source_is_lit_where_the_next_token_looks(opened: Callable[..., AppTest]) -> None:
    app = opened("translator", text=SOURCE, g_n="4", g_at="3", g_stop="0")
    assert not app.exception
    model, tokenizer = compute.embedded().loaded.model, Tokenizer.for_world()
    source = [tokenizer.begin, *tokenizer.ids(SOURCE)]
    steps = list(generate(model, [tokenizer.begin], Greedy(), 4, source=source))
    trace = Tracer(model).trace([tokenizer.begin, *(step.id for step in steps[:3])], source=source)
    looked = np.stack([trace.pattern(layer, "cross")[:, -1] for layer in range(2)])
    player = canvas(app, "timeline")
    assert [part["kind"] for part in player["parts"]] == ["given", "token", "token", "token", "caret", "token"]
    assert [part["share"] for part in player["source"]] == pytest.approx(looked.mean((0, 1)), abs=1e-5)
    assert [part["piece"] for part in player["source"]][1:] == SOURCE.split()
    header, (codes,) = canvas(app, "gaze", 0)
    assert header["pieces"][1:] == SOURCE.split()
    planes = list(np.frombuffer(codes, np.uint8).reshape(2, 5, len(source)))
    np.testing.assert_allclose(plate.unrooted(planes)[1:], looked.reshape(4, -1), atol=5e-5)
    assert len(canvas(app, "gaze", 1)[0]["pieces"]) == 4
    cache = player["cache"]
    assert (cache["tokens"], cache["source"], cache["bytes"]) == (4, len(source), (4 + len(source)) * 2 * 2 * 8 * 4)


def test_a_translation_is_the_likeliest_one_until_a_dial_is_turned(translation: tuple[Session, Continued]) -> None:
    session, line = translation
    greedy = generate(session.specimen.loaded.model, session.prompt.given, Greedy(), 12, source=session.prompt.source_ids)
    assert [step.id for step in line.steps] == [step.id for step in greedy]
    assert line.dials.temperature == 0
    act(line, "go", 4)
    turn(line, Dials(temperature=1.7, seed=5))
    steps = list(line.steps)
    assert all(pick(step.logits, Sample(temperature=1.7, seed=5), step.history) == step.id for step in steps[4:])
    branch(line, 9)
    assert line.steps[4].id == 9
    again = generate(session.specimen.loaded.model, session.prompt.given, line.dials.choose(), 12, picks=line.held, source=session.prompt.source_ids)
    assert [step.id for step in again] == [step.id for step in line.steps]


def test_a_target_given_by_the_reader_is_gone_on_from(house: Callable[[str], None]) -> None:
    house("translator")
    session, line = continued(SOURCE, "o barco")
    assert line.writer.prompt == session.prompt.given == (0, *Tokenizer.for_world().ids("o barco"))
    assert list(parts(session, line))[:3] == ["⟨begin⟩", *Tokenizer.for_world().encode("o barco").pieces]


def test_another_source_begins_anew(translation: tuple[Session, Continued]) -> None:
    _, line = translation
    act(line, "go", 3)
    _, other = continued("o céu é azul")
    assert other is not line
    assert (other.at, state.get(AT)) == (0, 0)


def test_what_was_written_can_be_made_the_source(translation: tuple[Session, Continued]) -> None:
    session, line = translation
    state.put(TARGET, "something else")
    written = Tokenizer.for_world().decode([step.id for step in line.steps if step.id != line.end])
    heard(session, line, "swap", 0)
    assert line.left
    assert (state.get(TEXT), state.get(TARGET)) == (written, "")


def test_where_the_model_ends_is_said(house: Callable[[str], None]) -> None:
    house("translator")
    session, line = continued(SOURCE)
    act(line, "restart", 0)
    assert line.end == 0
    branch(line, 0)
    assert line.over
    assert ended(session, line) == EN("generation.ended.source")


# ---------------------------------------------------------------- blanks


@pytest.fixture
def filling(house: Callable[[str], None]) -> tuple[Session, Filled]:
    house("encoder")
    return filled(BLANKS)


def filled(text: str) -> tuple[Session, Filled]:
    specimen = compute.embedded()
    session = Session(EN, theme.LIGHT, specimen, prompt.read(EN, specimen, text))
    line = line_of(session)
    assert isinstance(line, Filled)
    return session, line


def fillings(line: Filled) -> list[tuple[int, int]]:
    return [(step.place, step.id) for step in line.steps]


def replayed(session: Session, line: Filled) -> list[tuple[int, int]]:
    """What the link's fields fill from nothing."""
    picks = {number: (place, id) for number, place, id in state.get(FILLS)}
    steps = fill_blanks(session.specimen.loaded.model, session.prompt.ids, line.filler.blank, line.dials.choose(), state.get(ORDER), picks)
    return [(step.place, step.id) for step in steps][: state.get(COUNT)]


def test_the_first_paint_shows_what_every_blank_could_be(opened: Callable[..., AppTest]) -> None:
    app = opened("encoder", text=BLANKS)
    assert not app.exception
    player, (header, (logits, _)), (looked, (codes,)) = canvas(app, "timeline"), canvas(app, "distribution"), canvas(app, "gaze")
    slots = [part for part in player["parts"] if part["kind"] == "slot"]
    assert [part["piece"] for part in player["parts"] if part["kind"] == "given"] == ["⟨begin⟩", "The", "is", "and", "the", "is", "blue", "."]
    assert ([slot["place"] for slot in slots], player["at"], player["count"], player["total"]) == ([2, 4, 7], 0, 3, 3)
    assert player["cache"] is None
    specimen = compute.embedded()
    trace = Tracer(specimen.loaded.model).trace(prompt.read(EN, specimen, BLANKS).ids)
    for slot in slots:
        row = trace.logits[slot["place"]].numpy().copy()
        row[specimen.tokenizer.blank] = -np.inf
        assert [guess["share"] for guess in slot["guesses"]] == pytest.approx(np.sort(softmax(row))[::-1][:5], abs=2e-6)
    (current,) = (slot["place"] for slot in slots if slot["current"])
    np.testing.assert_allclose(
        np.delete(np.frombuffer(logits, "<f4"), specimen.tokenizer.blank or 0), np.delete(trace.logits[current].numpy(), -1), atol=1e-5
    )
    assert header["written"] is not None
    rows = np.stack([trace.pattern(layer)[:, current] for layer in range(2)]).reshape(4, -1)
    np.testing.assert_allclose(plate.unrooted(list(np.frombuffer(codes, np.uint8).reshape(2, 5, -1)))[1:], rows, atol=5e-5)
    assert looked["pieces"][2] == "___"
    assert "3 of them blank" in said(app)


def test_a_link_fills_the_same_blanks_again(opened: Callable[..., AppTest]) -> None:
    parameters = {"text": BLANKS, "g_t": "1.5", "g_seed": "4", "g_fills": "0.7.33", "g_at": "2", "g_order": "left"}
    one, other = (canvas(opened("encoder", **parameters), "timeline") for _ in range(2))
    assert one == other
    assert (one["at"], one["count"], one["toggled"]) == (2, 3, False)
    assert one["parts"][7] == {"kind": "token", "piece": Tokenizer.for_world(BLANK).piece(33).strip(), "held": True, "number": 0} | {
        name: one["parts"][7][name] for name in ("share", "rank")
    }
    assert [part["kind"] for part in one["parts"] if part["kind"] != "given"] == ["token", "slot", "token"]


@pytest.mark.parametrize("given", ["0.1.33", "0.2.999999", "0.2.33-1.2.34", "9.9", "a.b.c", "0.99999.3"])
def test_forged_fillings_are_passed_over(opened: Callable[..., AppTest], given: str) -> None:
    app = opened("encoder", text=BLANKS, g_fills=given)
    assert not app.exception
    assert canvas(app, "timeline")["count"] == 3


def test_stepping_fills_going_back_opens_again(filling: tuple[Session, Filled]) -> None:
    session, line = filling
    ahead = fillings(line)
    for number in range(1, 4):
        act(line, "step", 0)
        assert (line.at, state.get(AT)) == (number, number)
        assert line.ids[ahead[number - 1][0]] == ahead[number - 1][1]
    assert line.over
    assert ended(session, line) == EN("generation.ended.blanks")
    act(line, "step", 0)
    act(line, "back", 0)
    assert (fillings(line), line.at) == (ahead, 2)
    assert line.ids[ahead[2][0]] == line.filler.blank
    act(line, "restart", 0)
    assert (fillings(line), line.at) == ([], 0)
    act(line, "step", 0)
    assert fillings(line) == ahead[:1]


def test_the_reader_may_look_at_any_blank_and_fill_that_one_next(filling: tuple[Session, Filled]) -> None:
    session, line = filling
    (other,) = {2, 4, 7} - {step.place for step in line.steps[:2]}
    act(line, "choose", other)
    assert (line.place, fillings(line)) == (other, replayed(session, line))
    np.testing.assert_array_equal(line.moment().logits, line.steps[0].guesses.at(other))
    act(line, "step", 0)
    assert (line.steps[0].place, line.at, len(line.steps)) == (other, 1, 3)
    assert isinstance(line.steps[0].choose, Greedy)
    assert 0 in line.held
    assert fillings(line) == replayed(session, line)
    act(line, "choose", other)
    assert line.place != other
    act(line, "choose", 0)
    assert line.chosen is None


def test_another_candidate_is_put_in_by_hand_and_the_rest_guessed_again(filling: tuple[Session, Filled]) -> None:
    session, line = filling
    place = line.place
    branch(line, 33)
    assert (line.steps[0].place, line.steps[0].id, line.at, len(line.steps)) == (place, 33, 1, 3)
    assert isinstance(line.steps[0].choose, Picked)
    act(line, "choose", line.guesses.places[-1])
    last = line.place
    branch(line, 40)
    assert fillings(line)[1] == (last, 40)
    assert fillings(line) == replayed(session, line)


def test_another_guess_keeps_the_filling_that_stood_there_side_by_side_to_go_back_to(filling: tuple[Session, Filled]) -> None:
    session, line = filling
    first = fillings(line)
    branch(line, 33)
    second, kept = fillings(line), branches.of(line.key)
    assert [[divmod(number, session.specimen.config.vocabulary) for number in each.ids] for each in kept] == [first]
    assert state.get(branches.BRANCHES) == branches.BRANCHES.read(branches.BRANCHES.write(kept))
    act(line, "back", 0)
    what_if(line, 40, Greedy())
    newest = branches.of(line.key)[0]
    assert (line.token(newest.ids[0]), fillings(line)) == (40, second)
    found = {each: line.replayed(each.ids) for each in branches.of(line.key)}
    shown = scene(session, line, line.course, found)
    assert [len(row.pieces) for row in shown.rows] == [3, 3, 3]
    assert shown.rows[2].told.startswith("“The")
    given: dict[str, Any] = {"model": session.specimen.loaded.model}
    exec(branches_again(line, found), given)
    table = branches_table(session, line, line.course, found)
    for name, values in given["numbers"].items():
        np.testing.assert_allclose(values, table[EN(f"generation.table.{name}")].to_numpy(float), rtol=1e-6)
    visit(line, kept[0].key)
    assert (fillings(line), line.at) == (first, 0)
    assert kept[0] not in branches.of(line.key)
    for forged in ((5,), (2 * session.specimen.config.vocabulary + 33,) * 2, (10**10 - 1,)):
        branches.keep(line.key, forged)
        visit(line, branches.Branch(forged).key)
        assert fillings(line) == first


def test_other_dials_and_another_order_act_from_the_cursor_on(filling: tuple[Session, Filled]) -> None:
    session, line = filling
    act(line, "go", 1)
    before = fillings(line)
    turn(line, replace(line.dials, temperature=2.0))
    throw_again(line)
    assert fillings(line)[0] == before[0]
    assert fillings(line) == replayed(session, line)
    act(line, "go", 0)
    toggle(line, False)
    assert [place for place, _ in fillings(line)] == [2, 4, 7]
    assert fillings(line) == replayed(session, line)
    toggle(line, True)
    assert state.get(ORDER) == "surest"


def test_at_the_end_the_last_filling_is_explained(filling: tuple[Session, Filled]) -> None:
    session, line = filling
    act(line, "go", 3)
    now, step = line.moment(), line.steps[2]
    assert (now.written, now.place) == (step.id, step.place)
    np.testing.assert_array_equal(now.pattern, step.pattern)
    assert pieces(session, line.seen)[step.place].strip() == "___"
    assert "only blank left" in filled_in_words(session, line)
    branch(line, 9)
    assert line.steps[2] is step
    table = steps_table(session, line)
    assert table["position"].tolist() == [place + 1 for place, _ in fillings(line)]


@pytest.mark.parametrize(
    ("model", "parameters", "key"),
    [("encoder", {"text": "The sky is blue."}, "no_blank"), ("encoder of numbers", {"ids": "1 2 3"}, "no_blank_token")],
)
def test_without_a_blank_it_says_what_to_do(opened: Callable[..., AppTest], model: str, parameters: dict[str, str], key: str) -> None:
    app = opened(model, **parameters)
    assert not app.exception
    assert EN(f"generation.{key}") in said(app)


def test_a_model_without_a_tokenizer_writes_numbers(opened: Callable[..., AppTest]) -> None:
    app = opened("translator of numbers", ids="5 6 7", g_n="3")
    assert not app.exception
    player = canvas(app, "timeline")
    assert [part["piece"] for part in player["source"]] == ["5", "6", "7"]
    assert all(part["piece"].isdecimal() for part in player["parts"] if part["kind"] == "token")


@pytest.mark.parametrize("sent", [{"act": "choose", "at": 5}, {"act": "choose", "at": -1}, {"act": "choose"}])
def test_only_a_place_of_the_text_can_be_chosen(sent: Any) -> None:
    assert timeline.act({"act": "choose", "at": 4}, 0, 5) == ("choose", 4)
    with pytest.raises(Exception, match="counts from 0"):
        timeline.act(sent, 9, 5)
