"""The generation page on a tiny random model: what it opens with, that a link replays it, and that every act does what it says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from components import compute, state, theme
from components.canvas import distribution, gaze, plate, timeline
from components.canvas.distribution import STOPS, Dials
from components.canvas.gaze import Gaze
from components.canvas.timeline import Cache, Scene, Token
from components.controls import prompt
from components.i18n import LANGUAGES, Words
from components.page import Session
from components.pages.generation.following import distribution_table
from components.pages.generation.looking import gaze_table, looked_in_words
from components.pages.generation.pieces import pieces
from components.pages.generation.player import ended
from components.writing import AT, COUNT, LONGEST, PICKS, SEED, STOP, WARM, Continued, act, branch, throw_again, toggle, turn
from components.writing import line_of as any_line_of
from model.errors import Refusal
from model.generation import Greedy, Picked, Sample, generate, pick
from model.text.tokenizer import Tokenizer
from tests import pages
from tests.pages import canvas

ROOT = Path(__file__).parents[1]
EN = Words("en")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model of 2 layers of 2 heads that reads 40 tokens."""
    return pages.tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def house(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tiny model in the embedded one's place, and a session without a past."""
    with pages.installed(tiny, monkeypatch):
        yield


@pytest.fixture
def session(house: None) -> Session:
    """A reader who wrote two words."""
    specimen = compute.embedded()
    return Session(EN, theme.LIGHT, specimen, prompt.read(EN, specimen, "The sky"))


@pytest.fixture
def opened(house: None) -> Callable[..., AppTest]:
    return partial(pages.alone, "generation")


def given(player: dict[str, Any]) -> list[str]:
    return [part["piece"] for part in player["parts"] if part["kind"] == "given"]


def tokens(player: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for part in player["parts"] if part["kind"] == "token"]


def line_of(session: Session) -> Continued:
    """The session's text, which grows at its end."""
    line = any_line_of(session)
    assert isinstance(line, Continued)
    return line


def ids(line: Continued) -> list[int]:
    return [step.id for step in line.steps]


def again(line: Continued, session: Session) -> list[int]:
    """What the link's fields write from nothing."""
    steps = generate(session.specimen.loaded.model, session.prompt.ids, line.dials.choose(), state.get(COUNT), picks=dict(state.get(PICKS)))
    return [step.id for step in steps]


# ---------------------------------------------------------------- the page


def test_the_first_paint_shows_the_next_token_and_what_would_follow(opened: Callable[..., AppTest]) -> None:
    app = opened()
    assert not app.exception
    player, (header, (logits, pieces)), (looked, _) = canvas(app, "timeline"), canvas(app, "distribution"), canvas(app, "gaze")
    assert given(player)[1:] == ["The", "sky", "is"]
    assert (player["at"], len(tokens(player))) == (0, 12)
    assert [part["kind"] for part in player["parts"]] == ["given"] * 4 + ["caret"] + ["token"] * 12
    assert player["cache"]["tokens"] == len(given(player)) == len(looked["pieces"])
    assert header["written"] is not None
    assert len(json.loads(pieces)) == len(logits) // 4 == compute.embedded().loaded.model.config.vocabulary
    assert "written nothing yet" in "".join(element.proto.body for element in app.html)
    assert dict(app.query_params) == {"lang": "en"}


def test_a_link_replays_text_cursor_and_dials(opened: Callable[..., AppTest]) -> None:
    parameters = {"g_t": "1.3", "g_p": "0.9", "g_seed": "7", "g_n": "9", "g_at": "5", "g_picks": "2.41", "g_stop": "0"}
    one, other = opened(**parameters), opened(**parameters)
    player = canvas(one, "timeline")
    assert player == canvas(other, "timeline")
    assert (player["at"], len(tokens(player))) == (5, 9)
    assert [token["held"] for token in tokens(player)] == [False, False, True, *[False] * 6]
    assert tokens(player)[2]["piece"] == Tokenizer.for_world().piece(41).strip()
    header, _ = canvas(one, "distribution")
    assert {"temperature": 1.3, "top_p": 0.9, "seed": 7}.items() <= header["dials"].items()
    assert one.query_params["g.picks"] == "2.41"


def test_forged_parameters_are_passed_over(opened: Callable[..., AppTest]) -> None:
    app = opened(g_t="warm", g_n="99999999999", g_picks="1.2-x.3", g_k="-4", g_at="٣")
    assert not app.exception
    assert canvas(app, "distribution")[0]["dials"]["temperature"] == WARM
    assert len(tokens(canvas(app, "timeline"))) == 12


@pytest.mark.parametrize("given", ["", "3", "3.", "a.1", "1.2.3", "1.-2", "-1.2", "1.99999999", "²." + "1"])
def test_picks_that_are_no_pairs_are_refused(given: str) -> None:
    with pytest.raises(Refusal):
        PICKS.read(given)


def test_a_pick_that_this_vocabulary_lacks_is_left_out(opened: Callable[..., AppTest]) -> None:
    app = opened(g_picks="0.999999", g_n="4", g_stop="0")
    assert not app.exception
    assert not any(token["held"] for token in tokens(canvas(app, "timeline")))


def test_a_new_text_begins_anew(opened: Callable[..., AppTest]) -> None:
    app = opened(g_n="5", g_at="3", g_picks="1.9", g_stop="0")
    app.text_area(key="w:text").set_value("O sol").run()
    player = canvas(app, "timeline")
    assert given(player)[1:] == ["O", "sol"]
    assert (player["at"], len(tokens(player))) == (0, 12)


def test_the_numbers_are_the_models_own(opened: Callable[..., AppTest]) -> None:
    app = opened(g_n="6", g_at="4", g_stop="0")
    model, read = compute.embedded().loaded.model, prompt.read(EN, compute.embedded(), "The sky is")
    steps = list(generate(model, read.ids, Sample(temperature=0.8), tokens=6))
    player, (header, (logits, _)), (looked, (codes,)) = canvas(app, "timeline"), canvas(app, "distribution"), canvas(app, "gaze")
    assert [token["share"] for token in tokens(player)] == [round(step.probability, 6) for step in steps]
    assert np.frombuffer(logits, "<f4").tolist() == steps[4].logits.tolist()
    assert (header["written"], header["seen"]) == (steps[4].id, [list(pair) for pair in sorted(Counter(steps[4].history).items())])
    shape = (2, 5, len(looked["pieces"]))
    planes = list(np.frombuffer(codes, np.uint8).reshape(shape))
    expected = np.concatenate([steps[4].pattern.mean((0, 1))[None], steps[4].pattern.reshape(4, -1)])
    np.testing.assert_allclose(plate.unrooted(planes), expected, atol=5e-5)


# ---------------------------------------------------------------- what the reader does


def test_stepping_follows_what_is_written_and_then_writes(session: Session) -> None:
    state.put(STOP, False)
    line = line_of(session)
    ahead = ids(line)
    for _ in range(14):
        act(line, "step", 0)
    assert ids(line)[:12] == ahead
    assert (len(ids(line)), line.at) == (14, 14)
    act(line, "back", 0)
    act(line, "back", 0)
    assert (len(ids(line)), line.at, state.get(AT)) == (14, 12, 12)
    act(line, "go", 3)
    assert (len(ids(line)), state.get(AT)) == (14, 3)
    assert again(line, session) == ids(line)


def test_restart_begins_again_with_nothing_written(session: Session) -> None:
    state.put(STOP, False)
    line = line_of(session)
    before = ids(line)
    branch(line, 9)
    act(line, "restart", 0)
    assert (ids(line), line.at, state.get(COUNT), state.get(PICKS)) == ([], 0, 0, ())
    for _ in range(12):
        act(line, "step", 0)
    assert ids(line) == before


def test_a_branch_keeps_what_came_before_and_goes_on_from_the_token_put_there(session: Session) -> None:
    state.put(STOP, False)
    line = line_of(session)
    before = ids(line)
    act(line, "go", 4)
    branch(line, 9)
    assert ids(line)[:5] == [*before[:4], 9]
    assert (line.at, len(ids(line)), state.get(PICKS)) == (5, 12, ((4, 9),))
    assert isinstance(line.steps[4].choose, Picked)
    assert again(line, session) == ids(line)


def test_other_dials_act_from_the_cursor_on(session: Session) -> None:
    state.put(STOP, False)
    line = line_of(session)
    before = ids(line)
    act(line, "go", 6)
    turn(line, Dials(temperature=0))
    assert ids(line)[:6] == before[:6]
    assert all(pick(step.logits, Greedy(), step.history) == step.id for step in line.steps[6:])
    assert len(ids(line)) == 12
    assert set(dict(state.get(PICKS))) <= set(range(6))
    assert again(line, session) == ids(line)


def test_dials_that_would_have_written_the_same_leave_the_text_alone(session: Session) -> None:
    line = line_of(session)
    steps = list(line.steps)
    turn(line, Dials(temperature=0.8, top_p=1.0, min_p=1e-9))
    assert line.steps == steps


def test_throwing_again_changes_the_seed_and_nothing_before_the_cursor(session: Session) -> None:
    state.put(STOP, False)
    line = line_of(session)
    before = ids(line)
    act(line, "go", 5)
    throw_again(line)
    assert state.get(SEED) == 1
    assert ids(line)[:5] == before[:5]
    assert ids(line) != before
    assert again(line, session) == ids(line)


def test_the_text_ends_with_its_document_and_may_go_on(session: Session) -> None:
    line = line_of(session)
    act(line, "go", 0)
    assert line.end is not None
    branch(line, line.end)
    assert (ids(line), line.over) == ([line.end], True)
    act(line, "step", 0)
    branch(line, 9)
    assert ids(line) == [line.end]
    toggle(line, False)
    act(line, "step", 0)
    assert len(ids(line)) == 2


def test_the_text_ends_when_the_context_is_full_and_says_so(session: Session) -> None:
    state.put(STOP, False)
    state.put(COUNT, LONGEST)
    line = line_of(session)
    assert len(line.writer.history) == 40
    act(line, "go", len(ids(line)))
    act(line, "step", 0)
    assert line.over
    assert line.moment().pattern.shape == (2, 2, 40)
    assert "context of 40 tokens is full" in ended(session, line)


# ---------------------------------------------------------------- what comes from the browser


TURNED = Dials(repetition_penalty=1.2, frequency_penalty=0.5, temperature=0.0, top_k=40, top_p=0.5, min_p=0.1, typical=0.9, seed=3)
GOOD = asdict(TURNED) | {"number": 8}


def test_dials_are_parsed_at_the_border() -> None:
    assert distribution.parse(GOOD) == (TURNED, 8)
    assert TURNED.choose() == Greedy(repetition_penalty=1.2, frequency_penalty=0.5)


@pytest.mark.parametrize(
    "change",
    [{"temperature": -1}, {"top_p": 0}, {"top_k": 1e9}, {"seed": -1}, {"seed": 10_000}, {"min_p": float("nan")}, {"min_p": "1"}, {"more": 1}],
)
def test_dials_that_no_dial_can_say_are_refused(change: dict[str, Any]) -> None:
    for sent in (GOOD | change, None, [], "1"):
        with pytest.raises(Refusal):
            distribution.parse(sent)


@pytest.mark.parametrize(
    "sent", [None, "step", {}, {"act": "fly", "at": 0}, {"act": ["step"], "at": 0}, {"act": "go"}, {"act": "go", "at": 4}, {"act": "go", "at": True}]
)
def test_a_player_hears_only_what_it_can_do(sent: Any) -> None:
    for name in ("go", "play", "rest"):
        assert timeline.act({"act": name, "at": 3}, 3, 5) == (name, 3)
    with pytest.raises(Refusal):
        timeline.act(sent, 3, 5)
    with pytest.raises(Refusal):
        timeline.tempo(sent)


def test_every_stop_is_a_legal_setting_and_every_dial_can_rest() -> None:
    for name, stops in STOPS.items():
        assert getattr(Dials(temperature=1), name) in stops
        for stop in stops:
            Dials(**{name: stop}).choose()  # pyright: ignore[reportArgumentType]  # every stop is of its dial's type


# ---------------------------------------------------------------- what is drawn


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_players_layout_in_both_languages(language: str) -> None:
    words = Words(language)
    parts = ("⟨begin⟩", " a", Token(" <b>", 0.25, 3, True, 0), Token("\n", 1.0, 1, False, 1))
    scene = Scene(parts, 2, 1, "", Cache(3, 40, 3 * 512, 2, 2), 2.0, "End", True, "r1")
    laid = timeline.layout(words, scene)
    assert [part.get("piece", "|") for part in laid["parts"]] == ["⟨begin⟩", "a", "<b>", "|", "⏎"]
    assert laid["parts"][2] == {"kind": "token", "piece": "<b>", "share": 0.25, "rank": 3, "held": True, "number": 0}
    assert "3" in laid["words"]["cache"]
    assert "512" in laid["words"]["cache"]
    assert laid["revision"] == "r1"


@pytest.mark.parametrize("length", [1, 8, 9, 40, 2_000])
def test_the_room_for_tokens_is_never_too_small_and_grows_seldom(length: int) -> None:
    pattern = np.full((2, 3, length), 1 / length)
    looked = Gaze(pattern, tuple(f"t{at}" for at in range(length)), "r")
    assert gaze.header(EN, looked)["room"] >= length
    planes = np.frombuffer(plate.opened(plate.envelope({}, gaze.pack(looked)))[1][0], np.uint8).reshape(2, 7, length)
    np.testing.assert_allclose(plate.unrooted(list(planes)), 1 / length, atol=2e-5)


def test_the_reading_names_the_sink_apart_and_the_strongest_gaze(session: Session) -> None:
    pattern = np.zeros((2, 2, 3))
    pattern[..., 0] = 0.9
    pattern[..., 2] = 0.1
    pattern[1, 0] = [0.2, 0.7, 0.1]
    said = looked_in_words(session, Gaze(pattern, ("⟨begin⟩", " The", " sky"), "r"))
    assert "“sky” looks on average most at “⟨begin⟩” (72\u202f%)" in said
    assert "falls on “The”: 70\u202f%, from head 1 of layer 2" in said


def test_tables_hold_every_number_once(session: Session) -> None:
    state.put(STOP, False)
    line = line_of(session)
    now = line.moment()
    table = distribution_table(session, now, line.dials)
    assert len(table) == len(now.logits)
    np.testing.assert_allclose(table[[column for column in table if column.startswith("after")]].sum(), 1)
    gazed = gaze_table(session, Gaze(now.pattern, pieces(session, line.ids), "r"))
    assert len(gazed) == now.pattern.size
    assert gazed["weight"].to_numpy().sum() == pytest.approx(4)
