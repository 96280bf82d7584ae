"""Checkpoints: folders a model is kept in. Ours and those of the families, in safetensors only."""

from pathlib import Path

from model.checkpoints.identity import identity
from model.checkpoints.loading import OURS, Loaded, Report, load, read_config
from model.checkpoints.marks import Marks
from model.checkpoints.saving import refuse_unless_free, save

EMBEDDED, MASKED, TRANSLATOR, DRAFT = (Path(__file__).parents[1] / name for name in ("embedded", "masked", "translator", "draft"))
"""The trained models that come with the repository: a decoder (the default), an encoder that fills blanks, a translator, and a small
decoder that proposes tokens to the first."""

__all__ = [
    "DRAFT",
    "EMBEDDED",
    "MASKED",
    "OURS",
    "TRANSLATOR",
    "Loaded",
    "Marks",
    "Report",
    "identity",
    "load",
    "read_config",
    "refuse_unless_free",
    "save",
]
