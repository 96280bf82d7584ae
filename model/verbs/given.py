"""What several verbs are given: a checkpoint, and a text or the ids of one."""

from __future__ import annotations

import argparse
from pathlib import Path

from model.checkpoints import EMBEDDED, OURS, Loaded
from model.errors import Refusal


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """`--checkpoint`, the embedded model unless given."""
    what = "a folder of ours or in the Hugging Face layout (default: the embedded model)"
    parser.add_argument("--checkpoint", type=Path, default=EMBEDDED, metavar="DIR", help=what)


def add_text(parser: argparse.ArgumentParser) -> None:
    """`--text` or `--ids`, one of them required."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--text", help="a text, read by the checkpoint's tokenizer")
    which.add_argument("--ids", help='token ids instead, such as "0 17 4"')


def read_ids(options: argparse.Namespace, loaded: Loaded) -> list[int]:
    """The token ids asked for. Raises `Refusal` for none, for more than the context, or for ids outside the vocabulary."""
    ids = _spelled(options.ids) if options.text is None else _read(options.text, loaded)
    config = loaded.model.config
    if not 0 < len(ids) <= config.context:
        raise Refusal("verbs.ids_count", "this model reads 1 to {context} tokens, got {given}", context=config.context, given=len(ids))
    wrong = [id for id in ids if not 0 <= id < config.vocabulary]
    if wrong:
        raise Refusal("verbs.ids_range", "token ids run from 0 to {last}, got {given}", last=config.vocabulary - 1, given=wrong[0])
    return ids


def _spelled(text: str) -> list[int]:
    words = text.replace(",", " ").split()
    if not all(word.isdecimal() for word in words):
        raise Refusal("verbs.ids", "--ids takes whole numbers separated by spaces, got {given!r}", given=text)
    return [int(word) for word in words]


def _read(text: str, loaded: Loaded) -> list[int]:
    if loaded.tokenizer is None:
        raise Refusal("verbs.no_tokenizer", "this checkpoint has no tokenizer.json to read a text with; give --ids")
    ids = list(loaded.tokenizer.encode(text).ids)
    return [loaded.tokenizer.begin, *ids] if loaded.report.family == OURS else ids
