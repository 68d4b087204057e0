"""Attention and attribution of a BEHRT."""
