"""The training engine: examples, packing, optimisation, checkpoints. Depends on no model."""
