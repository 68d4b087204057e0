"""From MEDS to examples: vocabulary, split, visit sequences, tasks. Does not depend on CPRD."""
