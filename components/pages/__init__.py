"""The pages, one module each: `PAGE` and `render(session)`."""
