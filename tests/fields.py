"""Every field that a link may carry, of every page there is, and rubbish to put into them."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from components import pages
from components.controls import header, prompt
from components.page import Page
from components.state import Field

MODULES = [import_module(f"{pages.__name__}.{found.name}") for found in iter_modules(pages.__path__)]
ROOMS: list[Page] = [module.PAGE for module in MODULES if hasattr(module, "PAGE")]
HEADER: tuple[Field[Any], ...] = (*header.FIELDS, *prompt.FIELDS)
FIELDS: list[Field[Any]] = [*HEADER, *{field.name: field for room in ROOMS for field in room.fields}.values()]
RUBBISH = ["", "x", "-1", "9" * 30, "1e309", "nan", "🦜\u202e", "<script>alert(1)</script>", "~1AAAA", "\x00%00", "{0}~{1}~" * 30]
