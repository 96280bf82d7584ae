"""Once per process, for the first who looks: what is loaded late is loaded early, then kept out of the garbage collector's sight.

A full collection holds everybody's breath for 50 to 150 ms once torch, pandas and Plotly are loaded. The server does not
collect after each run (`runner.postScriptGC`), and what is alive after the warm-up is frozen: it lives as long as the process.
"""

from __future__ import annotations

import gc
import os
import socket
import stat
import threading
from contextlib import suppress

import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
import pyarrow as pa
import streamlit as st
import torch

from components import compute

LATER = 1.0
"""Seconds until the part that no first picture needs: by then the first reader has it."""


@st.cache_resource(show_spinner=False)
def warm() -> bool:
    """Load the model and run it once; the rest follows by itself."""
    torch.set_num_threads(1)
    answer_at_once()
    specimen = compute.embedded()
    compute.traced(specimen, (specimen.tokenizer.begin,))
    later = threading.Timer(LATER, _settle)
    later.daemon = True
    later.start()
    return True


def answer_at_once() -> None:
    """Let no answer wait for the last one's receipt, which a browser holds back for 40 ms (Nagle's algorithm).

    asyncio sees to that only where a socket names its protocol, and Streamlit's names none. New connections inherit the option
    from the socket that listens.
    """
    with suppress(OSError):
        for descriptor in map(int, os.listdir("/dev/fd")):
            with suppress(OSError):
                _hurry(descriptor)


def _hurry(descriptor: int) -> None:
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        with socket.fromfd(descriptor, socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _settle() -> None:
    """The first optimiser imports a compiler (about a second), the first chart and table their writers."""
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
    pio.to_json(go.Figure(go.Heatmap(z=[[0.0]])))
    pa.Table.from_pandas(pd.DataFrame({"token": ["a"]}))
    gc.collect()
    gc.freeze()
