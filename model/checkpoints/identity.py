"""Who a model is: a digest of its configuration and its weights, the same wherever it is loaded."""

from __future__ import annotations

import hashlib

from model.transformer import Transformer


def identity(model: Transformer) -> str:
    """Twelve hexadecimal digits that another configuration, or other weights, would not share."""
    digest = hashlib.blake2b(repr(model.config).encode(), digest_size=6)
    for parameter in model.parameters():
        digest.update(parameter.detach().cpu().numpy().tobytes())
    return digest.hexdigest()
