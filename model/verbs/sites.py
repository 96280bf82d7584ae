"""`sites`: every place a tap can see in a model."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

import torch

from model.checkpoints import read_config
from model.trace import sites
from model.transformer import Transformer
from model.verbs.given import add_checkpoint, located
from model.verbs.layout import columns


def arguments(parser: argparse.ArgumentParser) -> None:
    """A checkpoint, of which only the configuration is read."""
    add_checkpoint(parser)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One entry a site, in the order a forward pass reaches them."""
    _, config = read_config(located(options.checkpoint) / "config.json")
    with torch.device("meta"):
        model = Transformer(config)
    return [asdict(site) for site in sites(model)]


def table(result: list[dict[str, Any]]) -> str:
    """A row a site."""
    return columns(("name", "shape", "meaning"), ((site["name"], " × ".join(map(str, site["shape"])), site["meaning"]) for site in result))
