"""What a reader takes home: a picture as PNG and SVG, its numbers as CSV and NPZ, a whole page as a hand-out and as a notebook.

Pictures exist in the reader's browser only, so the browser writes them (`svg.js`); numbers and words come from the server.
"""
