"""Checkpoints: folders a model is kept in. Ours and those of the families, in safetensors only."""

from model.checkpoints.loading import Loaded, Report, load, read_config
from model.checkpoints.saving import save

__all__ = ["Loaded", "Report", "load", "read_config", "save"]
