"""What several verbs are given: a checkpoint, and a text or the ids of one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from model.checkpoints import EMBEDDED, Loaded, hub
from model.config import Decoder, Encoder, EncoderDecoder
from model.errors import Refusal
from model.text import blanks
from model.text.tokenizer import Tokenizer

CHECKPOINT = "a folder of ours or in the Hugging Face layout, or a model's name on its hub, such as openai-community/gpt2"


def located(checkpoint: Path) -> Path:
    """The folder of a checkpoint. A name on the hub is fetched first, unless there is such a folder, with its progress on standard error.
    Raises what `hub.fetch` raises."""
    if checkpoint.is_dir() or not hub.is_name(str(checkpoint)):
        return checkpoint
    folder = checkpoint
    for step in hub.fetch(str(checkpoint)):
        folder = step.folder or folder
        print(f"\r{step.name}@{step.commit[:12]}: {step.done // 10**6} of {-(-step.total // 10**6)} MB", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return folder


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """`--checkpoint`, the embedded model unless given."""
    what = f"{CHECKPOINT} (default: the embedded model)"
    parser.add_argument("--checkpoint", type=Path, default=EMBEDDED, metavar="DIR", help=what)


def add_text(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """`--text` or `--ids`, one of them unless none is required."""
    which = parser.add_mutually_exclusive_group(required=required)
    which.add_argument("--text", help="a text, read by the checkpoint's tokenizer")
    which.add_argument("--ids", help='token ids instead, such as "0 17 4"')


def add_source(parser: argparse.ArgumentParser) -> None:
    """`--source` or `--source-ids`, which an encoder–decoder writes about."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--source", metavar="TEXT", help="what an encoder–decoder writes about, such as a text to translate")
    which.add_argument("--source-ids", metavar="IDS", help="token ids instead")


def read_ids(options: argparse.Namespace, loaded: Loaded) -> list[int]:
    """The token ids asked for, for an encoder–decoder those its target begins with. Raises `Refusal` for none, for more than the
    context, or for ids outside the vocabulary."""
    if options.text is None:
        return _fitting(_spelled(options.ids, "--ids"), loaded)
    tokenizer = _reader(loaded, "--ids")
    read = blanks.encode(tokenizer, options.text).ids
    match loaded.model.config.form:
        case Decoder():
            return _fitting([*tokenizer.opening, *read], loaded)
        case Encoder():
            return _fitting([*tokenizer.opening, *read, *tokenizer.closing], loaded)
        case EncoderDecoder():
            return _fitting([tokenizer.begin if loaded.marks.start is None else loaded.marks.start, *read], loaded)


def read_source(options: argparse.Namespace, loaded: Loaded) -> list[int] | None:
    """The source's token ids, `None` where none is given. Raises `Refusal` as `read_ids` does."""
    if options.source_ids is not None:
        return _fitting(_spelled(options.source_ids, "--source-ids"), loaded)
    if options.source is None:
        return None
    tokenizer = _reader(loaded, "--source-ids")
    return _fitting([*tokenizer.opening, *tokenizer.encode(options.source).ids, *tokenizer.closing], loaded)


def _reader(loaded: Loaded, instead: str) -> Tokenizer:
    if loaded.tokenizer is None:
        raise Refusal("verbs.no_tokenizer", "this checkpoint has no tokenizer.json to read a text with; give {option}", option=instead)
    return loaded.tokenizer


def _spelled(text: str, option: str) -> list[int]:
    words = text.replace(",", " ").split()
    if not all(word.isdecimal() for word in words):
        raise Refusal("verbs.ids", "{option} takes whole numbers separated by spaces, got {given!r}", option=option, given=text)
    return [int(word) for word in words]


def _fitting(ids: list[int], loaded: Loaded) -> list[int]:
    config = loaded.model.config
    if not 0 < len(ids) <= config.context:
        raise Refusal("verbs.ids_count", "this model reads 1 to {context} tokens, got {given}", context=config.context, given=len(ids))
    wrong = [id for id in ids if not 0 <= id < config.vocabulary]
    if wrong:
        raise Refusal("verbs.ids_range", "token ids run from 0 to {last}, got {given}", last=config.vocabulary - 1, given=wrong[0])
    return ids
