"""Other left halves than CPRD's: a MEDS dataset or an OMOP folder in, the same MEDS hinge out.

`meds` and `omop` turn delivered rows into records (`records`); from there on one way serves both:
`codes` and `words` decide what each code means, `events` writes a shard's MEDS events.
"""
