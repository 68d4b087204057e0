"""CALIBER phenotypes: code lists, chapters, and the mapping of Read and ICD-10 codes."""
