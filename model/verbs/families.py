"""`families`: every family and published size, its parameters counted without building it."""

from __future__ import annotations

import argparse
from typing import Any

from model.cost import parameters
from model.families import FAMILIES
from model.verbs.layout import columns


def arguments(parser: argparse.ArgumentParser) -> None:
    """Nothing more to say."""


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One entry a size: family, size, year, paper, parameters, and whether the weights were released."""
    return [
        {
            "family": family.name,
            "size": name,
            "year": size.year,
            "paper": size.paper,
            "parameters": parameters(size.config),
            "released": family.released,
        }
        for family in FAMILIES
        for name, size in family.sizes.items()
    ]


def table(result: list[dict[str, Any]]) -> str:
    """A row a size."""
    head = ("family", "size", "parameters", "year", "paper")
    return columns(head, ([str(entry[key]) if key == "year" else entry[key] for key in head] for entry in result))
