"""Checkpoints: folders a model is kept in. Ours and those of the families, in safetensors only."""

from pathlib import Path

from model.checkpoints.loading import OURS, Loaded, Report, load, read_config
from model.checkpoints.saving import refuse_unless_free, save

EMBEDDED = Path(__file__).parents[1] / "embedded"
"""The trained model that comes with the repository."""

__all__ = ["EMBEDDED", "OURS", "Loaded", "Report", "load", "read_config", "refuse_unless_free", "save"]
