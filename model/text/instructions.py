"""Instructions and their answers: documents of the kinds that ask for something, cut where the answer begins.

Whoever is to learn how to answer need not learn how to ask: that is what a loss mask is for. One text in ten is held out, told by a hash
of its own, so that no list has to be kept; facts are not, because nobody can know one that was never told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, islice

import torch
from torch import Tensor

from model.errors import Refusal
from model.text.stream import Stream
from model.text.tokenizer import Tokenizer
from model.text.world import Dials, Document, World

MARKS: dict[str, tuple[str, ...]] = {
    "fact": (" R:", " A:"),
    "counting": (":",),
    "question": (" R:", " A:"),
    "translation": (" = PT:", " = EN:"),
    "copy": (" =",),
}
"""The kinds that ask for something, and what the answer stands behind."""
WHOLE = ("fact",)
"""Kinds whose texts cannot be held out."""
HELD_OUT_SHARE = 10
HELD_OUT_SEED = "held-out instructions"


@dataclass(frozen=True, slots=True)
class Instruction:
    """What is asked and the one right answer, which begins with its space; together they are a document of this kind."""

    prompt: str
    answer: str
    kind: str

    @property
    def held_out(self) -> bool:
        """Whether training never reads this text."""
        digest = blake2b((self.prompt + self.answer).encode(), digest_size=4).digest()
        return self.kind not in WHOLE and int.from_bytes(digest) % HELD_OUT_SHARE == 0


def cut(document: Document) -> Instruction | None:
    """A document as an instruction; `None` for one that asks for nothing."""
    found = [place + len(mark) for mark in MARKS.get(document.kind, ()) if (place := document.text.rfind(mark)) >= 0]
    return Instruction(document.text[: max(found)], document.text[max(found) :], document.kind) if found else None


def asked(dials: Dials) -> list[str]:
    """The kinds of instructions that this world writes. Raises `Refusal` where it writes none."""
    kinds = [kind for kind, _ in dials.usable() if kind in MARKS]
    if not kinds:
        raise Refusal("instructions.none", "this world asks for nothing; let it write some of {known}", known=", ".join(MARKS))
    return kinds


def instructions(seed: int | str, dials: Dials) -> Iterator[Instruction]:
    """Instructions without end, held-out ones among them: the same seed and dials, the same instructions. Raises `Refusal` where there
    can be none."""
    asked(dials)
    return (found for document in World(seed, dials).documents() if (found := cut(document)) is not None)


def held_out_instructions(count: int, dials: Dials) -> tuple[Instruction, ...]:
    """Instructions that no training reads, and facts as they are asked for: as many of each kind, in turns."""
    supplies = [_held_out(kind, dials) for kind in asked(dials)]
    return tuple(islice(chain.from_iterable(zip(*supplies, strict=True)), count))


def _held_out(kind: str, dials: Dials) -> Iterator[Instruction]:
    world = World(f"{HELD_OUT_SEED}: {kind}", dials)
    while True:
        found = cut(world.document(kind))
        if found is not None and (found.held_out or kind in WHOLE):
            yield found


@dataclass(frozen=True, slots=True)
class Asked:
    """An instruction as ids, begin token first and last, and which of them belong to the answer; the last begin token ends it."""

    ids: tuple[int, ...]
    answer: tuple[bool, ...]

    @property
    def start(self) -> int:
        """Where the answer begins."""
        return self.answer.index(True)


def encode(tokenizer: Tokenizer, instruction: Instruction) -> Asked:
    """The instruction as a model reads it."""
    prompt = 1 + len(tokenizer.ids(instruction.prompt))
    ids = (tokenizer.begin, *tokenizer.ids(instruction.prompt + instruction.answer), tokenizer.begin)
    return Asked(ids, tuple(place >= prompt for place in range(len(ids))))


@dataclass(frozen=True, slots=True, eq=False)
class InstructionRows:
    """Instructions side by side: ids (rows, length + 1), and which of them belong to an answer."""

    ids: Tensor
    answer: Tensor


class InstructionStream(Stream[Asked, InstructionRows]):
    """Rows of whole instructions without end, none of them held out."""

    def __init__(self, tokenizer: Tokenizer, length: int, *, seed: int = 0, dials: Dials | None = None) -> None:
        self.seed, self.dials = seed, dials or Dials()
        super().__init__(tokenizer, length)

    def written(self) -> Iterator[Asked]:
        taught = (one for one in instructions(f"training {self.seed}", self.dials) if not one.held_out)
        return pack((encode(self.tokenizer, one) for one in taught), self.tokenizer, self.length)

    def laid(self, rows: list[Asked]) -> InstructionRows:
        return InstructionRows(torch.tensor([row.ids for row in rows]), torch.tensor([row.answer for row in rows]))


def pack(given: Iterator[Asked], tokenizer: Tokenizer, length: int) -> Iterator[Asked]:
    """Rows of `length` + 1 ids, each instruction whole; the begin token that ends one opens the next. Raises `Refusal` for one that
    fits no row."""
    ids, answer = [tokenizer.begin], [False]
    for one in given:
        if len(one.ids) > length + 1:
            sentence = "a document has {given} tokens and a row only {room}; make the context longer"
            raise Refusal("rows.length", sentence, given=len(one.ids) - 1, room=length)
        if len(ids) + len(one.ids) - 1 > length + 1:
            yield _filled(ids, answer, tokenizer, length)
            ids, answer = [tokenizer.begin], [False]
        ids += one.ids[1:]
        answer += one.answer[1:]


def _filled(ids: list[int], answer: list[bool], tokenizer: Tokenizer, length: int) -> Asked:
    rest = length + 1 - len(ids)
    return Asked((*ids, *[tokenizer.pad] * rest), (*answer, *[False] * rest))
