"""Checkpoints: folders a model is kept in. Ours and those of the families, in safetensors only."""

from pathlib import Path

from model.checkpoints.loading import Loaded, Report, load, read_config
from model.checkpoints.saving import save

EMBEDDED = Path(__file__).parents[1] / "embedded"
"""The trained model that comes with the repository."""

__all__ = ["EMBEDDED", "Loaded", "Report", "load", "read_config", "save"]
