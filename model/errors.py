"""Refusals: what was given, why it cannot work, and what would.

A refusal carries a stable `code` and its operands, so that a screen may say it in another language;
`str(refusal)` is the English sentence. This file knows nothing of any language but that one.
"""

from __future__ import annotations

from typing import Any


class Refusal(ValueError):
    """A request that cannot be carried out, told in one sentence.

    `code` is a dotted key ("config.width"), `values` the operands the sentence was built from.
    """

    def __init__(self, code: str, sentence: str, **values: Any) -> None:
        super().__init__(sentence.format(**values))
        self.code = code
        self.values = values
