"""Size and hyperparameters: plans that fit, curves that stay short, pictures laid out rightly, and the page from Train to the other pages."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some
from streamlit.testing.v1 import AppTest

from components import compute, experiments, runs, spelling
from components.canvas import losscurve as picture
from components.canvas import plate
from components.canvas.losscurve import Axis, Chart, Level, Line, Passage, following
from components.experiments import LIVE
from components.figures import abilities, weighing
from components.i18n import LANGUAGES, Words
from components.pages import size
from components.runs import Attempt, Curve, Plan, Verdict, cure
from model import checkpoints
from model.config import Attention, Config, Encoder, EncoderDecoder, GatedMlp, PlainMlp
from model.cost import parameters
from model.errors import Refusal
from model.text.skills import held_out
from model.text.tokenizer import Tokenizer
from model.training import Clip, NoClipping, Recipe, Step, Steps, usual_rate
from model.training.session import preset
from model.transformer import Transformer
from tests.pages import worked

ROOT = Path(__file__).parents[1]
EN = Words("en")
MODEL = "config.context~128~config.width~16~config.layers~1~config.attention.size~8~config.mlp.hidden~32"
SMALL = f"{MODEL}~recipe.batch~2~recipe.budget~Steps~recipe.budget.count~10~recipe.warmup~0"


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short examination: what it asks is tested with the skills themselves."""
    monkeypatch.setattr(runs, "EXAMINED", 20)
    monkeypatch.setattr(runs, "PROBES", 2)


def small(**recipe: object) -> Plan:
    plan = spelling.parse(SMALL, experiments.LIVE)
    return dataclasses.replace(plan, recipe=dataclasses.replace(plan.recipe, **recipe))


# ---------------------------------------------------------------- plans


@pytest.mark.parametrize(
    ("forged", "code"),
    [
        (lambda: Plan(config=Config(context=64), recipe=Recipe(context=128)), "training.context"),
        (lambda: Plan(recipe=Recipe(context=32)), "runs.row"),
        (lambda: Plan(config=Config(width=512, layers=12), recipe=Recipe(batch=64)), "runs.step"),
        (lambda: Plan(config=Config(width=512, layers=12, mlp=PlainMlp(hidden=2_048)), recipe=Recipe(batch=1, context=64)), "runs.memory"),
    ],
)
def test_a_plan_that_cannot_run_here_is_refused(forged: Callable[[], Plan], code: str) -> None:
    with pytest.raises(Refusal) as refused:
        forged()
    assert refused.value.code == code


def test_the_memory_of_a_plan_is_its_parts_sum_and_follows_the_optimiser() -> None:
    plan = Plan()
    assert plan.bytes == sum(plan.memory.values())
    assert plan.memory["weights"] == 4 * parameters(plan.config)
    assert plan.memory["optimiser"] >= 2 * plan.memory["weights"]


@pytest.mark.parametrize(
    ("cause", "changed"),
    [
        ("rate", lambda recipe: recipe.learning_rate == pytest.approx(usual_rate(64), rel=0.05)),
        ("rate_lower", lambda recipe: recipe.learning_rate == pytest.approx(0.02)),
        ("clipping", lambda recipe: recipe.clipping == Clip()),
        ("warmup", lambda recipe: recipe.warmup == 40),
    ],
)
def test_the_cure_of_a_failure_changes_just_what_its_sentence_blames(cause: str, changed: Callable[[Recipe], bool]) -> None:
    plan = Plan(recipe=Recipe(learning_rate=0.08, warmup=0, clipping=NoClipping()))
    better = cure(plan, Refusal(f"training.diverged.{cause}", "…"))
    assert better is not None
    assert changed(better.recipe)
    assert len(list(spelling.differences(better, plan))) == 1


def test_a_failure_without_a_cure_offers_none() -> None:
    assert cure(Plan(), Refusal("jobs.failed", "…")) is None


# ---------------------------------------------------------------- experiments


def test_the_first_experiment_is_the_live_preset() -> None:
    live = preset("live")
    assert experiments.EXPERIMENTS[0].first == experiments.LIVE
    assert (experiments.LIVE.config, experiments.LIVE.recipe) == (live.config, live.recipe)


def test_experiments_differ_and_are_found_again() -> None:
    found = [experiments.matching(experiment.first, experiment.second) for experiment in experiments.EXPERIMENTS]
    assert found == [experiment.name for experiment in experiments.EXPERIMENTS]
    assert experiments.matching(Plan(seed=77), None) is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_experiment_and_skill_has_words(language: str) -> None:
    words = Words(language)
    for name in [experiment.name for experiment in experiments.EXPERIMENTS] + [size.OWN]:
        assert words.has(f"size.experiments.{name}.title")
        assert words.has(f"size.experiments.{name}.promise")
    for experiment in experiments.EXPERIMENTS:
        lines = size._summaries(words, [plan for plan in (experiment.first, experiment.second) if plan])
        assert all(lines)


# ---------------------------------------------------------------- the curve


def step(number: int, loss: float = 1.0) -> Step:
    return Step(number, 10 * number, number / 2, loss, 0.1, 1.0, 20.0, 0.5)


@given(some.integers(0, 3_000), some.sampled_from([8, 50, 400]))
def test_a_curve_stays_short_in_order_and_true_to_its_mean(count: int, limit: int) -> None:
    curve = Curve(limit)
    for number in range(1, count + 1):
        curve.add(step(number, float(number)))
    points = curve.points()
    assert points.shape == (len(points), 4)
    assert len(points) < limit
    assert (np.diff(points[:, 0]) > 0).all()
    assert points[:, 0] == pytest.approx(points[:, 3])
    if 0 < count < limit:
        assert points[:, 3].tolist() == list(range(1, count + 1))


def test_a_curve_says_where_the_loss_stands_now() -> None:
    curve = Curve()
    for number in range(1, 101):
        curve.add(step(number, 5.0 if number <= 90 else 2.0))
    assert curve.level == 2.0


# ---------------------------------------------------------------- an attempt


def test_an_attempt_writes_at_its_moments_and_is_examined_at_the_end() -> None:
    attempt = Attempt(small(), "O céu é")
    steps = list(attempt.work())
    assert [s.step for s in steps] == list(range(1, 11))
    assert len(attempt.curve.points()) == 10
    assert attempt.written[0].tokens == 0
    assert attempt.written[0].loss == pytest.approx(math.log(attempt.tokenizer.size))
    assert attempt.written[-1].tokens == steps[-1].tokens
    assert all(written.opening == "O céu é" and written.text for written in attempt.written)
    assert attempt.verdict is not None
    assert attempt.verdict.ratio > 1
    assert all(0 <= share <= 1 for share in attempt.verdict.skills.values())


def test_the_same_plan_trains_to_the_same_weights_and_another_seed_to_others() -> None:
    def trained(plan: Plan) -> np.ndarray:
        attempt = Attempt(plan, "")
        assert len(list(islice(attempt.work(), 10))) == 10
        assert attempt.session is not None
        return np.concatenate([parameter.detach().numpy().ravel() for parameter in attempt.session.model.parameters()])

    first, again, other = trained(small()), trained(small()), trained(dataclasses.replace(small(), seed=1))
    assert (first == again).all()
    assert not np.allclose(first, other)


def test_an_opening_longer_than_the_context_is_cut() -> None:
    attempt = Attempt(small(), "gato " * 500)
    next(attempt.work())
    assert len(attempt.tokenizer.encode(attempt.written[0].opening).ids) < attempt.plan.config.context


def test_a_run_that_diverges_ends_with_its_sentence_and_keeps_finite_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = Attempt(small(), "")
    work = attempt.work()
    next(work)
    assert attempt.session is not None
    monkeypatch.setattr(attempt.session.run, "_measure", lambda batch: (math.nan, attempt.session and attempt.session.run.weights.vector * 0))
    with pytest.raises(Refusal) as refused:
        next(work)
    assert refused.value.code.startswith("training.diverged.")
    assert all(parameter.isfinite().all() for parameter in attempt.session.model.parameters())
    assert len(attempt.curve.points()) == 1


def test_the_floor_is_that_of_the_held_out_documents() -> None:
    tokenizer = Tokenizer.for_world()
    documents = held_out(runs.HELD_OUT)
    tokens = sum(len(tokenizer.encode(document.text).ids) + 1 for document in documents)
    assert runs.floor() == pytest.approx(-sum(document.log_probability for document in documents) / tokens)


# ---------------------------------------------------------------- the picture


@given(some.lists(some.floats(0, 10), min_size=1, max_size=300))
def test_smoothing_stays_within_the_values_and_keeps_a_constant(values: list[float]) -> None:
    curve = np.array(values, dtype=np.float32)
    smoothed = picture.smooth(curve)
    assert smoothed.shape == curve.shape
    assert smoothed.min() >= curve.min() - 1e-4
    assert smoothed.max() <= curve.max() + 1e-4
    assert picture.smooth(np.full(100, 3.0)) == pytest.approx(3.0)


def test_smoothing_does_not_lag_behind_a_straight_descent() -> None:
    line = np.linspace(7, 1, 200)
    assert picture.smooth(line)[:-5] == pytest.approx(line[:-5], abs=1e-5)


@given(some.floats(1e-3, 1e9))
def test_rounding_up_is_a_little_up_and_lasting(value: float) -> None:
    assert value * (1 - 1e-9) <= picture.round_up(value) <= 2 * value
    assert picture.round_up(picture.round_up(value)) == pytest.approx(picture.round_up(value))


@given(some.floats(0.1, 5), some.floats(1.5, 40))
def test_ticks_are_within_their_axis_and_neither_few_nor_many(low: float, ratio: float) -> None:
    high = low * ratio
    for ticks in (picture.even_ticks(low, high), picture.log_ticks(low, high)):
        assert all(low * (1 - 1e-6) <= tick <= high * (1 + 1e-6) for tick in ticks)
        assert 1 <= len(ticks) <= 14
        assert ticks == sorted(ticks)


def test_the_right_axis_measures_the_same_heights_in_floors() -> None:
    right = picture.axis("× floor", 0.8, 7.0, str, log=True, unit=0.9)
    assert {said: place for place, said in right.ticks}["2.0"] == pytest.approx(1.8)


def test_heights_hold_floor_and_guess_and_follow_a_run_that_blew_up_only_so_far() -> None:
    levels = (Level("floor", 1.0, floor=True), Level("guess", 6.6))
    low, high = picture.heights(levels, (), log=True)
    assert 0 < low < 1.0
    assert 6.6 < high < 8
    wild = Line("A", np.arange(2.0), np.array([6.0, 9e9]), np.array([6.0, 9e9]))
    assert picture.heights(levels, (wild,), log=False) == (0.0, 4 * 6.6)


def test_a_packed_chart_holds_its_points_bit_for_bit() -> None:
    axis = Axis("x", 0, 1, False, ((0.0, "0"),))
    points = np.arange(5, dtype=np.float32)
    passage = Passage(0, 0.5, "1 s", "2 ×", "The sky", " is <b>blue</b> ¶")
    chart = Chart(
        "r1",
        "label",
        "empty",
        axis,
        axis,
        axis,
        (Line("A", points, points + 1, points + 2),),
        (Level("floor", 1.0, True),),
        (passage,),
        "written",
        "en",
    )
    header, (numbers,) = plate.opened(picture.pack(chart))
    assert np.frombuffer(numbers, "<f4").tolist() == [*points, *(points + 1), *(points + 2)]
    assert header["revision"] == "r1"
    assert header["lines"] == [{"name": "A", "tip": "", "count": 5}]
    assert header["passages"][0]["text"] == " is <b>blue</b> ¶"
    assert header["levels"][0]["floor"] is True


# ---------------------------------------------------------------- what it weighs and can do


@pytest.mark.parametrize("config", [Config(), Config(mlp=GatedMlp(hidden=88)), Config(attention=Attention(heads=4, kv_heads=1, size=16))])
def test_the_bars_hold_every_parameter_once(config: Config) -> None:
    assert sum(weighing.by_group(config).values()) == parameters(config)


def test_two_bars_share_one_scale() -> None:
    wide, narrow = Plan(config=Config(width=64)), Plan(config=Config(width=32, attention=Attention(size=8)))
    markup = weighing.bars(EN, [wide, narrow], ["A", "B"])
    widths = [float(part.split("%")[0]) for part in markup.split('style="width:')[1:]]
    assert sum(widths) == pytest.approx(100 * (1 + parameters(narrow.config) / parameters(wide.config)), abs=0.05)


def test_figures_say_which_are_arithmetic() -> None:
    rows = weighing.figures(EN, [Plan()])
    assert {row.known for row in rows} == {EN("size.figures.computed")}
    assert rows[0].values == (EN.count(parameters(Plan().config)),)


def test_names_from_outside_never_become_markup() -> None:
    rows = [weighing.Row("<script>", "<b>", ("<i>",))]
    assert "<script>" not in weighing.table(EN, rows, ["<u>"])
    assert "<u>" not in weighing.table(EN, rows, ["<u>"])


def test_the_reading_of_abilities_counts_those_learned() -> None:
    verdict = Verdict(1.25, {"copy": 1.0, "facts": 0.5, "brackets": 0.49})
    assert "1.25 × the floor and has 2 of 3 skills: Copying, Facts" in abilities.reading(EN, [verdict], [""])


# ---------------------------------------------------------------- the page


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, tokenizer = tmp_path_factory.mktemp("tiny"), Tokenizer.for_world()
    config = Config(
        vocabulary=tokenizer.size, context=48, width=16, layers=1, attention=Attention(heads=2, kv_heads=2, size=8), mlp=PlainMlp(hidden=32)
    )
    checkpoints.save(folder, Transformer(config, seed=0), tokenizer)
    return folder


PAGE = """
import streamlit as st
from components import compute, permalink, theme
from components.controls import header
from components.i18n import Words
from components.page import Prompt, Session
from components.pages import size

permalink.restore((*header.FIELDS, *size.PAGE.fields))
specimen = header.specimen()
size.PAGE.render(Session(Words("en"), theme.LIGHT, specimen, Prompt("The sky is", (0,), ("",), (True,), 0)))
permalink.publish()
"""


@pytest.fixture
def opened(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., AppTest]]:
    monkeypatch.setattr(compute, "EMBEDDED", tiny)
    st.cache_resource.clear()

    def run(**parameters: str) -> AppTest:
        app = AppTest.from_string(PAGE, default_timeout=60)
        for name, value in parameters.items():
            app.query_params[name.replace("_", ".")] = value
        return app.run()

    yield run
    st.cache_resource.clear()


def drawn(app: AppTest) -> dict[str, Any]:
    """What the loss curve was last sent, its numbers left out."""
    (found,) = (element.proto for element in app.get("bidi_component") if element.proto.component_name == "vitrine.losscurve")
    return plate.opened(found.bytes)[0]


def said(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.html)


def press(app: AppTest, label: str) -> AppTest:
    (button,) = (button for button in app.button if button.label == label)
    return button.click().run()


def trained(app: AppTest) -> AppTest:
    """Press Train and look again until nothing moves."""
    return worked(press(app, "Train"), "size.studio")


def test_the_first_paint_shows_floor_and_guess_and_one_button(opened: Callable[..., AppTest]) -> None:
    app = opened()
    assert not app.exception
    chart = drawn(app)
    floor, guess = chart["levels"]
    assert floor["y"] == pytest.approx(runs.floor())
    assert guess["y"] == pytest.approx(math.log(Tokenizer.for_world().size))
    assert chart["lines"] == []
    assert chart["x"]["high"] == 30
    assert [button.label for button in app.button] == ["Train"]
    assert "Nothing is trained yet" in said(app)


def test_a_link_opens_the_same_plans(opened: Callable[..., AppTest]) -> None:
    app = opened(s_a="config.width~128", s_b="config.positions~NoPositions", s_x="tokens", s_y="linear")
    assert "width 128" in said(app)
    assert "Positions: None" in said(app)
    assert drawn(app)["x"]["title"] == EN("size.curve.tokens")
    assert not drawn(app)["left"]["log"]
    assert app.selectbox[0].value == size.OWN


def test_a_forged_link_leaves_the_defaults(opened: Callable[..., AppTest]) -> None:
    app = opened(s_a="config.width~-1", s_b="~~~", s_x="furlongs")
    assert not app.exception
    assert app.selectbox[0].value == "live"


def test_an_experiment_sets_both_plans_and_the_address(opened: Callable[..., AppTest]) -> None:
    app = opened()
    app.selectbox[0].select("rate_high").run()
    assert EN("size.experiments.rate_high.promise") in said(app)
    assert app.query_params["s.b"] == "recipe.learning_rate~0.08"
    assert "Learning rate: 0.08" in said(app)


def test_a_run_draws_its_curve_writes_is_examined_and_keeps_its_settings(opened: Callable[..., AppTest]) -> None:
    app = trained(opened(s_a=SMALL))
    chart = drawn(app)
    assert chart["lines"] == [{"name": "loss", "tip": chart["lines"][0]["tip"], "count": 10}]
    assert len(chart["passages"]) >= 2
    assert all(passage["opening"] == "The sky is" for passage in chart["passages"])
    assert "finished:" in said(app)
    assert "On texts it never saw, the model stands at" in said(app)
    assert EN("size.figures.measured") in said(app)
    app.selectbox[0].select("live").run()
    assert EN("size.changed") in [caption.value for caption in app.caption]
    assert drawn(app)["lines"] == chart["lines"]


def test_two_runs_stand_side_by_side(opened: Callable[..., AppTest]) -> None:
    app = trained(opened(s_a=SMALL, s_b=f"{SMALL}~seed~3"))
    chart = drawn(app)
    assert [(line["name"], line["count"]) for line in chart["lines"]] == [("A", 10), ("B", 10)]
    assert {passage["line"] for passage in chart["passages"]} == {0, 1}
    assert "A stands at" in said(app)
    assert "B stands at" in said(app)


def test_pause_resume_and_stop(opened: Callable[..., AppTest]) -> None:
    app = opened(s_a=SMALL.replace("count~10", "count~10000"))
    press(app, "Train")
    studio = app.session_state["vitrine.remembered"]["size.studio"]
    (job,) = studio.desk.jobs
    press(app, "Pause")
    assert job.state == "paused"
    press(app, "Resume")
    assert job.state == "running"
    press(app, "Stop")
    assert job.state == "stopped"
    assert "stopped after" in said(app)
    assert [button.label for button in app.button if button.label.startswith("Train")] == ["Train again, from nothing"]


def test_a_failed_run_offers_what_would_work(opened: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    failure = Refusal("training.diverged.warmup", "step {step}: no number", step=2, warmup=0)

    def work(attempt: Attempt) -> Iterator[Step]:
        yield step(1)
        raise failure

    monkeypatch.setattr(Attempt, "work", work)
    app = trained(opened(s_a=SMALL.replace("count~10", "count~100")))
    assert EN.refusal(failure) in html.unescape(said(app))
    assert [button.label for button in app.button if button.label.startswith("Train with")] == ["Train with Warm-up: 40"]


def test_a_trained_model_joins_the_models_of_the_tab(opened: Callable[..., AppTest]) -> None:
    app = trained(opened(s_a=SMALL))
    press(app, "Attention")
    (specimen,) = app.session_state["vitrine.remembered"]["compute.adopted"].values()
    assert specimen.loaded.model.config.width == 16
    assert specimen.loaded.card["steps"] == 10
    assert specimen.name.startswith("Trained here")
    assert app.session_state["vitrine.values"]["model"] == specimen.id


def test_a_refused_setting_stops_the_button_and_keeps_the_plan(opened: Callable[..., AppTest]) -> None:
    app = opened()
    app.session_state["size-drawer"] = True
    app.run()
    (heads,) = (slider for slider in app.select_slider if (slider.key or "").endswith("config.attention.heads"))
    heads.set_value(3).run()
    (train,) = (button for button in app.button if button.label == "Train")
    assert train.disabled
    assert [element.value for element in app.error]
    assert "heads 2" in said(app)
    assert "s.a" not in app.query_params
    (groups,) = (slider for slider in app.select_slider if (slider.key or "").endswith("config.attention.kv_heads"))
    groups.set_value(3).run()
    assert "heads 3" in said(app)
    assert not app.error
    assert app.query_params["s.a"] == "config.attention.heads~3~config.attention.kv_heads~3"


def test_a_second_plan_is_added_edited_and_taken_away(opened: Callable[..., AppTest]) -> None:
    app = opened()
    app.session_state["size-drawer"] = True
    app.run()
    (second,) = (toggle for toggle in app.toggle if toggle.label == EN("size.settings.second"))
    second.set_value(True).run()
    assert app.query_params["s.b"] == size.NO_DIFFERENCE
    assert EN("size.plan.same") in said(app)
    (which,) = (group for group in app.button_group if group.label == EN("size.settings.which"))
    which.set_value("B").run()
    (layers,) = (slider for slider in app.select_slider if (slider.key or "").endswith("config.layers"))
    layers.set_value(4).run()
    assert app.query_params["s.b"] == "config.layers~4"
    assert "s.a" not in app.query_params
    (second,) = (toggle for toggle in app.toggle if toggle.label == EN("size.settings.second"))
    second.set_value(False).run()
    assert "s.b" not in app.query_params


@pytest.mark.parametrize("form", [Encoder(), EncoderDecoder()], ids=["encoder", "both"])
def test_other_forms_are_trained_on_their_own_task_and_claim_no_floor(form: Encoder | EncoderDecoder) -> None:
    config = dataclasses.replace(LIVE.config, form=form, width=16, layers=1, attention=Attention(heads=1, kv_heads=1, size=16))
    attempt = Attempt(dataclasses.replace(LIVE, config=config, recipe=dataclasses.replace(LIVE.recipe, budget=Steps(count=60))), "O céu é azul")
    for _ in attempt.work():
        pass
    assert attempt.verdict is None
    assert len(attempt.written) == len(runs.MOMENTS)
    assert all(written.opening for written in attempt.written)
    picture = following.chart(EN, [attempt], [], "tokens", "log")
    assert [level.floor for level in picture.levels] == [False]
    assert picture.right.ticks == ()
    assert picture.left.low < min(float(line.y.min()) for line in picture.lines)
    assert "no exact floor" in following.reading(EN, [attempt])
    assert list(following.numbers(EN, [attempt]).columns)[-1] == EN("size.table.loss")
    decoder = Attempt(LIVE, "O céu é")
    assert EN("size.reading.tasks") in following.reading(EN, [attempt, decoder])
