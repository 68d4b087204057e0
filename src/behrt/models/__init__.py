"""The models, one file each: `fit` and `predict` on the same examples."""
