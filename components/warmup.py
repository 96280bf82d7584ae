"""Once per process, for the first who looks: what is loaded late is loaded early, then kept out of the garbage collector's sight.

A full collection holds everybody's breath for 50 to 150 ms once torch, pandas and Plotly are loaded. The server does not
collect after each run (`runner.postScriptGC`), and what is alive after the warm-up is frozen: it lives as long as the process.
"""

from __future__ import annotations

import gc
import threading

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
    specimen = compute.embedded()
    compute.traced(specimen, (specimen.tokenizer.begin,))
    later = threading.Timer(LATER, _settle)
    later.daemon = True
    later.start()
    return True


def _settle() -> None:
    """The first optimiser imports a compiler (about a second), the first chart and table their writers."""
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
    pio.to_json(go.Figure(go.Heatmap(z=[[0.0]])))
    pa.Table.from_pandas(pd.DataFrame({"token": ["a"]}))
    gc.collect()
    gc.freeze()
