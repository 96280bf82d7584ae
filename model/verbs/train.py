"""`train`: train a model in the micro-world, say how it goes on standard error, and save what `--checkpoint` reads.

Beside the checkpoint lies the run itself, for `--resume`. An interrupt (Ctrl-C) ends the run after the step under way, and
saves; a second one ends the program. One thread: two are slower when anyone else is at work.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Any

import torch

from model.checkpoints import load, refuse_unless_free, save
from model.checkpoints.files import read_json
from model.config import Config, from_dict
from model.errors import Refusal
from model.training import Budget, Seconds, Step, Steps, Tokens, load_run, save_run
from model.training.session import PARTS, Preset, Session, begin, preset, presets, read
from model.verbs.evaluate import figures, headlines
from model.verbs.layout import pairs

TELL_EVERY = 5.0
"""Seconds between two lines of progress."""
KEEP_EVERY = 60.0
"""Seconds between two copies on disk of a run under way."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What to train, for how long, where to keep it, and where to go on from."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--preset", metavar="NAME", help=f"one of {', '.join(presets())}")
    which.add_argument("--config", type=Path, metavar="FILE", help="a configuration, or a whole preset")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--seconds", type=float, metavar="N", help="train so long")
    budget.add_argument("--steps", type=int, metavar="N", help="train so many steps")
    budget.add_argument("--tokens", type=int, metavar="N", help="train on so many tokens")
    parser.add_argument("--seed", type=int, metavar="S", help="draws the weights, the documents and what is dropped")
    parser.add_argument("--store", choices=("fp16", "fp32"), default="fp16", help="how the weights are stored (default: fp16)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to save to")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="go on with the run that was saved there")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train, save, measure the saved model, and write the figures on its card."""
    torch.set_num_threads(1)
    refuse_unless_free(options.out)
    session = _session(options)
    with _interrupts() as interrupt:
        try:
            _train(session, options, interrupt)
        finally:
            _keep(session, options)
    _tell("measuring")
    measured = figures(load(options.out))
    save(options.out, session.model, session.tokenizer, session.card(measured), precision=options.store)
    return {"tokens": session.run.tokens, "seconds": session.run.seconds, "steps": session.run.steps, **measured, "checkpoint": str(options.out)}


def table(result: dict[str, Any]) -> str:
    """What came of it."""
    return pairs(
        {
            "tokens": f"{result['tokens']:,} in {result['steps']:,} steps",
            "seconds": f"{result['seconds']:.1f}",
            **headlines(result),
            "saved to": result["checkpoint"],
        }
    )


# ---------------------------------------------------------------- what to train


def _session(options: argparse.Namespace) -> Session:
    if options.resume is None:
        return begin(_adjusted(_asked(options), options))
    if options.preset or options.config or options.seed is not None:
        raise Refusal("verbs.resume", "--resume goes on with what was begun; leave --preset, --config and --seed away")
    begun = read(read_json(options.resume / "card.json").get("preset", {}))
    return begin(_adjusted(begun, options), load_run(options.resume))


def _asked(options: argparse.Namespace) -> Preset:
    if options.preset:
        return preset(options.preset)
    if options.config is None:
        raise Refusal("verbs.train", "say what to train: --preset {known}, --config FILE or --resume DIR", known=" or ".join(presets()))
    given = read_json(options.config)
    if given.keys() <= PARTS:
        return read(given)
    return Preset(config=from_dict(Config, {name: value for name, value in given.items() if name != "model_type"}))


def _adjusted(asked: Preset, options: argparse.Namespace) -> Preset:
    """The preset with the budget and the seed that the options name."""
    recipe = replace(asked.recipe, budget=_budget(options) or asked.recipe.budget)
    if options.seed is not None:
        recipe = replace(recipe, seed=options.seed)
    return replace(asked, recipe=recipe)


def _budget(options: argparse.Namespace) -> Budget | None:
    if options.seconds is not None:
        return Seconds(length=options.seconds)
    if options.steps is not None:
        return Steps(count=options.steps)
    return None if options.tokens is None else Tokens(count=options.tokens)


# ---------------------------------------------------------------- the run


@dataclass(slots=True)
class Interrupt:
    """Whether someone asked to stop."""

    asked: bool = False


@contextmanager
def _interrupts() -> Iterator[Interrupt]:
    """Turn the first interrupt into a wish, and let the second do what it always does."""
    interrupt = Interrupt()

    def note(number: int, frame: FrameType | None) -> None:
        interrupt.asked = True
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def _train(session: Session, options: argparse.Namespace, interrupt: Interrupt) -> None:
    told = kept = monotonic()
    for step in session.run:
        now = monotonic()
        if now - told >= TELL_EVERY or step.fraction >= 1 or interrupt.asked:
            told = now
            _tell(_line(step))
        if interrupt.asked:
            return
        if now - kept >= KEEP_EVERY:
            kept = now
            _keep(session, options)


def _keep(session: Session, options: argparse.Namespace) -> None:
    """The model as it is, its card without figures, and the run."""
    save(options.out, session.model, session.tokenizer, session.card({}), precision=options.store)
    save_run(options.out, session.run.checkpoint())


def _line(step: Step) -> str:
    left = step.seconds * (1 - step.fraction) / max(step.fraction, 1e-9)
    return (
        f"step {step.step:,} · {step.tokens:,} tokens · loss {step.loss:.3f} · rate {step.learning_rate:.2g} · "
        f"{step.tokens_per_second:,.0f} tokens/s · {step.fraction:.0%} · {left:,.0f} s left"
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
