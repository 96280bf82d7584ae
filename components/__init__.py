"""The screen: the only code that knows Streamlit, Plotly, colours and words."""
