"""The tables of a run: one module each, with a function `table` that returns the frame."""
