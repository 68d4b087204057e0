"""The figures of a run: one module each, with a function `draw` that returns the figure."""
