"""Words that no lexicon has, spelled in the tokenizer's fallback pieces, so that what a reader types can be copied and looked at.

Three shapes that cannot be mistaken for each other or for a word of the lexicon: syllables ("zuteka"), codes that start with a
digit ("7kQ"), and single signs of other scripts ("λ", "😀").
"""

from __future__ import annotations

import math
from functools import lru_cache

from model.text.chance import Chance

CONSONANTS = "bcdfghjklmnpqrstvwxyz"
VOWELS = "aeiouáéíóúãõâêô"
DIGITS = "0123456789"
SIGNS = DIGITS + "abcdefghijklmnopqrstuvwxyzçABCDEFGHIJKLMNOPQRSTUVWXYZ"
SCRIPTS = ((0x03B1, 0x03C9), (0x0410, 0x044F), (0x05D0, 0x05EA), (0x0627, 0x063A), (0x4E00, 0x4EFF), (0x1F600, 0x1F64F))


def invent(chance: Chance, known: frozenset[str]) -> str:
    """A word outside `known`: most often syllables, sometimes a code, now and then a sign of another script."""
    shape = chance.weigh(("syllables", "code", "sign"), (0.8, 0.14, 0.06))
    if shape == "syllables":
        return _syllables(chance, chance.pick((2, 3)), known)
    if shape == "code":
        return chance.pick(DIGITS) + "".join(chance.pick(SIGNS) for _ in range(chance.pick((1, 2, 3))))
    low, high = chance.pick(SCRIPTS)
    return chr(chance.pick(range(low, high + 1)))


def _syllables(chance: Chance, count: int, known: frozenset[str]) -> str:
    """Consonant and vowel, `count` times over. Known words are drawn again, and the probability is that of what remains."""
    before, pairs = chance.nats, (len(CONSONANTS) * len(VOWELS)) ** count
    while (word := "".join(chance.pick(CONSONANTS) + chance.pick(VOWELS) for _ in range(count))) in known:
        pass
    chance.nats = before + math.log(pairs - _spellable(count, known))
    return word


@lru_cache(maxsize=8)
def _spellable(count: int, known: frozenset[str]) -> int:
    def spelled(word: str) -> bool:
        return len(word) == 2 * count and all(a in CONSONANTS and b in VOWELS for a, b in zip(word[::2], word[1::2], strict=True))

    return sum(spelled(word) for word in known)
