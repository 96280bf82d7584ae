"""`trace`: what happened at each site while a text was read, or written about a source, as arrays in a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from model.analysis.places import Where, sighted
from model.checkpoints import load
from model.errors import Refusal
from model.layers.masks import parse_plan
from model.trace import EAGER, Tracer
from model.verbs.given import add_checkpoint, add_source, add_text, located, read_ids, read_source
from model.verbs.layout import columns


def arguments(parser: argparse.ArgumentParser) -> None:
    """A text, a model, which sites, under which mask, and where to."""
    add_text(parser)
    add_source(parser)
    add_checkpoint(parser)
    parser.add_argument("--site", nargs="+", action="extend", metavar="PATTERN", help='sites to keep, such as "decoder.blocks.*.attn.pattern"')
    parser.add_argument("--mask", metavar="SPEC", help='who may look at whom, such as "causal & window(8)" or "causal; L2.H3: causal & window(8)"')
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npz", help="the file to write")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The sites written with their shapes, and the file. Without `--site`, the T × T maps of a text above 256 tokens are left out."""
    loaded = load(located(options.checkpoint))
    ids, source = read_ids(options, loaded), read_source(options, loaded)
    config = loaded.model.config
    mask = None if options.mask is None else sighted(parse_plan(options.mask), config, Where(config.main), len(ids), len(ids))
    patterns = tuple(options.site or "*")
    spelled_out = options.site is not None or max(len(ids), len(source or ())) <= EAGER
    trace = Tracer(loaded.model).trace(ids, source=source, mask=mask, keep=patterns, maps="all" if spelled_out else "none")
    if not trace.sites:
        raise Refusal("verbs.no_site", "no site matches {patterns}; `python -m model sites` lists them", patterns=", ".join(patterns))
    arrays = {name: value.numpy() for name, value in trace.sites.items()} | ({} if source is None else {"source": np.array(source)})
    with options.out.open("wb") as file:
        np.savez(file, allow_pickle=False, ids=np.array(ids), **arrays)
    return {"sites": {name: list(trace.sites[name].shape) for name in trace.sites}, "file": str(options.out)}


def table(result: dict[str, Any]) -> str:
    """A row a site, and where they lie."""
    rows = ((name, " × ".join(map(str, shape))) for name, shape in result["sites"].items())
    return f"{columns(('site', 'shape'), rows)}\n\nwritten to {result['file']}"
