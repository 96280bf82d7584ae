"""Once per process, before anyone looks: load what is loaded late, then keep it out of the garbage collector's sight.

A full collection holds everybody's breath for 50 to 150 ms once torch, pandas and Plotly are loaded. The server does not
collect after each run (`runner.postScriptGC`), and what is alive here is frozen: it lives as long as the process.
"""

from __future__ import annotations

import gc

import streamlit as st

from components import compute


@st.cache_resource(show_spinner=False)
def warm() -> bool:
    """Do all that once, then answer at once."""
    _imports()
    specimen = compute.embedded()
    compute.traced(specimen, (specimen.tokenizer.begin,))
    gc.collect()
    gc.freeze()
    return True


def _imports() -> None:
    import pandas as pd
    import plotly.graph_objects as go
    import plotly.io as pio
    import pyarrow as pa
    import torch

    torch.set_num_threads(1)
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])
    pio.to_json(go.Figure(go.Heatmap(z=[[0.0]])))
    pa.Table.from_pandas(pd.DataFrame({"token": ["a"]}))
