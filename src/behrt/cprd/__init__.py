"""CPRD GOLD and its linkages: from delivered text to MEDS. Knows nothing of models."""
