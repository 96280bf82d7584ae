"""`generate`: continue a text, translate one or fill its blanks, one token at a time."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from model.checkpoints import DRAFT, EMBEDDED, MASKED, TRANSLATOR, Loaded, load
from model.config import Encoder, EncoderDecoder
from model.errors import Refusal
from model.generation import WAYS, Choose, Chosen, Fill, Greedy, Sample, fill_blanks, filled, generate
from model.layers.masks import parse_plan
from model.text.blanks import MARK
from model.verbs import searching, speculation
from model.verbs.given import CHECKPOINT, add_checkpoint, add_source, add_text, located, read_ids, read_source
from model.verbs.layout import columns

FILTERS = {
    "temperature": (float, "divide the logits by it; 0 takes the most probable token"),
    "top_k": (int, "keep the K most probable tokens"),
    "top_p": (float, "keep the fewest tokens that reach this probability"),
    "min_p": (float, "keep tokens at least this share as probable as the best"),
    "typical": (float, "keep tokens about as surprising as expected, until they reach this probability"),
    "seed": (int, "draws the same tokens each time"),
}
PENALTIES = {
    "repetition_penalty": ("divide the logits of tokens that occurred, the prompt's too", 1.0),
    "frequency_penalty": ("take this off a token's logit for each time it occurred", 0.0),
    "presence_penalty": ("take this off the logit of a token that occurred at all", 0.0),
}
TOKENS, OTHERS, AHEAD, ROUNDS = 20, 3, 4, 4


def arguments(parser: argparse.ArgumentParser) -> None:
    """A text or a source, a model, how many tokens, and how to choose them."""
    add_text(parser, required=False)
    add_source(parser)
    add_checkpoint(parser)
    parser.set_defaults(checkpoint=None)
    parser.add_argument("--tokens", type=int, metavar="N", help=f"how many to write (default: {TOKENS}; about a source, until its end)")
    for name, (kind, does) in FILTERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=name[0].upper(), help=does)
    for name, (does, rest) in PENALTIES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=rest, metavar=name[0].upper(), help=does)
    parser.add_argument("--mask", metavar="SPEC", help='who may look at whom, such as "causal & window(8)" or "causal; L2.H3: causal & window(8)"')
    what = f"let a small model propose tokens: {CHECKPOINT} (without DIR: the one that comes with the embedded model)"
    parser.add_argument("--draft", type=Path, nargs="?", const=DRAFT, metavar="DIR", help=what)
    parser.add_argument("--ahead", type=int, metavar="N", help=f"how many it proposes before they are read (default: {AHEAD})")
    parser.add_argument("--sure", type=float, metavar="P", help="it stops proposing where it gives no token this probability (default: 0)")
    searching.add_arguments(parser)
    parser.add_argument("--stop", action="store_true", help="end where the document ends")
    what = "how blanks are filled: the surest guess first (default), from the left, all at once, or in rounds that take back the least sure"
    parser.add_argument("--order", choices=WAYS, help=what)
    parser.add_argument("--rounds", type=int, metavar="R", help=f"how many rounds at most (default: {ROUNDS})")
    parser.add_argument("--blank", type=int, metavar="ID", help="the token that stands for a blank, where there is no tokenizer to say so")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The whole text and each new token with the model's own probability and rank, before any filter."""
    loaded = load(located(options.checkpoint or fitting(options)))
    match loaded.model.config.form:
        case Encoder():
            return _filled(options, loaded)
        case EncoderDecoder():
            return _translated(options, loaded)
        case _:
            return _continued(options, loaded)


def fitting(options: argparse.Namespace) -> Path:
    """The embedded model that can do what is asked: with a source the translator, with blanks in the text the encoder."""
    if options.source is not None or options.source_ids is not None:
        return TRANSLATOR
    return MASKED if options.text is not None and MARK.search(options.text) else EMBEDDED


def table(result: dict[str, Any]) -> str:
    """The text, then a row a token; a row a proposal where there was a draft, a row a text or a candidate where there was a search."""
    if "found" in result or "trials" in result:
        return f"{result['text']}\n\n{searching.table(result)}"
    if "rounds" in result:
        return f"{result['text']}\n\n{speculation.table(result)}"
    steps, blanks = result["steps"], "place" in next(iter(result["steps"]), ())
    if blanks and "pass" in result["steps"][0]:
        rows = ((step["pass"], step["place"], step["piece"], f"{step['probability']:.1%}", step["id"]) for step in result["steps"])
        return f"{result['text']}\n\n{columns(('pass', 'place', 'token', 'probability', 'id'), rows)}"
    head = ("token", "probability", "rank", "id", *(("place", "or") if blanks else ()))
    rows = ((step["piece"], f"{step['probability']:.1%}", step["rank"], step["id"], *_further(step)) for step in steps)
    return f"{result['text']}\n\n{columns(head, rows)}"


def _further(step: dict[str, Any]) -> tuple[Any, ...]:
    if "place" not in step:
        return ()
    return step["place"], ", ".join(f"{other['piece'].strip()} {other['probability']:.1%}" for other in step["alternatives"])


# ---------------------------------------------------------------- by form


def _continued(options: argparse.Namespace, loaded: Loaded) -> dict[str, Any]:
    _refuse(options, loaded, "order", "rounds", "blank", "source", "source_ids")
    ids = given(options, loaded)
    end = loaded.marks.stop if options.stop else None
    if searching.wanted(options):
        return _searched(options, loaded, ids, _count(options, TOKENS), end)
    if _draft(options) is not None:
        return _speculated(options, loaded, ids, _count(options, TOKENS), end)
    steps = list(generate(loaded.model, ids, choose=_choose(options), tokens=_count(options, TOKENS), stop=end, mask=_mask(options)))
    return {"text": _text([*ids, *(step.id for step in steps)], loaded), "steps": [_told(step, loaded) for step in steps]}


def _translated(options: argparse.Namespace, loaded: Loaded) -> dict[str, Any]:
    """What was written about the source: its end and what it began with are no part of the text."""
    _refuse(options, loaded, "order", "rounds", "blank")
    source = read_source(options, loaded)
    ids = begun(options, loaded)
    count = _count(options, loaded.model.config.context)
    if searching.wanted(options):
        return _searched(options, loaded, ids, count, loaded.marks.stop, source)
    if _draft(options) is not None:
        return _speculated(options, loaded, ids, count, loaded.marks.stop, source)
    steps = list(generate(loaded.model, ids, choose=_choose(options), tokens=count, stop=loaded.marks.stop, mask=_mask(options), source=source))
    written = [step.id for step in steps if step.id != loaded.marks.stop]
    return {"text": _text([*ids, *written], loaded), "steps": [_told(step, loaded) for step in steps]}


def _searched(
    options: argparse.Namespace, loaded: Loaded, ids: list[int], tokens: int, end: int | None, source: list[int] | None = None
) -> dict[str, Any]:
    """What a search found, all that it weighed, and each token as if the model had been handed it."""
    given: dict[str, Any] = {"tokens": tokens, "stop": end, "source": source}
    written, told = searching.search(options, loaded.model, ids, **given, piece=lambda id: _piece(id, loaded))
    steps = list(generate(loaded.model, ids, tokens=len(written), picks=dict(enumerate(written)), source=source))
    closing = end if isinstance(loaded.model.config.form, EncoderDecoder) else None
    return {"text": _text([*ids, *(id for id in written if id != closing)], loaded), "steps": [_told(step, loaded) for step in steps], **told}


def _speculated(
    options: argparse.Namespace, loaded: Loaded, ids: list[int], tokens: int, end: int | None, source: list[int] | None = None
) -> dict[str, Any]:
    """What the model and a draft wrote together, round by round; `steps` tells each token as if the model had written it alone."""
    if options.mask is not None:
        raise Refusal("verbs.draft_mask", "a draft and its target read by their own masks; leave --mask or --draft out")
    choose, ahead = _choose(options), AHEAD if options.ahead is None else options.ahead
    how = {"ahead": ahead, "sure": options.sure or 0.0, "tokens": tokens, "stop": end, "source": source}
    rounds = speculation.rounds(loaded, load(located(_draft(options) or DRAFT)), ids, choose, **how)
    steps = speculation.steps(rounds, choose)
    closing = end if isinstance(loaded.model.config.form, EncoderDecoder) else None
    text = _text([*ids, *(step.id for step in steps if step.id != closing)], loaded)
    return {"text": text, "steps": [_told(step, loaded) for step in steps], **speculation.told(rounds, lambda id: _piece(id, loaded))}


def _filled(options: argparse.Namespace, loaded: Loaded) -> dict[str, Any]:
    """The text with its blanks filled, and each filling with the likeliest other ones."""
    _refuse(options, loaded, "tokens", "mask", "stop", "source", "source_ids", "draft", "ahead", "sure", "beams", "contrastive")
    ids, blank = given(options, loaded), options.blank
    if blank is None and loaded.tokenizer is not None:
        blank = loaded.tokenizer.blank
    if blank is None:
        raise Refusal("verbs.blank", "this checkpoint has no token of its own for a blank; name its id with --blank")
    if options.order in ("once", "rounds"):
        return _filled_together(options, loaded, ids, blank)
    steps = list(fill_blanks(loaded.model, ids, blank, _choose(options), options.order or "surest"))
    put = {step.place: step.id for step in steps}
    text = _text([put.get(place, id) for place, id in enumerate(ids)], loaded)
    return {"text": text, "steps": [_told(step, loaded) | _beside(step, loaded) for step in steps]}


def _filled_together(options: argparse.Namespace, loaded: Loaded, ids: list[int], blank: int) -> dict[str, Any]:
    """The text with its blanks filled all at once, or in rounds; each filling with the pass that made it."""
    found = filled(loaded.model, ids, blank, options.order, rounds=ROUNDS if options.rounds is None else options.rounds)
    text = _text([found.last[place].id if place in found.last else id for place, id in enumerate(ids)], loaded)
    steps = [
        {"id": put.id, "piece": _piece(put.id, loaded), "probability": put.probability, "place": put.place, "pass": number}
        for number, puts in enumerate(found.passes)
        for put in puts
    ]
    return {"text": text, "steps": steps, "log_probability": found.log_probability, "pseudo_log_likelihood": found.pseudo}


# ---------------------------------------------------------------- what was given


def given(options: argparse.Namespace, loaded: Loaded) -> list[int]:
    """The ids of a text to go on from, or whose blanks are to be filled. Raises `Refusal` where there is none."""
    if options.text is None and options.ids is None:
        raise Refusal("verbs.nothing", "there is nothing to go on from; give --text or --ids")
    return read_ids(options, loaded)


def begun(options: argparse.Namespace, loaded: Loaded) -> list[int]:
    """What a target begins with: what was given, or else the token that opens every target."""
    if options.text is not None or options.ids is not None:
        return read_ids(options, loaded)
    if loaded.marks.start is None:
        raise Refusal("verbs.start", "this checkpoint does not say which token a target begins with; name it with --ids")
    return [loaded.marks.start]


def _refuse(options: argparse.Namespace, loaded: Loaded, *unfit: str) -> None:
    """Raise `Refusal` for an option that means nothing to a model of this form."""
    for name in unfit:
        if getattr(options, name) not in (None, False):
            sentence = "{option} means nothing to {kind}; leave it out, or choose another --checkpoint"
            raise Refusal("verbs.unfit", sentence, option=f"--{name.replace('_', '-')}", kind=_KINDS[type(loaded.model.config.form).__name__])


_KINDS = {
    "Decoder": "a decoder, which continues a text",
    "Encoder": "an encoder, which fills blanks",
    "EncoderDecoder": "an encoder–decoder, which writes about a source",
}


def _count(options: argparse.Namespace, usual: int) -> int:
    if options.tokens is None:
        return usual
    if options.tokens < 1:
        raise Refusal("verbs.tokens", "--tokens is 1 or more, got {given}", given=options.tokens)
    return options.tokens


def _draft(options: argparse.Namespace) -> Path | None:
    """The model that proposes: the one named, the one that ships where only a number of proposals is, or none."""
    return DRAFT if options.draft is None and (options.ahead, options.sure) != (None, None) else options.draft


def _mask(options: argparse.Namespace):
    return None if options.mask is None else parse_plan(options.mask)


def _choose(options: argparse.Namespace) -> Choose:
    """The most probable token every time, unless something about sampling is asked for."""
    given = {name: getattr(options, name) for name in FILTERS if getattr(options, name) is not None}
    penalties = {name: getattr(options, name) for name in PENALTIES}
    return Greedy(**penalties) if not given or options.temperature == 0 else Sample(**given, **penalties)


# ---------------------------------------------------------------- what came of it


def _told(step: Chosen, loaded: Loaded) -> dict[str, Any]:
    return {"id": step.id, "piece": _piece(step.id, loaded), "probability": step.probability, "rank": step.rank}


def _beside(step: Fill, loaded: Loaded) -> dict[str, Any]:
    others = [{"id": id, "piece": _piece(id, loaded), "probability": share} for id, share in step.alternatives(OTHERS)]
    return {"place": step.place, "alternatives": others}


def _text(ids: list[int], loaded: Loaded) -> str:
    """The text of all tokens, without what frames it."""
    if loaded.tokenizer is None:
        return " ".join(map(str, ids))
    frames = loaded.tokenizer.opening, *([(loaded.marks.start,)] if loaded.marks.start is not None else [])
    opening = next((frame for frame in frames if frame and tuple(ids[: len(frame)]) == frame), ())
    closing = loaded.tokenizer.closing
    end = len(ids) - len(closing) if closing and tuple(ids[-len(closing) :]) == closing else len(ids)
    return loaded.tokenizer.decode(ids[len(opening) : end])


def _piece(id: int, loaded: Loaded) -> str:
    return str(id) if loaded.tokenizer is None else loaded.tokenizer.piece(id)
