"""From words on a command line to one verb's result on standard output; every error is one sentence on standard error."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from model.errors import Refusal
from model.verbs import VERBS

OK, BAD_INPUT, INTERRUPTED = 0, 2, 130


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is a refusal, and which takes no half-written option for a whole one."""

    def __init__(self, verb: str) -> None:
        super().__init__(prog=f"python -m model {verb}", description=VERBS[verb].capitalize() + ".", allow_abbrev=False)
        self.add_argument("--json", action="store_true", help="print one JSON value instead of a table")

    def error(self, message: str) -> NoReturn:
        raise Refusal("verbs.arguments", "{prog}: {message}; --help lists what it takes", prog=self.prog, message=message)


def main(words: Sequence[str] | None = None) -> int:
    """Run the verb the words begin with and return the exit status: 0, 2 for bad input, 130 when interrupted."""
    words = sys.argv[1:] if words is None else words
    try:
        print(_answer(words), flush=True)
    except (Refusal, OSError) as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return OK
        print(" ".join(str(error).split()), file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    return OK


def _answer(words: Sequence[str]) -> str:
    if not words or words[0] in ("-h", "--help"):
        return _overview()
    if words[0] not in VERBS:
        raise Refusal("verbs.unknown", "there is no verb {given!r}; there are {known}", given=words[0], known=", ".join(VERBS))
    verb = import_module(f"model.verbs.{words[0]}")
    parser = Parser(words[0])
    verb.arguments(parser)
    options = parser.parse_args(words[1:])
    result: Any = verb.run(options)
    return json.dumps(result, ensure_ascii=False, allow_nan=False) if options.json else verb.table(result)


def _overview() -> str:
    lines = [f"  {name:<10}{does}" for name, does in VERBS.items()]
    return "\n".join(["python -m model VERB [--json] …", "", *lines, "", "python -m model VERB --help says what a verb takes."])
