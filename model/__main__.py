"""`python -m model VERB`: every capability of the machine, scriptable."""

import sys
from io import TextIOWrapper

from model.verbs.command import main

if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(main())
