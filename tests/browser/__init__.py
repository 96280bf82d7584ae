"""The app as a reader meets it: a real server, a real Chromium."""
