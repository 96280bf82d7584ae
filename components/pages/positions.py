"""Positions: how the model on show tells where a token stands, what that adds to its scores, and what breaks beyond the trained length."""

from __future__ import annotations

import copy
import html
import zlib
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import streamlit as st

from components import compute, page, state
from components.canvas.distances import distances
from components.controls import header
from components.figures import positions as figures
from components.i18n import Words
from components.jobs import Desk, Job, tend
from components.page import Page, Session, block, exhibit, note
from components.swap import READ, TRAINED, WAYS, Trial
from components.theme import PAIR
from model.analysis import lengths, positions
from model.analysis.lengths import Elsewhere
from model.analysis.positions import ByDistance, Integers
from model.checkpoints import Loaded, Report
from model.config import Encoder, Kind, Rotary
from model.cost import parameters
from model.trace import Trace
from model.training import Step

# Counted from 1, as the screen does; 0 leaves the choice to the page.
LAYER = state.integer("pos.layer", 0, 0, 96)
HEAD = state.integer("pos.head", 0, 0, 128)
STACK: state.Field[str] = state.option("pos.stack", "", ("", "encoder", "decoder"))
VIEW = state.option("pos.view", "added", ("added", "equal"))
MARK = state.integer("pos.mark", 8, 0, 4_096)
AT = state.integer("pos.at", 1, 0, 4_096)
"""The columns under the marks of the two pictures."""
START = state.integer("pos.start", 100, 0, 1_000_000)
FIRST, SECOND = state.option("pos.a", "rotary", tuple(WAYS)), state.option("pos.b", "learned", tuple(WAYS))
STEPS = state.integer("pos.steps", 600, 200, 1_200)
SEED = state.integer("pos.seed", 0, 0, 99)

FARTHEST = 256  # distances of the scheme's picture, at most
STARTS = (10, 100, 500, 1_000, 2_000, 4_000)
PULSE = 0.5
NAMES = ("A", "B")


def render(session: Session) -> None:
    """The page: the scheme, what it adds on the reader's text, and what it does beyond."""
    st.title(session.words("positions.title"))
    st.markdown(session.words("positions.lead"))
    _stacks(session)
    _scheme(session)
    _added(session)
    _elsewhere(session)
    studio: Studio = state.remember("positions.studio", Studio)
    tend(studio.desk)
    _swap(session, studio)


def _stacks(session: Session) -> None:
    """Which stack is looked at, where there are two."""
    words, depths = session.words, session.specimen.config.depths
    if len(depths) > 1:
        say = {stack: words(f"positions.added.stacks.{stack}") for stack in depths}
        bound = state.bind(STACK, shown=_stack(session))
        st.segmented_control(words("positions.added.stack"), list(say), format_func=say.__getitem__, required=True, **bound)


# ---------------------------------------------------------------- the scheme in one picture


@block
def _scheme(session: Session) -> None:
    words, specimen, kind = session.words, session.specimen, _stack(session)
    far = _asked(session, kind)
    found = positions.scheme(specimen.loaded.model, kind, far)
    shape = figures.shape(words, found, far, specimen.config.attention.heads)
    grid = figures.drawn(words, shape, _named(words, session), f"{specimen.id}.{kind}.{words.language}")
    exhibit(
        session,
        "scheme",
        lambda: distances(words, "positions-scheme", grid, state.get(MARK), partial(state.put, MARK)),
        figures.scheme_in_words(words, found, far),
        lambda: figures.frame(words, shape),
        lambda: SCHEME_AGAIN.format(kind=kind, far=far.tolist()),
    )


def _named(words: Words, session: Session) -> str:
    """The scheme of the model on show, and its stretch where it is stretched."""
    given = session.specimen.config.positions
    name = words(f"settings.kinds.{type(given).__name__}.name")
    if isinstance(given, Rotary) and type(given.stretch).__name__ != "Unstretched":
        return f"{name} · {words(f'settings.kinds.{type(given.stretch).__name__}.name')}"
    return name


def _asked(session: Session, kind: Kind) -> Integers:
    """The distances worth showing: back only in a decoder, both ways where a token sees what follows."""
    far = min(session.specimen.config.context, FARTHEST)
    return np.arange(far) if kind == "decoder" else np.arange(-far // 2 + 1, far // 2)


def _stack(session: Session) -> Kind:
    """The stack that is looked at: the one chosen where the model has it, else its main one."""
    config = session.specimen.config
    wanted = state.get(STACK)
    found: list[Kind] = [kind for kind in config.depths if kind == wanted]
    return found[0] if found else config.main


# ---------------------------------------------------------------- added to the scores of the text


@block
def _added(session: Session) -> None:
    words, kind = session.words, _stack(session)
    st.header(words("positions.added.title"))
    trace = compute.traced(session.specimen, session.prompt.ids, source=session.prompt.source_ids)
    if len(trace.allowed("attn", kind)) < 2:
        note(session, words("positions.added.short"))
        return
    layer, view = _controls(session, kind)
    reading = positions.by_distance(trace, layer, kind)
    if len(reading.names) == 4:
        st.caption(f"{words('positions.added.first')} {words('positions.added.held' if reading.held else 'positions.added.exact')}")
    if view == "equal":
        _equal(session, trace, reading, kind)
    else:
        _heads(session, reading, kind)
    _terms(session, reading, kind)


def _controls(session: Session, kind: Kind) -> tuple[int, str]:
    """The layer where it matters, and what of rotary positions is shown."""
    words, config = session.words, session.specimen.config
    known = positions.layers(config, kind)
    with st.container(horizontal=True, gap="medium", key="positions-controls"):
        layer = _pick(words("positions.added.layer"), LAYER, len(known)) if len(known) > 1 else 0
        if isinstance(config.positions, Rotary):
            views = {view: words(f"positions.added.views.{view}") for view in ("added", "equal")}
            st.segmented_control(words("positions.added.show"), list(views), format_func=views.__getitem__, required=True, **state.bind(VIEW))
            return layer, state.get(VIEW)
    return layer, "added"


def _pick(label: str, field: state.Field[int], count: int) -> int:
    """A choice among `count`, counted from 0: the first unless the state names another."""
    wanted = state.get(field)
    chosen = wanted if 0 < wanted <= count else 1
    st.segmented_control(label, range(1, count + 1), required=True, **state.bind(field, shown=chosen))
    return chosen - 1


def _revision(session: Session, layer: int, kind: Kind, view: str) -> str:
    read = repr((session.prompt.ids, session.prompt.source_ids)).encode()
    return f"{session.specimen.id}.{zlib.crc32(read):08x}.{kind}.{layer}.{view}.{session.words.language}"


def _heads(session: Session, reading: ByDistance, kind: Kind) -> None:
    words, number = session.words, reading.layer + 1
    title, revision = words("positions.added.grid", layer=number), _revision(session, reading.layer, kind, "added")
    grid = figures.added(words, title, reading.added, reading.distances, revision, float(np.abs(reading.added).max()) or 1.0)
    exhibit(
        session,
        "added",
        lambda: distances(words, "positions-added", grid, _place(reading), partial(state.put, AT)),
        _loudest(words, reading),
        lambda: figures.added_frame(words, reading),
        lambda: ADDED_AGAIN.format(layer=reading.layer, kind=kind),
    )


def _place(reading: ByDistance) -> int:
    """The column under the mark: where the reader left it, in a text long enough."""
    return min(state.get(AT), len(reading.distances) - 1)


def _loudest(words: Words, reading: ByDistance) -> str:
    """Which head listens most to distance, and where."""
    added, layer = reading.added, reading.layer + 1
    ranges = np.ptp(added, 1)
    if np.abs(added).max() < 1e-6:
        return words("positions.added.reading_none", layer=layer)
    if ranges.max() < 1e-4:
        return words("positions.added.reading_flat", layer=layer)
    head = int(ranges.argmax())
    high, low = int(added[head].argmax()), int(added[head].argmin())
    ends = {"high": _two(words, added[head, high]), "low": _two(words, added[head, low])}
    places = {"high_at": _tokens(words, int(reading.distances[high])), "low_at": _tokens(words, int(reading.distances[low]))}
    return words("positions.added.reading", layer=layer, head=head + 1, **ends, **places)


def _two(words: Words, value: float) -> str:
    """A number to two places, none of them a negative nothing."""
    return words.number(round(float(value), 2) + 0.0, 2)


def _tokens(words: Words, count: int) -> str:
    return words(f"positions.added.tokens.{'one' if abs(count) == 1 else 'many'}", count=words.number(count, 0))


def _equal(session: Session, trace: Trace, reading: ByDistance, kind: Kind) -> None:
    """How the product of equal vectors falls with distance, head by head."""
    words, far = session.words, np.arange(min(session.specimen.config.context, FARTHEST))
    values = positions.equal_vectors(trace, reading.layer, far, kind)
    title, revision = words("positions.added.grid_equal", layer=reading.layer + 1), _revision(session, reading.layer, kind, "equal")
    grid = figures.added(words, title, values, far, revision, 1.0)
    at = min(16, len(far) - 1)
    least, most = int(values[:, at].argmin()), int(values[:, at].argmax())
    kept = {"share": words.percent(float(values[least, at])), "other_share": words.percent(float(values[most, at]))}
    named = {"layer": reading.layer + 1, "head": least + 1, "other": most + 1, "distance": _tokens(words, at)}
    exhibit(
        session,
        "equal",
        lambda: distances(words, "positions-added", grid, state.get(AT), partial(state.put, AT)),
        words("positions.added.equal", **named, **kept),
        lambda: figures.frame(words, figures.Shape("turning", grid.rows, far, values, 1.0)),
        lambda: EQUAL_AGAIN.format(layer=reading.layer, kind=kind, far=len(far)),
    )


def _terms(session: Session, reading: ByDistance, kind: Kind) -> None:
    """One head's scores, term by term."""
    words, config = session.words, session.specimen.config
    head = _pick(words("positions.added.head"), HEAD, config.attention.heads)
    st.markdown(f"**{words('positions.added.terms', head=head + 1, layer=reading.layer + 1)}**")
    figure = figures.terms(words, reading, head, page.layout(session))
    again = lambda: ADDED_AGAIN.format(layer=reading.layer, kind=kind)  # noqa: E731
    draw = partial(st.plotly_chart, figure, theme=None, key="chart-terms", config={"displayModeBar": False})
    exhibit(session, "terms", draw, _term_by_term(words, reading, head), lambda: figures.added_frame(words, reading), again)


def _term_by_term(words: Words, reading: ByDistance, head: int) -> str:
    at = int(np.argmin(np.abs(reading.distances - 1)))
    values = reading.means[:, head, at]
    said = [
        words("positions.added.part", value=_two(words, value), name=words(f"positions.term.{name}"))
        for name, value in zip(reading.names, values, strict=True)
    ]
    told = {"distance": _tokens(words, int(reading.distances[at])), "score": _two(words, values.sum())}
    return words("positions.added.terms_reading", head=head + 1, parts=", ".join(said), **told)


# ---------------------------------------------------------------- the same text elsewhere


@block
def _elsewhere(session: Session) -> None:
    """The text begun at another position: nothing is trained, everything is measured."""
    words, ids = session.words, session.prompt.ids
    st.header(words("positions.elsewhere.title"))
    starts = [start for start in STARTS if start + len(ids) <= session.specimen.config.context]
    pieces = session.prompt.pieces[0 if isinstance(session.specimen.config.form, Encoder) else 1 :]
    if not starts or not pieces:
        note(session, words("positions.elsewhere.full" if pieces else "positions.added.short"))
        return
    wanted = state.get(START)
    start = wanted if wanted in starts else starts[min(1, len(starts) - 1)]
    say = {each: words.number(each, 0) for each in starts}
    label = words("positions.elsewhere.start")
    st.segmented_control(label, starts, format_func=say.__getitem__, required=True, **state.bind(START, shown=start))
    readings = _measured(session, start)
    figure = figures.elsewhere(words, readings, pieces, page.layout(session))
    draw = partial(st.plotly_chart, figure, theme=None, key="chart-elsewhere", config={"displayModeBar": False})
    again = lambda: ELSEWHERE_AGAIN.format(start=start)  # noqa: E731
    exhibit(session, "elsewhere", draw, _moved(words, *readings), lambda: figures.elsewhere_frame(words, readings, pieces), again)


def _measured(session: Session, start: int) -> tuple[Elsewhere, Elsewhere]:
    """The text begun at 0 and begun at `start`, measured once for a whole room."""
    specimen, ids, source = session.specimen, session.prompt.ids, session.prompt.source_ids

    def make() -> bytes:
        found = lengths.elsewhere(specimen.loaded.model, ids, (0, start), source)
        return np.concatenate([part for reading in found for part in (reading.loss, reading.moved)]).tobytes()

    numbers = np.frombuffer(compute.packed("positions.elsewhere", specimen.id, ids, source, start, make=make), np.float32)
    first, second = numbers.reshape(2, -1)
    split = len(first) - len(ids)
    return Elsewhere(0, first[:split], first[split:]), Elsewhere(start, second[:split], second[split:])


def _moved(words: Words, first: Elsewhere, second: Elsewhere) -> str:
    before, after = float(first.loss.mean()), float(second.loss.mean())
    told = {"start": words.number(second.start, 0), "before": words.number(before, 2), "after": words.number(after, 2)}
    most = float(np.abs(second.loss - first.loss).max())
    if most < 1e-3:
        return words("positions.elsewhere.same", most=words.number(most) if most else "0", **told)
    return words("positions.elsewhere.reading", moved=words.percent(float(second.moved.mean())), **told)


# ---------------------------------------------------------------- the scheme swapped in a miniature


@dataclass
class Studio:
    """What is at work in this tab: two trials, and on the desk the jobs that pull them, in the same order."""

    desk: Desk = field(default_factory=Desk)
    trials: tuple[Trial, ...] = ()

    def start(self, *trials: Trial) -> None:
        """Begin anew, from nothing."""
        self.trials = trials
        self.desk.place(*(Job(trial.work(), owner=id(self)) for trial in trials))

    @property
    def pairs(self) -> list[tuple[Trial, Job[Step]]]:
        """Each trial with its job."""
        return list(zip(self.trials, self.desk.jobs, strict=True))

    @property
    def alive(self) -> bool:
        """Whether anything may still move."""
        return any(not job.ended for job in self.desk.jobs)


@block
def _swap(session: Session, studio: Studio) -> None:
    st.header(session.words("positions.swap.title"))
    st.markdown(session.words("positions.swap.lead", trained=TRAINED, read=READ))
    block(_stage, run_every=PULSE if studio.alive else None)(session, studio, studio.alive)


def _stage(session: Session, studio: Studio, beating: bool) -> None:
    """What moves while the miniatures train; drawn once more, at rest, when the last has ended."""
    left, right = st.columns([1, 3], gap="medium")
    with left:
        _choices(session.words)
        _buttons(session, studio)
        for name, (trial, job) in zip(NAMES, studio.pairs, strict=False):
            _progress(session.words, name, trial, job)
        _doors(session, studio)
    with right:
        _beyond(session, studio)
    if beating and not studio.alive:
        st.rerun()


def _choices(words: Words) -> None:
    titles = {way: words(f"positions.way.{way}.name") for way in WAYS}
    for letter, chosen in zip(NAMES, (FIRST, SECOND), strict=True):
        label = words("positions.swap.way", name=letter)
        st.selectbox(label, list(WAYS), format_func=titles.__getitem__, **state.bind(chosen))
        st.html(f'<p class="v-promise">{html.escape(words(f"positions.way.{state.get(chosen)}.about"))}</p>')
    with st.container(horizontal=True, gap="small"):
        st.slider(words("positions.swap.steps"), 200, 1_200, step=100, **state.bind(STEPS))
        st.number_input(words("positions.swap.seed"), 0, 99, step=1, width=96, **state.bind(SEED))


def _buttons(session: Session, studio: Studio) -> None:
    words = session.words
    if studio.alive:
        if st.button(words("positions.swap.stop"), key="positions-stop", width="stretch", on_click=_stop, args=(studio.desk,)):
            st.rerun()
    elif st.button(words(f"positions.swap.{'again' if studio.trials else 'train'}"), key="positions-train", type="primary", width="stretch"):
        studio.start(*(Trial(state.get(chosen), state.get(STEPS), state.get(SEED)) for chosen in (FIRST, SECOND)))
        st.rerun()


def _stop(desk: Desk) -> None:
    for job in desk.jobs:
        job.stop()


def _progress(words: Words, name: str, trial: Trial, job: Job[Step]) -> None:
    """How far one miniature is, in one line over a bar; fixed in height, so that nothing below it moves."""
    share = job.latest.fraction if job.latest else 0.0
    told = html.escape(f"{words(f'positions.way.{trial.way}.name')}: {_status(words, trial, job)}")
    st.html(
        f'<div class="v-progress"><p><b>{name}</b> {told}</p>'
        f'<span role="progressbar" aria-valuenow="{100 * share:.0f}" aria-valuemin="0" aria-valuemax="100" aria-label="{name} {told}">'
        f'<i style="width:{min(share, 1):.1%};background:{PAIR[NAMES.index(name)]}"></i></span></div>'
    )
    if job.failure is not None:
        page.calm(words.refusal(job.failure))


def _status(words: Words, trial: Trial, job: Job[Step]) -> str:
    step = job.latest
    reading = job.state == "running" and step is not None and step.fraction >= 1
    values = {
        "tokens": words.count(step.tokens if step else 0),
        "seconds": words.duration(step.seconds if step else 0.0),
        "loss": words.number(step.loss if step else 0.0, 2),
        "turn": job.turn,
    }
    return words(f"positions.state.{'reading' if reading else 'starting' if step is None and job.state == 'running' else job.state}", **values)


def _beyond(session: Session, studio: Studio) -> None:
    words = session.words
    names = [f"{letter} · {words(f'positions.way.{trial.way}.name')}" for letter, trial in zip(NAMES, studio.trials, strict=False)]
    found = [trial.measured for trial in studio.trials]
    figure = figures.lengths(words, names, found, TRAINED, READ, page.layout(session))
    draw = partial(st.plotly_chart, figure, theme=None, key="chart-lengths", config={"displayModeBar": False})
    exhibit(session, "lengths", draw, _broken(words, studio, names), lambda: figures.lengths_frame(words, names, found))
    chosen = (state.get(FIRST), state.get(SECOND), state.get(STEPS), state.get(SEED))
    if studio.trials and not studio.alive and chosen != (*(trial.way for trial in studio.trials), studio.trials[0].steps, studio.trials[0].seed):
        st.caption(words("positions.swap.changed"))


def _broken(words: Words, studio: Studio, names: list[str]) -> str:
    """What each miniature does within the trained length, just beyond it, and at the far end."""
    said = []
    for name, trial in zip(names, studio.trials, strict=True):
        if trial.measured is None:
            continue
        means = (trial.measured.mean(0, TRAINED), trial.measured.mean(TRAINED, 2 * TRAINED), trial.measured.mean(2 * TRAINED, READ))
        within, double, far = (words.number(mean, 2) for mean in means)
        verdict = words(f"positions.swap.verdict.{_verdict(means[0], means[2])}")
        said.append(words("positions.swap.reading", name=name, within=within, double=double, far=far, verdict=verdict))
    return " ".join(said) or words("positions.swap.none", trained=TRAINED)


def _verdict(within: float, far: float) -> str:
    """A tenth worse is little, twice as far from the floor is broken."""
    return "holds" if far < 1.1 * within else "breaks" if far - 1 > 2 * (within - 1) else "suffers"


def _doors(session: Session, studio: Studio) -> None:
    """The way for a miniature at rest to become the model on show, here and on every other page."""
    words = session.words
    for number, (letter, (trial, job)) in enumerate(zip(NAMES, studio.pairs, strict=False)):
        resting = trial.session is not None and job.latest is not None and job.ended
        if resting and st.button(words("positions.swap.show", name=letter), key=f"positions-show-{number}", type="tertiary"):
            _take(trial, words)
            st.rerun(scope="app")


def _take(trial: Trial, words: Words) -> None:
    """The trial's model among the models of this tab, and chosen."""
    assert trial.session is not None
    model = copy.deepcopy(trial.model())
    report = Report("vitrine", parameters(model.config), formats=("float32",))
    loaded = Loaded(model, trial.tokenizer, trial.session.card({}), report)
    state.put(header.MODEL, compute.adopt(loaded, words(f"positions.way.{trial.way}.name")).id)


# ---------------------------------------------------------------- in a notebook

SCHEME_AGAIN = """
import numpy as np

from model.analysis import positions

found = positions.scheme(model, {kind!r}, np.array({far}))
asked = ("similarity", "lengths", "waves", "periods", "slopes", "buckets", "added")
numbers = {{name: np.asarray(getattr(found, name)) for name in asked if hasattr(found, name)}}
"""
ADDED_AGAIN = """
from model.analysis import positions

found = positions.by_distance(trace, {layer}, {kind!r})
numbers = {{"distance": found.distances, "pairs": found.pairs, "means": found.means, "added": found.added}}
"""
EQUAL_AGAIN = """
import numpy as np

from model.analysis import positions

far = np.arange({far})
numbers = {{"distance": far, "equal": positions.equal_vectors(trace, {layer}, far, {kind!r})}}
"""
ELSEWHERE_AGAIN = """
from model.analysis import lengths

first, other = lengths.elsewhere(model, ids, (0, {start}), source)
numbers = {{"loss": first.loss, "loss_elsewhere": other.loss, "moved": other.moved}}
"""


PAGE = Page("positions", render, (LAYER, HEAD, STACK, VIEW, MARK, AT, START, FIRST, SECOND, STEPS, SEED))
