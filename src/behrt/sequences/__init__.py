"""From MEDS to examples: vocabulary, split, visit sequences, tasks. Knows nothing of CPRD."""
