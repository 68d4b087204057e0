"""BEHRT as a workflow: from a CPRD delivery to the tables and figures of Li et al. 2020."""

import os

# polars sizes its thread pool once, when it is imported, and knows nothing of Snakemake's limits.
if "OMP_NUM_THREADS" in os.environ:
    os.environ.setdefault("POLARS_MAX_THREADS", os.environ["OMP_NUM_THREADS"])
