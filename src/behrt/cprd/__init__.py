"""CPRD GOLD and its linkages: from delivered text to MEDS. Does not depend on models."""
