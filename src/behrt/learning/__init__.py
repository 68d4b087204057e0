"""The training engine: examples, packing, optimisation, checkpoints. Knows no model."""
